import { Cancellation } from '../upstream/cancellation.ts';

/**
 * The valve between a client and the run that serves it. RxJS has no demand, so the responder closes the valve when
 * the client's socket is full and the run waits at it after every event.
 *
 * States: open → paused → open … → left. Leaving is final, happens once, and opens the valve so that a paused run
 * reaches its `finally`.
 */

/** Why a run is stopped early. */
export type LeaveReason = 'client-left' | 'write-stall' | 'draining';

export class Left extends Error {
  readonly reason: LeaveReason;

  constructor(reason: LeaveReason) {
    super(`The call was left: ${reason}`);
    this.reason = reason;
  }
}

export class Flow {
  /** Aborted with a {@link Left} when the call is to stop. */
  readonly signal = new Cancellation();
  private gate: Promise<void> | undefined;
  private open: (() => void) | undefined;

  pause(): void {
    if (this.gate !== undefined || this.signal.aborted) return;
    this.gate = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  resume(): void {
    this.open?.();
    this.gate = undefined;
    this.open = undefined;
  }

  /** Undefined when the valve is open, so that an open one costs no turn of the event loop. */
  ready(): Promise<void> | undefined {
    return this.gate;
  }

  leave(reason: LeaveReason): void {
    if (!this.signal.aborted) withoutStacks(() => this.signal.abort(new Left(reason)));
    this.resume();
  }
}

/**
 * Everything that is cut when a call is left makes an error of its own (Node's streams even format its stack), which
 * nobody reads: where it was left from is known. Without stacks, hundreds that hang up at once are cut in half the time.
 */
function withoutStacks(work: () => void): void {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
