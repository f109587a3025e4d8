import { RelayError } from '../errors/relay-error.ts';
import type { Outcome } from '../scheduler/settlement.ts';
import { Cancellation, onCancel } from '../upstream/cancellation.ts';
import { UpstreamFailure, type UpstreamFailureReason } from '../upstream/upstream-failure.ts';
import { AnswerStalled } from './answer-body.ts';
import type { Drains } from './drains.ts';
import { type Flow, Left } from './flow.ts';
import type { Blame } from './miss.ts';

class TotalExceeded extends Error {}

/** What a drained answer may still take. */
const DRAIN_MS = 120_000;
const DRAIN_BYTES = 32 * 1024 * 1024;

/**
 * Ends one attempt early: the client's leaving and the total clock as one signal.
 *
 * States: running → (the client left, and the answer is to be drained) draining, bounded in time and bytes → cut;
 * running → cut. Any → released.
 */
export class Cut {
  readonly signal = new Cancellation();
  private readonly stopListening: () => void;
  private readonly clock: NodeJS.Timeout;
  private drainClock: NodeJS.Timeout | undefined;
  private endDrain: (() => void) | undefined;
  private drainedBytes = 0;

  constructor(
    private readonly flow: Flow,
    totalMs: number,
    /** Undefined: an answer whose client left is cut at once. */
    private readonly drains?: Drains,
  ) {
    this.clock = setTimeout(() => this.signal.abort(new TotalExceeded()), totalMs);
    this.stopListening = onCancel(flow.signal, () => this.left());
    if (flow.signal.aborted) this.end();
  }

  /** The client left, and the answer is read on. */
  get isDraining(): boolean {
    return this.endDrain !== undefined;
  }

  /** So many bytes of the answer came. */
  took(bytes: number): void {
    if (this.isDraining && (this.drainedBytes += bytes) > DRAIN_BYTES) this.end();
  }

  /** No more clocks and listeners; call once when the attempt is over. */
  release(): void {
    clearTimeout(this.clock);
    clearTimeout(this.drainClock);
    this.endDrain?.();
    this.stopListening();
  }

  private left(): void {
    const { reason } = this.flow.signal as { reason: unknown };
    const leaves = reason instanceof Left && reason.reason === 'client-left';
    this.endDrain = leaves ? this.drains?.begin(() => this.end()) : undefined;
    if (this.endDrain === undefined) this.end();
    else this.drainClock = setTimeout(() => this.end(), DRAIN_MS);
  }

  private end(): void {
    this.signal.abort(this.flow.signal.reason);
  }
}

/** What a thrown thing means: how the attempt ended, a short word for the ledger, and what the client is told. */
export interface Ending {
  readonly outcome: Outcome;
  readonly reason: string;
  readonly error: RelayError;
  readonly blame: Blame;
  /** Not a byte went upstream. */
  readonly unsent: boolean;
}

type UnsentReason = Exclude<UpstreamFailureReason, 'headers-timeout' | 'reset' | 'aborted'>;
const UNSENT: Readonly<Record<UnsentReason, true>> = {
  refused: true,
  dns: true,
  tls: true,
  'connect-timeout': true,
  'forbidden-address': true,
  'proxy-unreachable': true,
  'proxy-denied': true,
  'proxy-refused': true,
};

/**
 * @param headSent an answer's head is with the client already: the outcome is `partial` instead of `failed`
 * @param answered the upstream had begun to answer
 */
export function endingOf(
  thrown: unknown,
  signal: Cancellation,
  headSent: boolean,
  answered: boolean,
): Ending {
  const broken: Outcome = headSent ? 'partial' : 'failed';
  const cause: unknown = signal.aborted ? signal.reason : thrown;

  if (cause instanceof Left) {
    const error = leftError(cause);
    const outcome = cause.reason === 'client-left' ? 'client-left' : broken;
    return { outcome, reason: cause.reason, error, blame: 'relay', unsent: false };
  }
  if (cause instanceof TotalExceeded) {
    const error = new RelayError('upstream-slow', 'The answer took longer than the relay allows');
    return { outcome: broken, reason: 'total-timeout', error, blame: 'relay', unsent: false };
  }
  if (cause instanceof AnswerStalled) {
    const error = new RelayError('upstream-slow', 'The upstream fell silent');
    return { outcome: broken, reason: 'idle-timeout', error, blame: 'vendor', unsent: false };
  }
  if (cause instanceof UpstreamFailure) {
    const { reason, begun } = cause;
    const blame = reason === 'reset' && !answered && !begun ? 'connection' : 'vendor';
    const unsent = Object.hasOwn(UNSENT, reason);
    return { outcome: broken, reason, error: failureError(cause), blame, unsent };
  }
  if (cause instanceof RelayError) {
    const { code } = cause;
    // An answer came, but nobody can say what it used.
    if (code === 'upstream-unusable')
      return { outcome: 'unknown', reason: code, error: cause, blame: 'vendor', unsent: false };
    const account = code === 'account-fault';
    const blame = account ? 'account' : 'relay';
    return { outcome: broken, reason: code, error: cause, blame, unsent: account && !answered };
  }
  const error = new RelayError('internal', 'The relay failed');
  return { outcome: broken, reason: 'internal', error, blame: 'relay', unsent: false };
}

/** What a client is told whose call was left; one that has gone does not hear it. */
export function leftError({ reason }: Left): RelayError {
  return reason === 'draining'
    ? new RelayError('draining', 'The relay is shutting down; try again', 1)
    : new RelayError('internal', 'The client left');
}

function failureError({ reason, message }: UpstreamFailure): RelayError {
  if (reason === 'headers-timeout')
    return new RelayError('upstream-slow', 'The upstream did not answer in time');
  if (reason === 'reset') return new RelayError('upstream-broken', 'The upstream broke off');
  // Where it is the account's proxy that failed, that is told: its words are ours.
  const unreachable = reason.startsWith('proxy-') ? message : 'The upstream cannot be reached';
  return new RelayError('upstream-unreachable', unreachable);
}
