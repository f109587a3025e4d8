import type { AdmissionRequest, Candidate, Decision, Refusal } from './admission.ts';
import type { Answer } from './admission-batch.ts';
import type { RankedPool } from './ranked-pool.ts';
import type { Standings } from './standings.ts';

/** Up to so many candidates, admission is asked for all of them. */
const LARGEST_WHOLE = 32;
const SHORTEST = 8;
/** Of the second list; twice as many as calls, since others choose from the same accounts. */
const SHORTEST_FRESH = 32;
/** So old at most is what a first list is made of, and what a refusal stands on. */
const KNOWN_MS = 1_000;
const FRESH_MS = 50;
/** Sessions whose account is remembered; about 150 bytes each. */
const MOST_SESSIONS = 20_000;

/** What another account may undo. */
const OF_ACCOUNTS: ReadonlySet<Refusal> = new Set([
  'accounts-full',
  'accounts-cooling',
  'accounts-parked',
  'no-account',
  'unpriced',
]);

/** A request, and how it is asked for next: by what is `known`, by what was read just now (`fresh`), or with `all`. */
export interface Asked {
  readonly request: AdmissionRequest;
  list: 'known' | 'fresh' | 'all';
  /** Its session's account, as admission said that it is none of those that it was asked for. */
  boundTo?: string;
}

export interface Shortened {
  readonly request: AdmissionRequest;
  /** A refusal of it is one of the whole pool. */
  readonly stands: boolean;
}

/**
 * Locking a thousand rows costs a hundred times what a call does, so that of a large pool admission is asked for a
 * short list: those that it would choose first as far as this replica knows, and the account of the session. It chooses
 * among them by the truth. Where they turn out to be taken, what is known is read anew and a longer list asked for; and
 * where that knew of others, all. Calls of one batch that have the same pool share one list.
 *
 * State: which session is bound to which account, as admission said last.
 */
export class ShortLists {
  private readonly sessions = new Map<string, string>();

  constructor(private readonly standings: Standings) {}

  async shorten(batch: readonly Asked[]): Promise<readonly Shortened[]> {
    const large = batch.filter(
      ({ request, list }) => list !== 'all' && request.candidates.length > LARGEST_WHOLE,
    );
    if (large.length === 0) return batch.map(({ request }) => ({ request, stands: true }));
    await this.standings.refresh(large.some(({ list }) => list === 'fresh') ? FRESH_MS : KNOWN_MS);
    const made = new Map<Asked, Shortened>();
    for (const group of grouped(large)) {
      for (const [asked, shortened] of this.listsOf(group)) made.set(asked, shortened);
    }
    return batch.map((asked) => made.get(asked) ?? { request: asked.request, stands: true });
  }

  /** What admission said, or undefined where the call has to be asked for again. */
  judge(asked: Asked, { stands }: Shortened, answer: Answer): Decision | undefined {
    const { session, lane } = asked.request;
    if ('boundTo' in answer) {
      asked.boundTo = answer.boundTo;
      this.remember(session, answer.boundTo);
      return undefined;
    }
    if (answer.admitted) {
      this.standings.took(answer.lease.accountId, answer.lease.admittedAt, lane === 'count');
      this.remember(session, answer.bound?.accountId);
      return answer;
    }
    if (stands || !OF_ACCOUNTS.has(answer.refusal)) return answer;
    asked.list = asked.list === 'known' ? 'fresh' : 'all';
    return undefined;
  }

  /** An account has answered the session's call. */
  remember(session: string | undefined, accountId: string | undefined): void {
    if (session === undefined || accountId === undefined) return;
    // Behind those that were used before.
    this.sessions.delete(session);
    this.sessions.set(session, accountId);
    if (this.sessions.size <= MOST_SESSIONS) return;
    for (const [oldest] of this.sessions) {
      this.sessions.delete(oldest);
      return;
    }
  }

  /** @param group of one pool and lane */
  private listsOf(group: readonly Asked[]): [Asked, Shortened][] {
    const [first] = group;
    if (first === undefined) return [];
    const { candidates, lane, hold } = first.request;
    const pool = this.standings.pool(candidates, lane === 'count');
    const fresh = group.some(({ list }) => list === 'fresh');
    const most = fresh ? Math.max(SHORTEST_FRESH, 2 * group.length) : Math.max(SHORTEST, group.length);
    if (pool === undefined) return [];
    const best = pool.best(most, hold?.unpriced);
    const list = [...best.candidates, ...this.wanted(group, pool, new Set(best.candidates))];
    if (list.length >= candidates.length) return [];
    const stands = best.complete && this.standings.ageMs <= FRESH_MS;
    return group.map((asked) => {
      // Admission looks once whether the session is bound to an account that is not on the list.
      const isShort = asked.request.session !== undefined && asked.boundTo === undefined;
      return [asked, { request: { ...asked.request, candidates: list, isShort }, stands }];
    });
  }

  /** Accounts that calls of the group prefer or are bound to, and that are not listed yet. */
  private wanted(group: readonly Asked[], pool: RankedPool, listed: ReadonlySet<Candidate>): Set<Candidate> {
    const wanted = new Set<Candidate>();
    for (const { request, boundTo } of group) {
      const { preferredAccountId, session = '' } = request;
      for (const id of [preferredAccountId, boundTo ?? this.sessions.get(session)]) {
        const candidate = id === undefined ? undefined : pool.find(id);
        if (candidate !== undefined && !listed.has(candidate)) wanted.add(candidate);
      }
    }
    return wanted;
  }
}

function grouped(batch: readonly Asked[]): Asked[][] {
  const groups: Asked[][] = [];
  for (const asked of batch) {
    const { candidates, lane } = asked.request;
    const found = groups.find(
      ([first]) => first?.request.candidates === candidates && first.request.lane === lane,
    );
    if (found === undefined) groups.push([asked]);
    else found.push(asked);
  }
  return groups;
}
