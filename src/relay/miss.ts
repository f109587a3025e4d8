import type { RelayError } from '../errors/relay-error.ts';
import type { Settlement } from '../scheduler/settlement.ts';

/** A refusal of the vendor in the client's dialect, kept while another account is tried. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * Who is to blame that there is no answer, as far as it decides who is tried next:
 * - `account`: this account; any other may do better
 * - `vendor`: transient trouble there, or on the way
 * - `overload`: every account at the same origin meets it
 * - `connection`: it broke before a byte came back, as kept ones do that the other side has just closed
 * - `relay`: nobody upstream; no other account helps
 */
export type Blame = 'account' | 'vendor' | 'overload' | 'connection' | 'relay';

/** How an attempt ended before its head: the client has nothing of it yet. */
export interface Miss {
  readonly blame: Blame;
  /** What the client is told where nobody does better: the vendor's words, or ours. */
  readonly told: KeptAnswer | RelayError;
  /** Nothing was sent upstream, or nobody knew yet that this account rests: trying another one is no repetition. */
  readonly free: boolean;
  /** When the account itself is there again; undefined: nobody knows, or a person must come first. */
  readonly backInMs?: number | undefined;
}

/** A miss whose attempt is settled, not as the call's last one where another may follow. */
export interface SettledMiss extends Miss {
  readonly settlement: Settlement;
}
