import type { Headroom } from '../upstream/headroom.ts';

/** So many requests more, and so small a part of any limit: what one burst takes before its answers tell of it. */
const FEW_REQUESTS = 2;
const SMALL_PART = 0.02;

/** A limit refills a little at a time, and one that refills in days is looked at again long before. */
const LEAST_MS = 1_000;
const MOST_MS = 15 * 60_000;
/** Where no reset is told. */
const DEFAULT_MS = 10_000;

/**
 * For how long an account is to be avoided since a limit of it is nearly used up; undefined: it is not.
 * @param inputTokens of the call that was answered: the next one may need as many
 */
export function leanFor(headroom: readonly Headroom[], inputTokens: number): number | undefined {
  const waits = headroom
    .filter((one) => isLow(one, inputTokens))
    .map(({ resetMs = DEFAULT_MS }) => Math.min(Math.max(resetMs, LEAST_MS), MOST_MS));
  return waits.length === 0 ? undefined : Math.max(...waits);
}

function isLow({ of, remaining, limit }: Headroom, inputTokens: number): boolean {
  if (limit !== undefined && remaining < limit * SMALL_PART) return true;
  switch (of) {
    case 'requests':
      return remaining <= FEW_REQUESTS;
    case 'tokens':
    case 'input':
      return remaining < inputTokens;
    case 'output':
    case 'share':
      return remaining === 0;
  }
}
