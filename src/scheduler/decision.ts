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

/** An account that a call was considered for, as the ledger keeps it. */
export interface ConsideredAccount {
  readonly id: string;
  /** Place in the key's chain of bindings. Absent: it is not for this key. */
  readonly tier?: number | undefined;
  /** Of a candidate; absent where all candidates of its tier have the same. */
  readonly priority?: number;
  /** What cooldowns of its model are kept under, of a candidate; absent where it is that of the list. */
  readonly family?: string;
  /** Why the settings rule it out. */
  readonly not?: string;
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
  /** Accounts considered that may not serve for want of a price, since a budget is to be kept. */
  readonly unpriced?: readonly string[];
  /** The account taken and the bound one, where the list of those considered ends before them. */
  readonly beside?: readonly ConsideredAccount[];
}
