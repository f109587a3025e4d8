import type { SessionSource } from '../dialects/dialect.ts';
import type { Refusal } from './admission.ts';

/**
 * What a session's binding meant for the choice of an account:
 * - `none`: the call is of no session
 * - `new`: the session was bound to none, or its account has been idle for longer than the vendor's cache lives
 * - `hit`: the bound account was taken
 * - `spill`: another one was, for this call only: the bound one is full, is cooling, is near a limit, or
 *   has just failed
 * - `rebound`: another one was, and has the session from now on: the bound one serves no more, or not until a person
 *   has seen to it
 */
export type AffinityResult = 'none' | 'new' | 'hit' | 'spill' | 'rebound';

export interface Affinity {
  readonly source: SessionSource | 'none';
  readonly result: AffinityResult;
}

/** How the account of an attempt was chosen, as the ledger keeps it; beside it, the accounts considered. */
export interface AttemptDecision {
  readonly affinity: Affinity;
  /** The account of the session's binding, where another one was taken. */
  readonly bound?: string;
  /** That one waits for a person. */
  readonly parked?: true;
  /** How long the call stood in line for this attempt. Absent: an older build did not tell. */
  readonly waitedMs?: number;
  /** What it waited for: the last refusal of those that it stood in line with. */
  readonly waitedFor?: Refusal;
  /** Accounts considered that cannot be asked this very call: their dialect has no words for a part of it. */
  readonly unsaid?: readonly string[];
  /** Accounts considered that admission was not asked for: tried before, or behind the same overloaded origin. */
  readonly passed?: readonly string[];
}
