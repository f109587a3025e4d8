import type { AdmissionRequest, Bound, Decision, Lease, Refusal } from './admission.ts';

/** Arguments of the `admit_bound` function behind the epoch and its limit, and the accounts that answers name by position. */
export interface EncodedBatch {
  readonly values: readonly unknown[];
  readonly accounts: readonly string[];
  readonly keys: readonly string[];
}

/** Nothing was taken: the call's session is bound to an account that is none of its short list. */
export interface BoundElsewhere {
  readonly boundTo: string;
}

export type Answer = Decision | BoundElsewhere;

/** The code of {@link BoundElsewhere}. */
const ELSEWHERE = -14;
/** Refusals by the function's code: -1 is the first. */
const REFUSALS: readonly Refusal[] = [
  'key-unusable',
  'key-full',
  'stale',
  'accounts-full',
  'accounts-cooling',
  'accounts-parked',
  'no-account',
  'requests-rate',
  'tokens-rate',
  'budget-spent',
  'budget-held',
  'unpriced',
  'team-full',
];
/** Those that are told with a wait. */
const WAITING: ReadonlySet<Refusal> = new Set(['accounts-cooling', 'requests-rate', 'tokens-rate']);

/**
 * Keys and accounts go once, sorted, and are named by position from 1. Requests whose `candidates` are the same array
 * share one candidate set, so a caller that keeps the array for a key and a model saves the database the most.
 */
export function encodeBatch(requests: readonly AdmissionRequest[]): EncodedBatch {
  const keys = [...new Set(requests.map((request) => request.keyId))].sort();
  const keyAt = positions(keys);
  const sets = [...new Set(requests.map((request) => request.candidates))];
  const setAt = positions(sets);
  const candidates = sets.flat();
  const accounts = [...new Set(candidates.map((candidate) => candidate.accountId))].sort();
  const accountAt = positions(accounts);
  const families = [...new Set(candidates.map((candidate) => candidate.modelFamily))];
  const familyAt = positions(families);
  const unpriced = new Map(requests.map(({ candidates, hold }) => [candidates, hold?.unpriced]));
  const kinds = new Map<string, string>();
  for (const request of requests) {
    for (const { accountId } of request.candidates) {
      if (!kinds.has(accountId)) kinds.set(accountId, request.kindOf(accountId));
    }
  }

  let end = 0;
  const ends = sets.map((set) => (end += set.length));
  const values = [
    literal(keys),
    literal(accounts),
    accounts.map((id) => kinds.get(id) ?? ''),
    families,
    literal(ends.map((last, index) => last - (sets[index]?.length ?? 0) + 1)),
    literal(ends),
    literal(candidates.map((candidate) => accountAt.get(candidate.accountId))),
    literal(candidates.map((candidate) => candidate.version)),
    literal(candidates.map((candidate) => candidate.tier)),
    literal(candidates.map((candidate) => familyAt.get(candidate.modelFamily))),
    literal(sets.flatMap((set) => set.map(({ accountId }) => unpriced.get(set)?.has(accountId) !== true))),
    literal(requests.map((request) => request.requestId)),
    literal(requests.map((request) => keyAt.get(request.keyId))),
    literal(requests.map((request) => request.keyVersion)),
    literal(requests.map((request) => request.lane === 'count')),
    literal(requests.map((request) => setAt.get(request.candidates))),
    requests.map((request) => request.door),
    requests.map((request) => request.model),
    literal(requests.map((request) => accountAt.get(request.preferredAccountId ?? '') ?? 0)),
    literal(requests.map((request) => request.hold?.nanos ?? 0)),
    literal(requests.map((request) => request.hold?.tokens ?? 0)),
    literal(requests.map((request) => request.session ?? 'null')),
    clientIds(requests),
    shortOnes(requests),
  ];
  return { values, accounts, keys };
}

/** Decisions in the order of the requests, or undefined when the epoch may not admit. */
export function decodeAnswer(
  answer: string,
  requests: readonly AdmissionRequest[],
  { accounts, keys }: Pick<EncodedBatch, 'accounts' | 'keys'>,
  epoch: string,
): Answer[] | undefined {
  if (answer === 'epoch') return undefined;
  const [clock = '', answers = '', waits = '', paths = '', probing = '', marks = ''] = answer.split(';');
  const places = answers.split(',');
  const retries = waits.split(',');
  const bound = marks.split(',');
  if (places.length !== requests.length) throw new Error('Admission answered for another number of requests');
  const teams = teamsByKey(keys, paths);
  const probes = new Set(probing.split(',').map((position) => Number(position) - 1));
  const admittedAt = new Date(Math.floor(Number(clock) / 1000));
  return requests.map(({ requestId, keyId }, index): Answer => {
    const place = Number(places[index]);
    const accountId = accounts[place - 1];
    if (accountId !== undefined) {
      const held = {
        requestId,
        attempt: 1,
        epoch,
        keyId,
        accountId,
        teams: teams.get(keyId) ?? [],
        admittedAt,
      };
      const lease: Lease = probes.has(index) ? { ...held, probe: true } : held;
      return { admitted: true, lease, ...boundBy(bound[index] ?? '') };
    }
    if (place === ELSEWHERE) return { boundTo: bound[index] ?? '' };
    return refused(place, Number(retries[index]));
  });
}

/** An account's id, with `-` before it where it waits for a person; empty without any. */
function boundBy(mark: string): { readonly bound?: Bound } {
  if (mark === '') return {};
  const isParked = mark.startsWith('-');
  return { bound: { accountId: isParked ? mark.slice(1) : mark, isParked } };
}

/** A refusal by its code, and the µs to the soonest recovery. */
export function refused(code: number, waitMicros: number): Decision {
  const refusal = REFUSALS[-code - 1];
  if (refusal === undefined) throw new Error('Admission answered with an unknown code');
  if (!WAITING.has(refusal)) return { admitted: false, refusal };
  return { admitted: false, refusal, retryAfterMs: Math.ceil(waitMicros / 1000) };
}

/** From `{team,parent}|{}`, one for each key; empty when none has a team. */
function teamsByKey(keys: readonly string[], paths: string): Map<string, readonly string[]> {
  if (paths === '') return new Map();
  return new Map(
    paths.split('|').map((path, at) => [keys[at] ?? '', path.slice(1, -1).split(',').filter(Boolean)]),
  );
}

/** Null where nobody gave one. */
function clientIds(requests: readonly AdmissionRequest[]): readonly (string | null)[] | null {
  const given = requests.some(({ clientRequestId }) => clientRequestId !== undefined);
  return given ? requests.map(({ clientRequestId }) => clientRequestId ?? null) : null;
}

/** Null where all are asked with all their candidates. */
function shortOnes(requests: readonly AdmissionRequest[]): string | null {
  const any = requests.some(({ isShort }) => isShort === true);
  return any ? literal(requests.map(({ isShort }) => isShort === true)) : null;
}

/** An array literal of ids, numbers and booleans, none of which needs quotes. */
function literal(values: readonly unknown[]): string {
  return `{${values.join(',')}}`;
}

function positions<T>(distinct: readonly T[]): Map<T, number> {
  return new Map(distinct.map((value, index) => [value, index + 1]));
}
