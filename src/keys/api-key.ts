/** A key that we issue, as the guard and the pipeline see it: a frozen copy of the settings row in memory. */
export interface ApiKey {
  readonly id: string;
  /** The change that wrote this copy; admission refuses a call decided on an older copy than the row. */
  readonly version: bigint;
  readonly name: string;
  /** The public beginning of the secret in use, e.g. `rk_3fQ9…`. */
  readonly prefix: string;
  /** Doors the key may use; empty = none. */
  readonly scopes: readonly string[];
  /** Model patterns (`*` matches any run of characters); empty = none. */
  readonly models: readonly string[];
  /** Accounts it is bound to; null = not bound by account. */
  readonly accounts: readonly string[] | null;
  /** Account groups it is bound to, in order: a fallback chain; null = not bound by group. */
  readonly groups: readonly string[] | null;
  /** What a bound key does when its accounts cannot serve: `strict` refuses, `fallback` goes to the shared pool. */
  readonly bindingPolicy: 'strict' | 'fallback';
  /** Calls at once over all replicas; null = unlimited. */
  readonly maxConcurrency: number | null;
  /** Its own bounds, then those of its team and the teams above that; admission goes by the rows themselves. */
  readonly bounds: readonly Bound[];
  readonly tags: readonly string[];
  readonly enabled: boolean;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

/** What a key or a team is held to, as far as a call must be judged without the database. */
export interface Bound {
  /** Of the key or the team. */
  readonly id: string;
  /** It has only so many places. */
  readonly places: boolean;
  /** It has a budget of any period. */
  readonly budget: boolean;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}
