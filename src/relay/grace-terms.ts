import type { ApiKey } from '../keys/api-key.ts';
import type { GraceTerms } from '../scheduler/admission.ts';
import type { Account } from '../upstream/account.ts';

const known = new WeakMap<readonly Account[], ReadonlyMap<string, Account>>();

/**
 * How a call of this key may be admitted while the database is away, by the settings that its candidates are from.
 * Undefined: not at all, since a budget binds it.
 */
export function graceTerms(key: ApiKey, accounts: readonly Account[]): GraceTerms | undefined {
  const accountOf = (accountId: string): Account | undefined => byId(accounts).get(accountId);
  const { bounds } = key;
  if (bounds.some(({ budget }) => budget)) return undefined;
  return {
    limited: bounds.some(({ places }) => places),
    rates: bounds.filter((one) => one.requestsPerMinute !== null || one.tokensPerMinute !== null),
    teams: bounds.slice(1).map(({ id }) => id),
    isLimited: (id) => accountOf(id)?.maxConcurrency !== 0,
    priorityOf: (id) => accountOf(id)?.priority ?? 0,
  };
}

/** Made once for as long as no account changes, and only where somebody asks. */
function byId(accounts: readonly Account[]): ReadonlyMap<string, Account> {
  let map = known.get(accounts);
  if (map === undefined) known.set(accounts, (map = new Map(accounts.map((one) => [one.id, one]))));
  return map;
}
