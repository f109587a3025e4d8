import type { SessionSource } from '../dialects/dialect.ts';

/**
 * What a session's binding meant for the choice of an account:
 * - `none`: the call is of no session
 * - `new`: the session was bound to none, or its account has been idle for longer than the vendor's cache lives
 * - `hit`: the bound account was taken
 * - `spill`: another one was, for this call only: the bound one is full, is cooling, or has just failed
 * - `rebound`: another one was, and has the session from now on: the bound one serves no more, or not until a person
 *   has seen to it
 */
export type AffinityResult = 'none' | 'new' | 'hit' | 'spill' | 'rebound';

export interface Affinity {
  readonly source: SessionSource | 'none';
  readonly result: AffinityResult;
}

/** How the account of an attempt was chosen, as the ledger keeps it. */
export interface AttemptDecision {
  readonly affinity: Affinity;
}
