import { hash } from 'node:crypto';
import type { AdmissionRequest, Candidate } from './admission.ts';

/** The places that a call could take, any of them. */
export interface Wish {
  /** The same text for the same places. */
  readonly name: string;
  /** Account and model family: what admission finds full or cooling. */
  readonly places: ReadonlySet<string>;
  readonly accounts: ReadonlySet<string>;
}

/** Counting tokens takes no place of an account, so only the key's own counting places are ever waited for. */
const COUNTING: Wish = { name: 'count', places: new Set(['count']), accounts: new Set() };

const known = new WeakMap<readonly Candidate[], Wish>();

export function wishOf({ lane, candidates }: Pick<AdmissionRequest, 'lane' | 'candidates'>): Wish {
  if (lane === 'count') return COUNTING;
  let wish = known.get(candidates);
  if (wish === undefined) known.set(candidates, (wish = wishFor(candidates)));
  return wish;
}

function wishFor(candidates: readonly Candidate[]): Wish {
  const places = candidates.map(({ accountId, modelFamily }) => `${accountId} ${modelFamily}`).sort();
  return {
    name: hash('sha256', places.join('\n'), 'base64url'),
    places: new Set(places),
    accounts: new Set(candidates.map(({ accountId }) => accountId)),
  };
}
