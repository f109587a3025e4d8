import type { ApiKey } from '../keys/api-key.ts';
import type { ConsideredAccount } from '../scheduler/decision.ts';
import type { Account } from '../upstream/account.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { type AskedCall, fitOf, tierOf } from './candidates.ts';

/** A row of the ledger is not the place for a long list. */
const MOST_CONSIDERED = 16;
/** Above every tier: a key has far fewer groups. */
const LAST = 1_000_000;

/** The accounts that a call was considered for, as the ledger keeps them. */
export interface Considered {
  /** JSON: `accounts`; the model `family` of the candidates among them; how many accounts were `omitted`. */
  readonly text: string;
  /** Of those that it lists. */
  readonly ids: ReadonlySet<string>;
}

/** Candidates by tier and priority, then what else the key is bound to, then the others. */
export function consideredFor(
  call: AskedCall,
  key: ApiKey,
  accounts: readonly Account[],
  upstreamOf: (kind: string) => Upstream | undefined,
): Considered {
  const all = accounts
    .map((account) => consideredAs(call, key, account, upstreamOf(account.kind)))
    .sort((a, b) => placeOf(a) - placeOf(b) || (a.priority ?? 0) - (b.priority ?? 0));
  const listed = all.slice(0, MOST_CONSIDERED);
  const family = listed.find((one) => one.family !== undefined)?.family;
  const mixed = tiersOfMixedPriority(all);
  const told = listed.map(({ priority, family: own, ...one }) => ({
    ...one,
    ...(mixed.has(one.tier) && { priority }),
    ...(own !== family && { family: own }),
  }));
  return {
    text: JSON.stringify({ accounts: told, family, omitted: all.length - listed.length }),
    ids: new Set(listed.map(({ id }) => id)),
  };
}

/** One account, with all that is told of it. */
export function consideredAs(
  call: AskedCall,
  key: ApiKey,
  account: Account,
  upstream: Upstream | undefined,
): ConsideredAccount {
  const fit = fitOf(call, key, account, upstream);
  const one = { id: account.id, tier: tierOf(key, account) };
  if (typeof fit === 'string') return { ...one, not: fit };
  return { ...one, priority: account.priority, family: fit.modelFamily };
}

function placeOf({ not, tier }: ConsideredAccount): number {
  return not === undefined ? (tier ?? 0) : LAST + (tier ?? LAST);
}

function tiersOfMixedPriority(all: readonly ConsideredAccount[]): ReadonlySet<number | undefined> {
  const first = new Map<number | undefined, number>();
  const mixed = new Set<number | undefined>();
  for (const { tier, priority } of all) {
    if (priority === undefined) continue;
    if ((first.get(tier) ?? priority) !== priority) mixed.add(tier);
    else first.set(tier, priority);
  }
  return mixed;
}
