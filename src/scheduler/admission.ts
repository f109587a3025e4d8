import type { Lane } from '../dialects/dialect.ts';
import type { Rate } from './rate-stamps.ts';

/** An account that may serve the call, by the caller's knowledge of kinds, model policies and bindings. */
export interface Candidate {
  readonly accountId: string;
  /** Version of the settings the caller decided on. */
  readonly version: bigint;
  /** Place in the key's fallback chain: 0 first. A higher tier serves only when no lower one can. */
  readonly tier: number;
  /** The family that cooldowns of this call's model are kept under. */
  readonly modelFamily: string;
}

export interface AdmissionRequest {
  /** uuidv7; the ledger's id. Asking again with the same id and key, while its row is open, gives the same lease. */
  readonly requestId: string;
  /** As the client gave it, for the ledger. */
  readonly clientRequestId?: string | undefined;
  readonly keyId: string;
  readonly keyVersion: bigint;
  readonly lane: Lane;
  readonly door: string;
  readonly model: string;
  /** Calls with the very same array are cheaper together: they share it on the wire and in the choice. */
  readonly candidates: readonly Candidate[];
  /** They are the best of more: where its session is bound to none of them, nothing is taken, and the answer says to which. */
  readonly isShort?: boolean;
  /** Kind by account id, written on the open row. */
  readonly kindOf: (accountId: string) => string;
  /**
   * Taken when it is eligible and has room, whatever its tier, priority and load: whoever prefers an account has
   * decided that it outranks them. Otherwise the order decides, as without it.
   */
  readonly preferredAccountId?: string | undefined;
  /**
   * The digest of key, model and session (32 hexadecimal digits): the account that it is bound to is preferred, where no
   * other one is. Absent: nothing is cached for it.
   */
  readonly session?: string | undefined;
  /** Absent: nothing is held, and every price is taken for known. */
  readonly hold?: Hold | undefined;
  /** How it may be admitted while the database is away; absent = not at all: a budget binds its key, or it is not known. */
  readonly grace?: GraceTerms | undefined;
}

/** By what memory knows of the limits of a key and of accounts. */
export interface GraceTerms {
  /** The key, or a team above it, has only so many places. */
  readonly limited: boolean;
  /** Of the key and the teams above it. */
  readonly rates: readonly Rate[];
  /** The key's team and those above it. */
  readonly teams: readonly string[];
  readonly isLimited: (accountId: string) => boolean;
  readonly priorityOf: (accountId: string) => number;
}

/** What a call may come to, estimated on the high side, and held of its key and teams until it has ended. */
export interface Hold {
  readonly nanos: bigint;
  readonly tokens: number;
  /** Candidates whose price for the call is not known: they do not serve where a budget is to be kept. */
  readonly unpriced: ReadonlySet<string>;
}

/** What is needed of an AbortSignal to hear that nobody waits any more: one is taken, and what is cheaper to make. */
export interface LeaveSignal extends Pick<AbortSignal, 'aborted' | 'throwIfAborted'> {
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options: { readonly once: true }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** How a call waits for a place where all are taken. Without it, a call is refused at once. */
export interface Patience {
  /** `performance.now()` when the call first asked: calls of one key wait in this order, also after asking anew. */
  readonly arrivedAt: number;
  /** Aborted when nobody wants the place any more; its reason is thrown. */
  readonly signal: LeaveSignal;
  /** Not beyond this `performance.now()`, whatever the settings allow. */
  readonly until?: number;
  /** Told how long the call stood in line and what for, once for each time that it did. */
  readonly waited: (ms: number, refusal: Refusal) => void;
}

/** Another attempt of a call that is open, on an account of these; those tried before are left out by the caller. */
export interface MoveRequest {
  readonly lease: Lease;
  readonly keyVersion: bigint;
  readonly candidates: readonly Candidate[];
  readonly kindOf: (accountId: string) => string;
  /** As at admission. */
  readonly unpriced?: ReadonlySet<string> | undefined;
  /** As at admission; the lease's own account, too, where the same is to be tried again. */
  readonly preferredAccountId?: string | undefined;
}

/**
 * A place held on an account for one attempt, written on the call's open row before anything goes upstream. Whoever has
 * moved on has a lease of the next attempt, and the one before holds nothing any more.
 */
export interface Lease {
  readonly requestId: string;
  /** From 1. */
  readonly attempt: number;
  readonly epoch: string;
  readonly keyId: string;
  readonly accountId: string;
  /** The key's team and those above it, at admission: what the call's attempts are charged to as well. */
  readonly teams: readonly string[];
  /** When the call was admitted, by the database clock: the same for all its attempts. */
  readonly admittedAt: Date;
  /** The attempt is the account's first after a cooldown: no other is let in before it is decided, or 30 s are over. */
  readonly probe?: true | undefined;
}

/**
 * Why nothing was taken:
 * - `key-unusable`: revoked, disabled, expired or deleted, by the key row and the database clock
 * - `key-full`: all of the key's places (or its counting places) are taken
 * - `stale`: the key or a candidate changed since the caller read it; read again and ask once more
 * - `accounts-full`: an account could serve, but none has a place left
 * - `accounts-cooling`: every account that could serve is cooling; `retryAfterMs` to the soonest
 * - `accounts-parked`: every account that could serve waits for a person
 * - `no-account`: no candidate is enabled
 * - `requests-rate`, `tokens-rate`: of the key or a team above it; `retryAfterMs` until there is room, which for tokens
 *   may be later where open calls hold them
 * - `budget-spent`: what is left of a budget of the key or a team does not cover the call
 * - `budget-held`: it would, if open calls did not hold it
 * - `unpriced`: there is a budget to keep, and the price of no account that could serve is known
 * - `team-full`: all places of a team are taken
 */
export type Refusal =
  | 'key-unusable'
  | 'key-full'
  | 'stale'
  | 'accounts-full'
  | 'accounts-cooling'
  | 'accounts-parked'
  | 'no-account'
  | 'requests-rate'
  | 'tokens-rate'
  | 'budget-spent'
  | 'budget-held'
  | 'unpriced'
  | 'team-full';

/** The account that a call's session was bound to when it was admitted. */
export interface Bound {
  readonly accountId: string;
  /** Another one was taken, since this one waits for a person. */
  readonly isParked: boolean;
}

export type Decision =
  | {
      readonly admitted: true;
      readonly lease: Lease;
      /** Absent: its session had no binding, or nobody knows. */
      readonly bound?: Bound;
    }
  | { readonly admitted: false; readonly refusal: Refusal; readonly retryAfterMs?: number };

/** Admission cannot be asked at all: Postgres is gone, slow or full, or this replica's epoch is not valid. */
export class AdmissionUnavailable extends Error {}
