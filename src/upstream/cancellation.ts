import { EventEmitter } from 'node:events';

/**
 * What an AbortController and its signal are, for use inside of the process: a call needs three of them, and those of
 * the platform cost more than all else that is made for it. Undici takes one as it takes an AbortSignal.
 *
 * States: open → aborted, once.
 */
export class Cancellation extends EventEmitter<{ abort: [] }> {
  aborted = false;
  reason: unknown;

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.emit('abort');
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }
}

/** Calls back when the signal fires; answers how to stop listening. One that has fired already does not fire again. */
export function onCancel(signal: AbortSignal | Cancellation, listener: () => void): () => void {
  if (signal instanceof Cancellation) {
    signal.once('abort', listener);
    return () => signal.off('abort', listener);
  }
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
