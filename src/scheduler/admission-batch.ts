import { type Plain, plainArray, textArray } from '../database/array-text.ts';
import type { AdmissionRequest, Bound, Candidate, Decision, Lease, Refusal } from './admission.ts';

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
const NO_TEAMS: readonly string[] = [];

/** By which position from 1 a batch names what its requests have in common. */
interface Places {
  readonly keyAt: ReadonlyMap<string, number>;
  readonly setAt: ReadonlyMap<readonly Candidate[], number>;
  readonly accountAt: ReadonlyMap<string, number>;
}

type Of<Value> = (request: AdmissionRequest, places: Places) => Value;
type Column = (requests: readonly AdmissionRequest[], places: Places) => string;

/**
 * What each request says, in the function's order. A list, for V8 builds what is called in one place into it: with all
 * columns, `encodeBatch` took it a second to compile, again whenever it learned something new.
 */
const COLUMNS: readonly Column[] = [
  plain(({ requestId }) => requestId),
  plain(({ keyId }, { keyAt }) => keyAt.get(keyId)),
  plain(({ keyVersion }) => keyVersion),
  plain(({ lane }) => lane === 'count'),
  plain(({ candidates }, { setAt }) => setAt.get(candidates)),
  text(({ door }) => door),
  text(({ model }) => model),
  plain(({ preferredAccountId }, { accountAt }) => accountAt.get(preferredAccountId ?? '') ?? 0),
  plain(({ hold }) => hold?.nanos ?? 0),
  plain(({ hold }) => hold?.tokens ?? 0),
  plain(({ session }) => session),
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
  const askers = new Map<readonly Candidate[], AdmissionRequest>();
  for (const request of requests) askers.set(request.candidates, request);
  const sets = [...askers.keys()];
  const setAt = positions(sets);
  const candidates = sets.flat();
  const accounts = [...new Set(candidates.map((candidate) => candidate.accountId))].sort();
  const accountAt = positions(accounts);
  const families = [...new Set(candidates.map((candidate) => candidate.modelFamily))];
  const familyAt = positions(families);
  const kinds = new Map<string, string>();
  for (const { candidates, kindOf } of askers.values()) {
    for (const { accountId } of candidates)
      if (!kinds.has(accountId)) kinds.set(accountId, kindOf(accountId));
  }
  const isPriced = [...askers.values()].flatMap(({ candidates, hold }) =>
    candidates.map(({ accountId }) => hold?.unpriced.has(accountId) !== true),
  );

  let end = 0;
  const ends = sets.map((set) => (end += set.length));
  const values = [
    plainArray(keys),
    plainArray(accounts),
    textArray(accounts.map((id) => kinds.get(id) ?? '')),
    textArray(families),
    plainArray(ends.map((last, index) => last - (sets[index]?.length ?? 0) + 1)),
    plainArray(ends),
    plainArray(candidates.map((candidate) => accountAt.get(candidate.accountId))),
    plainArray(candidates.map((candidate) => candidate.version)),
    plainArray(candidates.map((candidate) => candidate.tier)),
    plainArray(candidates.map((candidate) => familyAt.get(candidate.modelFamily))),
    plainArray(isPriced),
    ...COLUMNS.map((column) => column(requests, { keyAt, setAt, accountAt })),
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
  const probes = new Set(probing.split(',').map(Number));
  const admittedAt = new Date(Math.floor(Number(clock) / 1000));
  return requests.map(({ requestId, keyId }, index): Answer => {
    const place = Number(places[index]);
    const accountId = accounts[place - 1];
    if (accountId !== undefined) {
      const lease: Lease = {
        requestId,
        attempt: 1,
        epoch,
        keyId,
        accountId,
        teams: teams.get(keyId) ?? NO_TEAMS,
        admittedAt,
        probe: probes.has(index + 1) ? true : undefined,
      };
      return { admitted: true, lease, bound: boundBy(bound[index]) };
    }
    if (place === ELSEWHERE) return { boundTo: bound[index] ?? '' };
    return refused(place, Number(retries[index]));
  });
}

/** An account's id, with `-` before it where it waits for a person; empty without any. */
function boundBy(mark = ''): Bound | undefined {
  if (mark === '') return undefined;
  const isParked = mark.startsWith('-');
  return { accountId: isParked ? mark.slice(1) : mark, isParked };
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
function clientIds(requests: readonly AdmissionRequest[]): string | null {
  const given = requests.some(({ clientRequestId }) => clientRequestId !== undefined);
  return given ? textArray(requests.map(({ clientRequestId }) => clientRequestId ?? null)) : null;
}

/** Null where all are asked with all their candidates. */
function shortOnes(requests: readonly AdmissionRequest[]): string | null {
  const any = requests.some(({ isShort }) => isShort === true);
  return any ? plainArray(requests.map(({ isShort }) => isShort === true)) : null;
}

function plain(of: Of<Plain>): Column {
  return (requests, places) => plainArray(requests.map((request) => of(request, places)));
}

function text(of: Of<string>): Column {
  return (requests, places) => textArray(requests.map((request) => of(request, places)));
}

function positions<T>(distinct: readonly T[]): Map<T, number> {
  return new Map(distinct.map((value, index) => [value, index + 1]));
}
