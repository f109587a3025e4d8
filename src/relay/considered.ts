import type { ApiKey } from '../keys/api-key.ts';
import type { Account } from '../upstream/account.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { type AskedCall, fitOf, tierOf } from './candidates.ts';

/** A row of the ledger is not the place for a long list. */
const MOST_CONSIDERED = 16;
/** Above every tier: a key has far fewer groups. */
const LAST = 1_000_000;

/** The accounts that a call was considered for, as the ledger keeps them. */
export interface Considered {
  /** JSON: `accounts`, each with its id, its tier, and why it is `not` a candidate; how many were `omitted`. */
  readonly text: string;
  /** Of those that it lists. */
  readonly ids: ReadonlySet<string>;
}

/** Candidates by their tiers, then what else the key is bound to, then the others. */
export function consideredFor(
  call: AskedCall,
  key: ApiKey,
  accounts: readonly Account[],
  upstreamOf: (kind: string) => Upstream | undefined,
): Considered {
  const all = accounts.map((account) => {
    const fit = fitOf(call, key, account, upstreamOf(account.kind));
    const tier = tierOf(key, account);
    return { id: account.id, tier, ...(typeof fit === 'string' && { not: fit }) };
  });
  const order = (one: (typeof all)[number]): number =>
    one.not === undefined ? (one.tier ?? 0) : LAST + (one.tier ?? LAST);
  const listed = all.sort((a, b) => order(a) - order(b)).slice(0, MOST_CONSIDERED);
  return {
    text: JSON.stringify({ accounts: listed, omitted: all.length - listed.length }),
    ids: new Set(listed.map(({ id }) => id)),
  };
}
