import { RelayError } from '../errors/relay-error.ts';
import type { Outcome } from '../scheduler/settlement.ts';
import { UpstreamFailure } from '../upstream/upstream-failure.ts';
import { AnswerStalled } from './answer-body.ts';
import { type Flow, Left } from './flow.ts';

class TotalExceeded extends Error {}

/** Ends one attempt early: the client's leaving and the total clock as one signal. */
export class Cut {
  private readonly controller = new AbortController();
  private readonly clock: NodeJS.Timeout;
  private readonly onLeave = (): void => this.controller.abort(this.flow.signal.reason);

  constructor(
    private readonly flow: Flow,
    totalMs: number,
  ) {
    this.clock = setTimeout(() => this.controller.abort(new TotalExceeded()), totalMs);
    if (flow.signal.aborted) this.onLeave();
    else flow.signal.addEventListener('abort', this.onLeave, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** No more clocks and listeners; call once when the attempt is over. */
  release(): void {
    clearTimeout(this.clock);
    this.flow.signal.removeEventListener('abort', this.onLeave);
  }
}

/** What a thrown thing means: how the attempt ended, a short word for the ledger, and what the client is told. */
export interface Ending {
  readonly outcome: Outcome;
  readonly reason: string;
  readonly error: RelayError;
}

/** @param headSent an answer's head is with the client already: the outcome is `partial` instead of `failed` */
export function endingOf(thrown: unknown, signal: AbortSignal, headSent: boolean): Ending {
  const broken: Outcome = headSent ? 'partial' : 'failed';
  const cause: unknown = signal.aborted ? signal.reason : thrown;

  if (cause instanceof Left) {
    const error =
      cause.reason === 'draining'
        ? new RelayError('draining', 'The relay is shutting down; try again', 1)
        : new RelayError('internal', 'The client left');
    return { outcome: cause.reason === 'client-left' ? 'client-left' : broken, reason: cause.reason, error };
  }
  if (cause instanceof TotalExceeded) {
    const error = new RelayError('upstream-slow', 'The answer took longer than the relay allows');
    return { outcome: broken, reason: 'total-timeout', error };
  }
  if (cause instanceof AnswerStalled) {
    const error = new RelayError('upstream-slow', 'The upstream fell silent');
    return { outcome: broken, reason: 'idle-timeout', error };
  }
  if (cause instanceof UpstreamFailure) {
    const error =
      cause.reason === 'headers-timeout'
        ? new RelayError('upstream-slow', 'The upstream did not answer in time')
        : cause.reason === 'reset'
          ? new RelayError('upstream-broken', 'The upstream broke off')
          : new RelayError('upstream-unreachable', unreachable(cause));
    return { outcome: broken, reason: cause.reason, error };
  }
  if (cause instanceof RelayError) {
    // An answer came, but nobody can say what it used.
    const outcome = cause.code === 'upstream-unusable' ? 'unknown' : broken;
    return { outcome, reason: cause.code, error: cause };
  }
  return { outcome: broken, reason: 'internal', error: new RelayError('internal', 'The relay failed') };
}

/** Where it is the account's proxy that failed, that is told: its words are ours. */
function unreachable({ reason, message }: UpstreamFailure): string {
  return reason.startsWith('proxy-') ? message : 'The upstream cannot be reached';
}
