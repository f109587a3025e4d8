import type { Lane, Usage } from '../dialects/dialect.ts';
import type { AttemptDecision } from './decision.ts';

/**
 * How an attempt ended:
 * - `completed`: the dialect's own end was seen and everything was handed to the client
 * - `refused`: the upstream said no to the caller's request; passed on unchanged
 * - `failed`: the account, the provider or the network was at fault before the first byte
 * - `partial`: the answer broke after its head: upstream silent, cut or failing, a limit reached, or a reader stalled
 * - `client-left`: the client went away
 * - `unknown`: an answer came whose usage cannot be told
 * - `orphaned`: its replica died; written by the sweeper
 */
export type Outcome = 'completed' | 'refused' | 'failed' | 'partial' | 'client-left' | 'unknown' | 'orphaned';

/** One attempt's usage for the ledger, idempotent by (requestId, attempt); the final one also ends the call. */
export interface Settlement {
  readonly requestId: string;
  readonly attempt: number;
  /**
   * This ends the call, whatever attempt its open row stands at: everything that it holds comes back. One that is not
   * final writes its ledger row and leaves the call open for a move; it may be sent again as final.
   */
  readonly final: boolean;
  readonly epoch: string;
  readonly keyId: string;
  readonly accountId: string;
  /** Of the lease. */
  readonly teams: readonly string[];
  readonly lane: Lane;
  readonly door: string;
  readonly kind: string;
  readonly model: string;
  readonly upstreamModel: string;
  readonly stream: boolean;
  readonly admittedAt: Date;
  readonly outcome: Outcome;
  /** Upstream's HTTP status; null when no answer came. */
  readonly status: number | null;
  /** A short word for the ledger (`idle-timeout`, `overloaded_error`); never text from a body. */
  readonly reason: string | null;
  readonly usage: Usage;
  /** The usage is (in part) our estimate from the bytes that passed. */
  readonly estimated: boolean;
  /** The upstream reported a number that cannot be one. */
  readonly suspicious: boolean;
  /** Nano-dollars; null = unpriced. */
  readonly costNanos: bigint | null;
  readonly priceId: string | null;
  /** While there is no cost: the most that is known of it, else what the call held; null = what the open row says. */
  readonly chargedNanos: bigint | null;
  /**
   * What the call holds, in nano-dollars. Only the attempt's first record in the spool says so, as its cost: nothing was
   * seen yet, and the open row may be lost, or was never written where the database was away.
   */
  readonly heldNanos?: bigint | null;
  readonly firstByteMs: number | null;
  readonly durationMs: number;
  readonly upstreamRequestId: string | null;
  readonly clientRequestId: string | null;
  /** Null: nobody knows any more. */
  readonly decision: AttemptDecision | null;
  /**
   * The accounts considered, as JSON: one text for all calls alike. It is not in the spool, whose texts are written
   * thrice for a call: what is settled out of a dead replica's spool does not tell them.
   */
  readonly considered?: string;
  /**
   * The digest of the call's session, where its account has only so many places: the session's next call wants the one
   * that comes back. Not in the spool either.
   */
  readonly session?: string | undefined;
}

/** One text for an attempt, wherever it is a key. */
export function idOfSettlement({ requestId, attempt }: Pick<Settlement, 'requestId' | 'attempt'>): string {
  return `${requestId}/${attempt}`;
}
