import type { ApiKey } from '../keys/api-key.ts';
import type { GraceTerms } from '../scheduler/admission.ts';
import type { Account } from '../upstream/account.ts';

/** By the accounts as they are, and the key as it is. */
interface Known {
  readonly byId: ReadonlyMap<string, Account>;
  readonly terms: WeakMap<ApiKey, GraceTerms | 'none'>;
}

const known = new WeakMap<readonly Account[], Known>();

/**
 * How a call of this key may be admitted while the database is away, by the settings that its candidates are from.
 * Undefined: not at all, since a budget binds it. Made once for as long as neither the key nor any account changes.
 */
export function graceTerms(key: ApiKey, accounts: readonly Account[]): GraceTerms | undefined {
  let of = known.get(accounts);
  if (of === undefined) {
    of = { byId: new Map(accounts.map((one) => [one.id, one])), terms: new WeakMap() };
    known.set(accounts, of);
  }
  let terms = of.terms.get(key);
  if (terms === undefined) of.terms.set(key, (terms = termsOf(key, of.byId) ?? 'none'));
  return terms === 'none' ? undefined : terms;
}

function termsOf({ bounds }: ApiKey, byId: ReadonlyMap<string, Account>): GraceTerms | undefined {
  if (bounds.some(({ budget }) => budget)) return undefined;
  return {
    limited: bounds.some(({ places }) => places),
    rates: bounds.filter((one) => one.requestsPerMinute !== null || one.tokensPerMinute !== null),
    teams: bounds.slice(1).map(({ id }) => id),
    isLimited: (id) => byId.get(id)?.maxConcurrency !== 0,
    priorityOf: (id) => byId.get(id)?.priority ?? 0,
  };
}
