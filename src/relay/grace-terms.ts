import type { ApiKey } from '../keys/api-key.ts';
import type { GraceTerms } from '../scheduler/admission.ts';
import type { Account } from '../upstream/account.ts';

/**
 * How a call of this key may be admitted while the database is away, by the settings that its candidates are from.
 * Undefined: not at all, since a budget binds it.
 */
export function graceTerms(key: ApiKey, accounts: readonly Account[]): GraceTerms | undefined {
  const accountOf = (accountId: string): Account | undefined => accounts.find(({ id }) => id === accountId);
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
