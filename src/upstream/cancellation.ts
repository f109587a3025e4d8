/**
 * What an AbortController and its signal are, for use inside of the process: a call needs three of them, and those of
 * the platform cost more than all else that is made for it.
 *
 * States: open → aborted, once. Whoever listens is told once; after that, nobody is.
 */
export class Cancellation {
  aborted = false;
  reason: unknown;
  private listeners: Set<() => void> | undefined;

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const { listeners = [] } = this;
    this.listeners = undefined;
    for (const listener of listeners) listener();
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: 'abort', listener: () => void, _options: { readonly once: true }): void {
    if (this.aborted) return;
    this.listeners ??= new Set();
    this.listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.listeners?.delete(listener);
  }
}

/** Calls back when the signal fires; answers how to stop listening. One that has fired already does not fire again. */
export function onCancel(signal: AbortSignal | Cancellation, listener: () => void): () => void {
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}
