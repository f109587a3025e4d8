import { setTimeout as sleep } from 'node:timers/promises';
import type { Queryable } from '../database/statement.ts';
import { NO_USAGE } from '../dialects/dialect.ts';
import type { Candidate } from './admission.ts';
import { backoffMs } from './backoff.ts';
import { idOfSettlement, type Settlement } from './settlement.ts';
import { settleBatch } from './sql/settle-batch.ts';
import { failureOf } from './statement-failure.ts';
import { wishOf } from './wish.ts';

const LARGEST_BATCH = 64;
/** Hardly anybody waits for a settlement, and fewer, fuller statements are the largest saving at ordinary load. */
const COLLECT_MS = 20;
/** Of one of several workers, among which the same load is shared out. */
const COLLECT_SHARED_MS = 40;
const LONGEST_BACKOFF_MS = 2_000;
/** Beyond it nothing more is admitted, so that what a long outage leaves in memory is bounded. */
const MOST_PENDING = 10_000;

export interface SettlementEvents {
  batch(rows: number, ms: number): void;
  pending(count: number): void;
  /** It needs nothing more: the ledger has it, or never will. */
  done(settlement: Settlement): void;
  /** A batch waits for the database; `attempt` from 1. */
  delayed(error: unknown, attempt: number): void;
  /** The database cannot hold this row; it was written without its figures, or (`lost`) not at all. */
  unsettleable(settlement: Settlement, error: unknown, lost: boolean): void;
}

/** The process ends before the database answered. */
class Stopped extends Error {}

interface Pending {
  /** Becomes final when its call ends while it waits; without figures once the ledger could not hold them. */
  settlement: Settlement;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Settlements on their way to the ledger: collected for 20 ms (40 where several workers serve) or up to 64, one statement in
 * flight.
 *
 * States of one: collected → in the batch in flight → committed. A settlement is idempotent, so a batch whose outcome
 * is not known is simply sent again, with growing pauses, for as long as the process lives. A row that the database
 * cannot hold is written without its figures, so that its places come back and the ledger shows that something was.
 */
export class SettlementQueue {
  /** The latest by request and attempt: settling twice while the first waits is one settlement. */
  private readonly pending = new Map<string, Pending>();
  /** How many of them give back a place of this key or account, or one that this session's next call wants. */
  private readonly places = new Map<string, number>();
  private collected: Pending[] = [];
  private busy = false;
  private urgent = false;
  /** Somebody waits for what is collected while a batch is in flight. */
  private hurried = false;
  private stopped = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly collectMs: number;

  constructor(
    private readonly db: Queryable,
    private readonly events: SettlementEvents,
    workers: number,
  ) {
    this.collectMs = workers > 1 ? COLLECT_SHARED_MS : COLLECT_MS;
  }

  get isFull(): boolean {
    return this.pending.size >= MOST_PENDING;
  }

  get size(): number {
    return this.pending.size;
  }

  /** Resolves when committed; rejects only when not even a row without figures could be written. */
  settle(settlement: Settlement): Promise<void> {
    const id = idOfSettlement(settlement);
    const known = this.pending.get(id);
    if (known !== undefined) {
      if (known.settlement.final || !settlement.final) return known.promise;
      if (this.collected.includes(known)) {
        known.settlement = { ...known.settlement, final: true };
        this.countPlaces(known.settlement, 1);
        return known.promise;
      }
      // It is in the batch in flight; what comes behind it only ends the call.
    }
    const { promise, resolve, reject } = deferred();
    const entry = { settlement, promise, resolve, reject };
    this.pending.set(id, entry);
    this.countPlaces(settlement, 1);
    this.collected.push(entry);
    this.events.pending(this.pending.size);
    this.start();
    return promise;
  }

  /** Whether a settlement is on its way that gives back a place of this key or of one of these accounts. */
  isReturning(keyId: string, candidates: readonly Candidate[]): boolean {
    if (this.places.has(keyId)) return true;
    // Few are on their way; a pool may be large.
    if (this.places.size >= candidates.length)
      return candidates.some(({ accountId }) => this.places.has(accountId));
    const { accounts } = wishOf({ lane: 'generate', candidates });
    return [...this.places.keys()].some((id) => accounts.has(id));
  }

  /** Sends them now; resolves when they are committed. */
  async returned(keyId: string, candidates: readonly Candidate[]): Promise<void> {
    const { accounts } = wishOf({ lane: 'generate', candidates });
    await this.hurry((one) => one.keyId === keyId || accounts.has(one.accountId));
  }

  /** Where a call of this session is on its way to give back its place: sent now, and resolved when it is committed. */
  endingOf(session: string): Promise<void> | undefined {
    return this.places.has(session) ? this.hurry((one) => one.session === session) : undefined;
  }

  /** Sends at once what has been collected; resolves when nothing is pending, for which the database must answer. */
  async flush(): Promise<void> {
    this.urgent = true;
    this.start();
    while (this.pending.size > 0) {
      await Promise.allSettled([...this.pending.values()].map(({ promise }) => promise));
    }
    this.urgent = false;
  }

  /** What is not committed yet is not sent again; its promises stay open. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async hurry(wanted: (settlement: Settlement) => boolean): Promise<void> {
    const found = [...this.pending.values()].filter(({ settlement }) => wanted(settlement));
    if (found.length > 0 && this.collected.length > 0) {
      if (this.busy) this.hurried = true;
      else this.run();
    }
    await Promise.allSettled(found.map(({ promise }) => promise));
  }

  private start(): void {
    if (this.busy || this.stopped || this.collected.length === 0) return;
    if (!this.urgent && !this.hurried && this.collected.length < LARGEST_BATCH) {
      this.timer ??= setTimeout(() => this.run(), this.collectMs);
      return;
    }
    this.run();
  }

  private run(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.busy) return;
    this.busy = true;
    this.hurried = false;
    void this.send(this.collected.splice(0, LARGEST_BATCH)).finally(() => {
      this.busy = false;
      this.events.pending(this.pending.size);
      this.start();
    });
  }

  private async send(batch: readonly Pending[]): Promise<void> {
    try {
      await this.write(batch.map(({ settlement }) => settlement));
      for (const entry of batch) this.end(entry).resolve();
    } catch (error) {
      if (error instanceof Stopped) return;
      if (batch.length > 1) for (const entry of batch) await this.send([entry]);
      else for (const entry of batch) await this.writeBare(entry, error);
    }
  }

  /** @throws only what one row's own data is to blame for. */
  private async write(settlements: readonly Settlement[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const started = performance.now();
      try {
        await settleBatch(this.db, settlements);
        this.events.batch(settlements.length, performance.now() - started);
        return;
      } catch (error) {
        if (failureOf(error) === 'data') throw error;
        if (this.stopped) throw new Stopped();
        this.events.delayed(error, attempt);
        await sleep(backoffMs(attempt - 1, 25, LONGEST_BACKOFF_MS));
      }
    }
  }

  private async writeBare(entry: Pending, cause: unknown): Promise<void> {
    const written = bare(entry.settlement);
    try {
      await this.write([written]);
      this.events.unsettleable(entry.settlement, cause, false);
      // What the ledger has, should it have to be sent again.
      entry.settlement = written;
      this.end(entry).resolve();
    } catch (error) {
      if (error instanceof Stopped) return;
      this.events.unsettleable(entry.settlement, error, true);
      this.end(entry).reject(error);
    }
  }

  private end(entry: Pending): Pending {
    const id = idOfSettlement(entry.settlement);
    const latest = this.pending.get(id) === entry;
    if (latest) this.pending.delete(id);
    this.countPlaces(entry.settlement, -1);
    if (latest) this.events.done(entry.settlement);
    return entry;
  }

  private countPlaces({ final, keyId, accountId, session }: Settlement, by: 1 | -1): void {
    if (!final) return;
    this.count(keyId, by);
    this.count(accountId, by);
    if (session !== undefined) this.count(session, by);
  }

  private count(id: string, by: 1 | -1): void {
    const count = (this.places.get(id) ?? 0) + by;
    if (count > 0) this.places.set(id, count);
    else this.places.delete(id);
  }
}

/** The same attempt without anything that could be refused. */
function bare(settlement: Settlement): Settlement {
  return {
    ...settlement,
    upstreamModel: settlement.model,
    outcome: 'unknown',
    status: null,
    reason: 'unsettleable',
    usage: NO_USAGE,
    estimated: true,
    suspicious: true,
    costNanos: null,
    chargedNanos: null,
    priceId: null,
    firstByteMs: null,
    durationMs: 0,
    upstreamRequestId: null,
    clientRequestId: null,
  };
}

function deferred() {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // Whoever does not look at the promise has been told by the event.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
