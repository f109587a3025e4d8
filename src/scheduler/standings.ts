import { setTimeout as sleep } from 'node:timers/promises';
import type { Queryable } from '../database/statement.ts';
import type { Candidate } from './admission.ts';
import { RankedPool } from './ranked-pool.ts';
import { type AccountStanding, accountStandings } from './sql/account-standings.ts';

/** What is older than that is read again beside the calls. */
const FRESH_MS = 250;
/** So much of the time at most goes into reading. */
const READING_SHARE = 0.02;
/** How long a call waits for what is read. */
const READ_WITHIN_MS = 100;
/** What could not be read is not asked for again before that. */
const FAILED_REST_MS = 1_000;
const MOST_CHANGES = 2_048;
/** A pool of which more have changed is sorted as a whole. */
const MOST_MOVES = 64;
/** Two stamps of one use: the database's, and what its answer said of it in whole milliseconds. */
const SAME_USE_MS = 5;

interface Known {
  readonly pool: RankedPool;
  /** Number of the first change that it has not been told of. */
  told: number;
}

/**
 * How accounts stand, as this replica knows it: read from the database at most every 250 ms while somebody asks, and in
 * between by what its own calls take and give back. What other replicas did since the last reading is not known here;
 * admission decides by the truth among those that it is asked for.
 *
 * State: the standings as read last, changed since; and a numbered list of changes, by which the ranked pools follow.
 */
export class Standings {
  private byId = new Map<string, AccountStanding>();
  private readonly pools = new WeakMap<readonly Candidate[], { generate?: Known; count?: Known }>();
  /** Accounts in the order of their changes; the first one has the number `forgotten`. */
  private changes: string[] = [];
  private forgotten = 0;
  private readAt = -Infinity;
  private readTook = 0;
  private failedAt = -Infinity;
  private reading: Promise<void> | undefined;

  constructor(
    private readonly db: Queryable,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get ageMs(): number {
    return this.now() - this.readAt;
  }

  /** Whoever asks waits for what is not older than `withinMs`, for a moment; where it cannot be read, the old stands. */
  async refresh(withinMs: number): Promise<void> {
    if (this.now() - this.failedAt < FAILED_REST_MS) return;
    const { ageMs } = this;
    if (ageMs > Math.max(FRESH_MS, this.readTook / READING_SHARE) || ageMs > withinMs) {
      this.reading ??= this.read().finally(() => (this.reading = undefined));
    }
    if (ageMs > withinMs) {
      await Promise.race([this.reading, sleep(READ_WITHIN_MS, undefined, { ref: false })]);
    }
  }

  /** Undefined while nothing was read yet. */
  pool(candidates: readonly Candidate[], counting: boolean): RankedPool | undefined {
    if (this.readAt === -Infinity) return undefined;
    const lane = counting ? 'count' : 'generate';
    const lanes = this.pools.get(candidates) ?? {};
    const end = this.forgotten + this.changes.length;
    let known = lanes[lane];
    if (known === undefined) {
      known = { pool: new RankedPool(candidates, counting, (id) => this.byId.get(id)), told: end };
      this.pools.set(candidates, { ...lanes, [lane]: known });
      return known.pool;
    }
    const news = known.told < this.forgotten ? undefined : this.changes.slice(known.told - this.forgotten);
    if (news === undefined || news.length > MOST_MOVES) known.pool.sort();
    else for (const accountId of new Set(news)) known.pool.moved(accountId);
    known.told = end;
    return known.pool;
  }

  /** A call was placed there. */
  took(accountId: string, at: Date, counting: boolean): void {
    const found = this.byId.get(accountId);
    if (found === undefined) return;
    const usedAt = Math.max(at.getTime(), found.usedAt);
    this.set({ ...found, usedAt, inUse: found.inUse + (counting ? 0 : 1) });
  }

  /** A place there was given back. */
  released(accountId: string): void {
    const found = this.byId.get(accountId);
    if (found !== undefined && found.inUse > 0) this.set({ ...found, inUse: found.inUse - 1 });
  }

  private async read(): Promise<void> {
    const startedAt = this.now();
    const number = this.forgotten + this.changes.length;
    let rows: readonly AccountStanding[];
    try {
      rows = await accountStandings(this.db);
    } catch {
      // Admission will tell, or the next reading.
      this.failedAt = this.now();
      return;
    }
    // Whether these are in what was read, nobody knows; the next reading has them.
    const ours = new Set(this.changes.slice(Math.max(0, number - this.forgotten)));
    const before = this.byId;
    this.byId = new Map();
    for (const row of rows) {
      const known = before.get(row.id);
      if (known === undefined) this.set(row);
      else if (ours.has(row.id)) this.set({ ...row, inUse: known.inUse, usedAt: known.usedAt });
      else if (isSame(known, row)) this.byId.set(row.id, known);
      else this.set(row);
      before.delete(row.id);
    }
    for (const gone of before.keys()) this.note(gone);
    this.readAt = startedAt;
    this.readTook = this.now() - startedAt;
  }

  private set(standing: AccountStanding): void {
    this.byId.set(standing.id, standing);
    this.note(standing.id);
  }

  private note(accountId: string): void {
    this.changes.push(accountId);
    if (this.changes.length <= MOST_CHANGES) return;
    this.forgotten += MOST_CHANGES / 2;
    this.changes = this.changes.slice(MOST_CHANGES / 2);
  }
}

function isSame(a: AccountStanding, b: AccountStanding): boolean {
  return (
    a.inUse === b.inUse &&
    (a.usedAt === b.usedAt || Math.abs(a.usedAt - b.usedAt) < SAME_USE_MS) &&
    a.version === b.version &&
    a.enabled === b.enabled &&
    a.priority === b.priority &&
    a.weight === b.weight &&
    a.places === b.places &&
    isAlike(a.lean, b.lean) &&
    isAlike(a.rests, b.rests)
  );
}

/** Hardly any account has either. */
function isAlike(a: object | null, b: object | null): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
