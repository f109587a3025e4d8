import { DatabaseUnavailable, type UnavailableReason } from '../database/database-unavailable.ts';
import type { Queryable, Statement } from '../database/statement.ts';
import {
  type AdmissionRequest,
  AdmissionUnavailable,
  type Candidate,
  type Decision,
  type GraceTerms,
  type Lease,
} from './admission.ts';
import { type Handed, HandedPlaces, type Vacancy } from './handed-places.ts';
import { RateStamps } from './rate-stamps.ts';
import type { Replica } from './replica.ts';
import type { Settlement } from './settlement.ts';
import { ADMIT } from './sql/admit-batch.ts';
import type { Cooling } from './sql/cooldowns.ts';

/** What waits for a person is looked at again after that: newer credentials are not seen here. */
const LONGEST_COOLING_MS = 3_600_000;
/** An outage in which nobody has asked in vain for so many times the grace is over with any answer. */
const QUIET_TIMES = 10;

/** What grace asks of its neighbours. */
export interface GraceNeighbours {
  /** A call that is admitted without the database must be on the disk before it goes upstream. */
  readonly isSafe: () => boolean;
  /** Its places are to be given back to the database. */
  readonly settle: (settlement: Settlement) => void;
  /** A place passes on; whoever waits for it may be asked. */
  readonly freed: (settlement: Settlement) => void;
  /** An outage began, or the database answered again. */
  readonly changed: (away: boolean) => void;
  readonly admitted: () => void;
}

/**
 * Admission while the database is away, for so many seconds: calls of keys that memory knows and no budget binds, on
 * places that this replica already holds. A call that ends then keeps its open row, which goes on standing for its
 * places, and they pass to the next call that needs them; what is not limited is free. Nothing is so ever used that the
 * counters do not have, and when the database is back each row is settled once: a call that was let in here has no open
 * row of its own, and gives back those it went on in when it ends.
 *
 * A replica that is cut off from a database which others still reach goes on in places that they take for free once
 * its epoch is dead: as many as its own calls held, and no longer than this lasts.
 *
 * States: there → away (from the first failure) → over (the time has passed; nothing more is admitted) → there. Where
 * admissions were asked in vain, only an admission's answer leads back: a database that answers heartbeats and nothing
 * else would begin the time anew with each of them.
 */
export class Grace {
  private since: number | undefined;
  /** When an admission was last asked in vain during this outage. */
  private vainAt: number | undefined;
  private readonly places = new HandedPlaces();
  private readonly stamps: RateStamps;
  /** What calls that were admitted here go on in, by request id; empty where nothing is limited. */
  private readonly held = new Map<string, readonly Vacancy[]>();
  /** Ended calls whose open rows stand on. */
  private readonly standing = new Set<string>();
  /** Open calls of keys that nothing limits, admitted by the database. */
  private readonly keyFree = new Set<string>();
  /** Calls whose account's place may not be where their settlement says. */
  private readonly moved = new Set<string>();
  /** Accounts in the order in which they were last chosen here. */
  private readonly chosen = new Map<string, true>();
  /** Until when, by account and model family; null: the whole account. */
  private readonly cooling = new Map<string, Map<string | null, number>>();
  /** The database's clock against ours. */
  private skewMs = 0;

  constructor(
    private readonly replica: Pick<Replica, 'last'>,
    private readonly graceMs: number,
    private readonly neighbours: GraceNeighbours,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.stamps = new RateStamps(now);
  }

  /** While it lasts, calls may be admitted without the database. */
  get isOpen(): boolean {
    return this.since !== undefined && this.now() - this.since < this.graceMs;
  }

  /**
   * What becomes of a request that the database could not be asked about.
   * @returns undefined: it may not be admitted here
   */
  decide(request: AdmissionRequest, error: unknown): Decision | undefined {
    const { grace, keyId, lane } = request;
    const epoch = this.replica.last();
    const isVain = this.isVain(error);
    if (isVain) this.vainAt = this.now();
    const mayBe = grace !== undefined && epoch !== undefined && isVain;
    if (!mayBe || !this.isOpen || !this.neighbours.isSafe()) return undefined;
    const { accounts, backInMs } = this.able(request, grace);
    if (accounts.length === 0)
      return { admitted: false, refusal: 'accounts-cooling', retryAfterMs: backInMs };
    const { limited: keyLimited, isLimited, rates } = grace;
    const waitMs = lane === 'count' ? 0 : this.stamps.waitMs(rates);
    if (waitMs > 0) return { admitted: false, refusal: 'requests-rate', retryAfterMs: waitMs };
    const { teams } = grace;
    const handed = this.places.take({ keyId, lane, keyLimited, teams, accounts, isLimited });
    if (typeof handed === 'string') return { admitted: false, refusal: handed };
    if (lane !== 'count') this.stamps.take(rates, request.hold?.tokens ?? 0);
    return { admitted: true, lease: this.leaseOf(request, epoch, handed, teams) };
  }

  /** The database admitted a call: its clock can be told from ours, and the account rests no more, whoever ended that. */
  learn({ requestId, accountId, admittedAt }: Lease, terms: GraceTerms | undefined): void {
    if (this.held.has(requestId)) return;
    if (terms !== undefined && !terms.limited && terms.rates.length === 0) this.keyFree.add(requestId);
    this.skewMs = admittedAt.getTime() - Date.now();
    this.cooling.delete(accountId);
  }

  /** The database could not be asked. */
  failed(error: unknown): void {
    if (this.since !== undefined || !isAway(error)) return;
    this.since = this.now();
    this.neighbours.changed(true);
  }

  /** The database answered what was asked at that moment: what is vacant is given back to it. */
  answered(askedAt: number, isAdmission: boolean): void {
    // What was answered before it went away comes in when it is gone.
    if (this.since === undefined || askedAt < this.since) return;
    if (isAdmission || this.isQuiet()) {
      this.since = undefined;
      this.vainAt = undefined;
      this.stamps.tidy();
      this.neighbours.changed(false);
    }
    this.giveBack();
  }

  /** The call's account may have changed without our knowing, or its place was given back. */
  doubt(requestId: string): void {
    this.moved.add(requestId);
  }

  /** An account is not to be chosen for a while. */
  cool({ accountId, modelFamily, forMs }: Pick<Cooling, 'accountId' | 'modelFamily' | 'forMs'>): void {
    const until = this.now() + (forMs === 'infinity' ? LONGEST_COOLING_MS : forMs);
    const rests = this.cooling.get(accountId) ?? new Map<string | null, number>();
    this.cooling.set(accountId, rests.set(modelFamily, Math.max(until, rests.get(modelFamily) ?? 0)));
  }

  /**
   * A call ends.
   * @returns what is to be settled: not as final where the call's places pass on
   */
  ended(settlement: Settlement): Settlement {
    if (!settlement.final) return settlement;
    const { requestId, epoch } = settlement;
    const placed = !this.moved.delete(requestId);
    const keyFree = this.keyFree.delete(requestId);
    const held = this.held.get(requestId);
    if (held !== undefined) {
      this.held.delete(requestId);
      this.vacate(held);
      return settlement;
    }
    if (this.standing.has(requestId)) return { ...settlement, final: false };
    if (!this.isOpen || epoch !== this.replica.last()) return settlement;
    this.standing.add(requestId);
    this.vacate([{ settlement, placed, keyFree }]);
    return { ...settlement, final: false };
  }

  /** Every vacant place is given back, for the last time: the relay leaves. */
  giveBack(): void {
    for (const vacancy of this.places.empty()) this.settle(vacancy);
  }

  /** While the database is away, a pool is full of what waits for it. */
  private isVain(error: unknown): boolean {
    return isAway(error) || (this.since !== undefined && reasonOf(error) === 'pool-full');
  }

  private isQuiet(): boolean {
    return this.vainAt === undefined || this.now() - this.vainAt > QUIET_TIMES * this.graceMs;
  }

  private vacate(vacancies: readonly Vacancy[]): void {
    for (const vacancy of vacancies) {
      // Places that were counted for an epoch which is over are nobody's any more.
      const stands = this.isOpen && vacancy.settlement.epoch === this.replica.last();
      if (!stands) this.settle(vacancy);
      else {
        this.places.add(vacancy);
        this.neighbours.freed(vacancy.settlement);
      }
    }
  }

  private settle({ settlement }: Vacancy): void {
    this.standing.delete(settlement.requestId);
    this.neighbours.settle(settlement);
  }

  private leaseOf(
    { requestId, keyId }: AdmissionRequest,
    epoch: string,
    handed: Handed,
    teams: readonly string[],
  ): Lease {
    const { accountId, vacancies } = handed;
    this.held.set(requestId, vacancies);
    this.chosen.delete(accountId);
    this.chosen.set(accountId, true);
    this.neighbours.admitted();
    const admittedAt = new Date(Date.now() + this.skewMs);
    return { requestId, attempt: 1, epoch, keyId, accountId, teams, admittedAt };
  }

  /** Accounts not known to cool: the preferred one first, then by tier, priority, and the longest time not chosen. */
  private able(
    { candidates, preferredAccountId }: AdmissionRequest,
    { priorityOf }: GraceTerms,
  ): { readonly accounts: readonly string[]; readonly backInMs: number } {
    const now = this.now();
    const turns = new Map([...this.chosen.keys()].map((id, turn) => [id, turn]));
    const until = ({ accountId, modelFamily }: Candidate): number => {
      const rests = this.cooling.get(accountId);
      return Math.max(rests?.get(null) ?? 0, rests?.get(modelFamily) ?? 0);
    };
    const accounts = candidates
      .filter((candidate) => until(candidate) <= now)
      .map(({ accountId, tier }) => ({
        accountId,
        tier: accountId === preferredAccountId ? -1 : tier,
        priority: priorityOf(accountId),
        turn: turns.get(accountId) ?? -1,
      }))
      .sort((a, b) => a.tier - b.tier || a.priority - b.priority || a.turn - b.turn)
      .map(({ accountId }) => accountId);
    const backInMs = Math.min(...candidates.map(until)) - now;
    return { accounts, backInMs };
  }
}

/** Tells grace of every statement whether the database answered it. */
export function watched(db: Queryable, grace: Pick<Grace, 'answered' | 'failed'>): Queryable {
  return {
    run: async <Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> => {
      const askedAt = performance.now();
      try {
        const rows = await db.run<Row>(statement, values);
        grace.answered(askedAt, statement.name === ADMIT.name);
        return rows;
      } catch (error) {
        grace.failed(error);
        throw error;
      }
    },
  };
}

/** The database is gone, or answers so late that it is as good as gone; a full pool of ours says nothing of it. */
function isAway(error: unknown): boolean {
  const reason = reasonOf(error);
  return reason !== undefined && reason !== 'pool-full';
}

/** Undefined: the database said no itself. */
function reasonOf(error: unknown): UnavailableReason | undefined {
  if (error instanceof AdmissionUnavailable) return reasonOf(error.cause);
  return error instanceof DatabaseUnavailable ? error.reason : undefined;
}
