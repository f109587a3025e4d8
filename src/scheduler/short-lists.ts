import type { AdmissionRequest, Candidate, Decision, MoveRequest, Refusal } from './admission.ts';
import type { Answer } from './admission-batch.ts';
import type { KnownSessions } from './known-sessions.ts';
import type { Standings } from './standings.ts';

/** Up to so many candidates, admission is asked for all of them. */
const LARGEST_WHOLE = 32;
const SHORTEST = 8;
/** Of the second list; twice as many as calls, since others choose from the same accounts. */
const SHORTEST_FRESH = 32;
/** So old at most is what a first list is made of, and what a refusal stands on. */
const KNOWN_MS = 1_000;
const FRESH_MS = 50;

/** What another account may undo. */
const OF_ACCOUNTS: ReadonlySet<Refusal> = new Set([
  'accounts-full',
  'accounts-cooling',
  'accounts-parked',
  'no-account',
  'unpriced',
]);

/** What a list is made of: of what is `known`, of what was read just now (`fresh`), or it is `all` candidates. */
type Source = 'known' | 'fresh' | 'all';

/** A request, and how it is asked for next. */
export interface Asked {
  readonly request: AdmissionRequest;
  list: Source;
  /** Its session's account, as admission said that it is none of those that it was asked for. */
  boundTo?: string;
}

export interface Shortened<T = AdmissionRequest> {
  readonly request: T;
  /** A refusal of it is one of the whole pool. */
  readonly stands: boolean;
}

/**
 * Locking a thousand rows costs a hundred times what a call does, so that of a large pool admission is asked for a
 * short list: those that it would choose first as far as this replica knows, and the account of the session. It chooses
 * among them by the truth. Where they turn out to be taken, what is known is read anew and a longer list asked for; and
 * where that knew of others, all. Calls of one batch that have the same pool share one list.
 *
 * State: which moving calls have left their account.
 */
export class ShortLists {
  /** Leases of calls that move, whose place was counted as given back. */
  private readonly left = new WeakSet<object>();

  constructor(
    private readonly standings: Standings,
    private readonly sessions: KnownSessions,
  ) {}

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
      this.sessions.remember(session, answer.boundTo);
      return undefined;
    }
    if (answer.admitted) {
      this.standings.took(answer.lease.accountId, answer.lease.admittedAt, lane === 'count');
      this.sessions.remember(session, answer.bound?.accountId);
      return answer;
    }
    if (stands || !OF_ACCOUNTS.has(answer.refusal)) return answer;
    asked.list = wider(asked.list);
    return undefined;
  }

  /** Moves the call with short lists, too: each asks `send`, until its refusal is one of the whole pool. */
  async moved(request: MoveRequest, send: (request: MoveRequest) => Promise<Decision>): Promise<Decision> {
    for (let source: Source = 'known'; ; source = wider(source)) {
      const short = await this.shortenedMove(request, source);
      const decision = await send(short.request);
      this.leave(request.lease, decision);
      if (decision.admitted) this.standings.took(decision.lease.accountId, new Date(), false);
      if (decision.admitted || short.stands || !OF_ACCOUNTS.has(decision.refusal)) return decision;
    }
  }

  /** Admitted elsewhere or refused, the place that it had is given back, once; only a stale lease had none. */
  private leave(lease: MoveRequest['lease'], decision: Decision): void {
    if (this.left.has(lease) || (!decision.admitted && decision.refusal === 'stale')) return;
    this.left.add(lease);
    this.standings.released(lease.accountId);
  }

  /** @param group of one pool and lane */
  private listsOf(group: readonly Asked[]): [Asked, Shortened][] {
    const [first] = group;
    if (first === undefined) return [];
    const { candidates, lane, hold } = first.request;
    const fresh = group.some(({ list }) => list === 'fresh');
    const most = fresh ? Math.max(SHORTEST_FRESH, 2 * group.length) : Math.max(SHORTEST, group.length);
    const wanted = group.flatMap(({ request: { preferredAccountId, session }, boundTo }) => [
      preferredAccountId,
      boundTo ?? this.sessions.accountOf(session),
    ]);
    const short = this.listOf(candidates, lane === 'count', most, hold?.unpriced, wanted);
    if (short === undefined) return [];
    return group.map((asked) => {
      // Admission looks once whether the session is bound to an account that is not on the list.
      const isShort = asked.request.session !== undefined && asked.boundTo === undefined;
      const request = { ...asked.request, candidates: short.list, isShort };
      return [asked, { request, stands: short.stands }];
    });
  }

  private async shortenedMove(request: MoveRequest, source: Source): Promise<Shortened<MoveRequest>> {
    const { candidates, unpriced, preferredAccountId } = request;
    if (source === 'all' || candidates.length <= LARGEST_WHOLE) return { request, stands: true };
    await this.standings.refresh(source === 'fresh' ? FRESH_MS : KNOWN_MS);
    const most = source === 'fresh' ? SHORTEST_FRESH : SHORTEST;
    const short = this.listOf(candidates, false, most, unpriced, [preferredAccountId]);
    if (short === undefined) return { request, stands: true };
    return { request: { ...request, candidates: short.list }, stands: short.stands };
  }

  /** Undefined: all of them. @param wanted are on it, too, where they are candidates */
  private listOf(
    candidates: readonly Candidate[],
    counting: boolean,
    most: number,
    unpriced: ReadonlySet<string> | undefined,
    wanted: readonly (string | undefined)[],
  ): { readonly list: readonly Candidate[]; readonly stands: boolean } | undefined {
    const pool = this.standings.pool(candidates, counting);
    if (pool === undefined) return undefined;
    const best = pool.best(most, unpriced);
    const list = new Set(best.candidates);
    for (const id of wanted) {
      const candidate = id === undefined ? undefined : pool.find(id);
      if (candidate !== undefined) list.add(candidate);
    }
    if (list.size >= candidates.length) return undefined;
    return { list: [...list], stands: best.complete && this.standings.ageMs <= FRESH_MS };
  }
}

function wider(source: Source): Source {
  return source === 'known' ? 'fresh' : 'all';
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
