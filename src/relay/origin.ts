import type { Account } from '../upstream/account.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** Where an account is reached; an overload there is met by all accounts with the same origin. */
export function originOf(account: Account, upstream: Upstream): string {
  const own = upstream.defaultBaseUrl;
  const url = account.baseUrl ?? (typeof own === 'function' ? own(account) : own) ?? account.id;
  return URL.canParse(url) ? new URL(url).origin : url;
}
