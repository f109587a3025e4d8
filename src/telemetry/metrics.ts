import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Lane, Usage } from '../dialects/dialect.ts';
import type { RelayErrorCode } from '../errors/relay-error.ts';
import { type CacheEvent, CacheMetrics } from './cache-metrics.ts';

/** 1 ms to 10 min, for waits on networks and models. */
const LONG = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
/** 0.1 ms to 2.5 s, for waits inside of the relay and on its database. */
const SHORT = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** One try on one account has been settled. */
export interface AttemptEnded extends CacheEvent {
  readonly kind: string;
  readonly lane: Lane;
  readonly outcome: string;
  /** Upstream's; null when no answer came. */
  readonly status: number | null;
  readonly usage: Usage;
  /** Null = unpriced. */
  readonly costNanos: bigint | null;
}

/** A client has its whole answer, or what there was of it. */
export interface CallEnded {
  readonly door: string;
  readonly lane: Lane;
  readonly outcome: string;
  /** Sent to the client; null when it left before the head. */
  readonly status: number | null;
  readonly firstByteMs: number | null;
  readonly durationMs: number;
}

/** What a pool of database connections says of itself: states now, and sums since the start of the process. */
export interface PoolReading {
  readonly connections: number;
  readonly idle: number;
  readonly waiting: number;
  /** Statements that found no idle connection. */
  readonly waits: number;
  /** Statements that got none in time. */
  readonly poolTimeouts: number;
  readonly queryTimeouts: number;
  readonly failures: number;
}

const POOL_STATES = ['connections', 'idle', 'waiting'] as const;
const POOL_SUMS = [
  { sum: 'waits', name: 'waits', help: 'Statements that found no idle connection' },
  { sum: 'poolTimeouts', name: 'acquire_timeouts', help: 'Statements that got no connection in time' },
  { sum: 'queryTimeouts', name: 'query_timeouts', help: 'Statements whose answer did not come in time' },
  { sum: 'failures', name: 'failures', help: 'Statements that failed with the connection, for any reason' },
] as const satisfies readonly { sum: keyof PoolReading; name: string; help: string }[];

/**
 * Every metric of the product, in one place, told by the event that moves it. Labels are words of our own (doors,
 * kinds, lanes, outcomes, codes) and, where it is told which account has how much of the vendors' caches, ids of
 * accounts: never a key, a model, an e-mail or free text, so that their number stays small.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  private readonly pools = new Map<string, () => PoolReading>();

  private readonly requests = this.counter(
    'requests_total',
    'Calls ended, by door, lane, outcome and status class',
    ['door', 'lane', 'outcome', 'status'],
  );
  private readonly attempts = this.counter('attempts_total', 'Tries on accounts settled', [
    'kind',
    'lane',
    'outcome',
    'status',
  ]);
  private readonly tokens = this.counter('tokens_total', 'Tokens metered, by disjoint class', [
    'kind',
    'class',
  ]);
  private readonly cost = this.counter(
    'cost_usd_total',
    'Cost of settled attempts; exact money is in the ledger',
    ['kind'],
  );
  private readonly unpriced = this.counter('unpriced_total', 'Settled attempts without a known price', [
    'kind',
  ]);
  private readonly caches = new CacheMetrics(this.registry);
  private readonly refusals = this.counter('refusals_total', 'Calls the relay itself refused', [
    'door',
    'code',
  ]);
  private readonly failovers = this.counter(
    'failovers_total',
    'Calls that missed at one account, by what was to blame and whether another one was tried',
    ['blame', 'result'],
  );
  private readonly refreshes = this.counter('credential_refreshes_total', 'Renewals of account credentials', [
    'kind',
    'result',
  ]);

  private readonly places = this.gauge('places_in_use', 'Calls that hold a place, on this process', ['lane']);
  private readonly pending = this.gauge('settles_pending', 'Settlements not yet written', []);

  private readonly lean = this.counter(
    'accounts_lean_total',
    'Times that an account was found near a limit, and others were preferred until its reset',
    ['kind'],
  );
  private readonly probes = this.counter(
    'probes_total',
    'First calls after a cooldown of their account: proven = it answered',
    ['result'],
  );
  private readonly waitingCalls = this.gauge(
    'queue_waiting',
    'Calls that wait for a place, on this process',
    [],
  );
  private readonly waits = this.histogram(
    'queue_wait_seconds',
    'Time that a call stood in line, by how that ended',
    LONG,
    ['end'],
  );

  private readonly spoolRecords = this.counter(
    'spool_records_total',
    'Records for the spool: written, failed; of dead replicas: replayed, bad',
    ['result'],
  );
  private readonly repairs = this.counter(
    'counter_repairs_total',
    'Counters that did not say what the open calls came to, and were set right: always 0',
    [],
  );
  private readonly oldest = this.gauge(
    'database_oldest_transaction_seconds',
    'Age of the oldest open transaction of the database, whoever has it: old ones slow admission down',
    [],
  );
  private readonly graceAdmissions = this.counter(
    'grace_admissions_total',
    'Calls admitted while the database was away',
    [],
  );
  private readonly spoolWritable = this.gauge('spool_writable', '1 while the spool takes records', []);
  private readonly spoolBytes = this.gauge('spool_bytes', 'Size of the spool of this process', []);

  private readonly head = this.histogram(
    'upstream_head_seconds',
    'Request sent to the head of the answer',
    LONG,
    ['kind'],
  );
  private readonly overhead = this.histogram(
    'overhead_seconds',
    'Own time from request head to upstream, without waiting for a place',
    SHORT,
    ['door'],
  );
  private readonly firstByte = this.histogram(
    'first_byte_seconds',
    'Request head to first byte answered',
    LONG,
    ['door'],
  );
  private readonly duration = this.histogram(
    'duration_seconds',
    'Request head to the end of the answer',
    LONG,
    ['door'],
  );
  private readonly batches = this.histogram(
    'batch_size',
    'Rows in one statement',
    [1, 2, 4, 8, 16, 32, 64],
    ['statement'],
  );
  private readonly statements = this.histogram('statement_seconds', 'Time of one statement', SHORT, [
    'statement',
  ]);

  constructor() {
    // Process, garbage collection and event-loop lag, under the names every Node dashboard knows.
    collectDefaultMetrics({ register: this.registry });
    this.exposePools();
    for (const lane of ['generate', 'count']) this.places.set({ lane }, 0);
    this.pending.set(0);
    this.waitingCalls.set(0);
    for (const result of ['proven', 'unproven']) this.probes.inc({ result }, 0);
    for (const result of ['written', 'failed', 'replayed', 'bad']) this.spoolRecords.inc({ result }, 0);
  }

  attemptEnded(event: AttemptEnded): void {
    const { kind, lane, outcome, usage } = event;
    this.attempts.inc({ kind, lane, outcome, status: statusClass(event.status) });
    this.countTokens(kind, 'input', usage.inputTokens);
    this.countTokens(kind, 'cache_read', usage.cacheReadTokens);
    this.countTokens(kind, 'cache_write_5m', usage.cacheWrite5mTokens);
    this.countTokens(kind, 'cache_write_1h', usage.cacheWrite1hTokens);
    this.countTokens(kind, 'output', usage.outputTokens);
    if (event.costNanos === null) this.unpriced.inc({ kind });
    else this.cost.inc({ kind }, Number(event.costNanos) / 1e9);
    this.caches.attemptEnded(event);
  }

  callEnded(event: CallEnded): void {
    const { door, lane, outcome } = event;
    this.requests.inc({ door, lane, outcome, status: statusClass(event.status) });
    if (event.firstByteMs !== null) this.firstByte.observe({ door }, event.firstByteMs / 1000);
    this.duration.observe({ door }, event.durationMs / 1000);
  }

  refused(code: RelayErrorCode, door: string): void {
    this.refusals.inc({ code, door });
  }

  failover(blame: string, result: 'moved' | 'refused' | 'over-ratio'): void {
    this.failovers.inc({ blame, result });
  }

  placeTaken(lane: Lane): void {
    this.places.inc({ lane });
  }

  placeGiven(lane: Lane): void {
    this.places.dec({ lane });
  }

  upstreamHead(kind: string, ms: number): void {
    this.head.observe({ kind }, ms / 1000);
  }

  /** From the head of the client's request to the moment the upstream request was sent, without waiting for a place. */
  ownOverhead(door: string, ms: number): void {
    this.overhead.observe({ door }, ms / 1000);
  }

  /** One admit or settle statement that came back, with its rows. */
  batch(statement: 'admit' | 'settle', rows: number, ms: number): void {
    this.batches.observe({ statement }, rows);
    this.statements.observe({ statement }, ms / 1000);
  }

  pendingSettles(now: number): void {
    this.pending.set(now);
  }

  accountLean(kind: string): void {
    this.lean.inc({ kind });
  }

  probed(result: 'proven' | 'unproven'): void {
    this.probes.inc({ result });
  }

  callsWaiting(now: number): void {
    this.waitingCalls.set(now);
  }

  callWaited(ms: number, end: 'admitted' | 'refused' | 'late' | 'left' | 'failed'): void {
    this.waits.observe({ end }, ms / 1000);
  }

  graceAdmitted(): void {
    this.graceAdmissions.inc();
  }

  countersRepaired(count: number): void {
    this.repairs.inc(count);
  }

  oldestTransaction(seconds: number): void {
    this.oldest.set(seconds);
  }

  spoolRecord(written: boolean): void {
    this.spoolRecords.inc({ result: written ? 'written' : 'failed' });
  }

  spoolReplayed(settlements: number, bad: number): void {
    this.spoolRecords.inc({ result: 'replayed' }, settlements);
    this.spoolRecords.inc({ result: 'bad' }, bad);
  }

  spoolState(writable: boolean, bytes: number): void {
    this.spoolWritable.set(writable ? 1 : 0);
    this.spoolBytes.set(bytes);
  }

  /** Read at each scrape; the sums are since the start of the process. */
  watchPool(pool: string, read: () => PoolReading): void {
    this.pools.set(pool, read);
  }

  credentialRefreshed(kind: string, result: 'renewed' | 'refused' | 'failed'): void {
    this.refreshes.inc({ kind, result });
  }

  private exposePools(): void {
    const { pools } = this;
    new Gauge({
      name: 'relay_pool_connections',
      help: 'Database connections by state; waiting = statements that wait for one',
      labelNames: ['pool', 'state'],
      registers: [this.registry],
      collect() {
        for (const [pool, read] of pools) {
          const reading = read();
          for (const state of POOL_STATES) this.set({ pool, state }, reading[state]);
        }
      },
    });
    for (const { sum, name, help } of POOL_SUMS) {
      new Counter({
        name: `relay_pool_${name}_total`,
        help,
        labelNames: ['pool'],
        registers: [this.registry],
        collect() {
          this.reset();
          for (const [pool, read] of pools) this.inc({ pool }, read()[sum]);
        },
      });
    }
  }

  private countTokens(kind: string, tokenClass: string, count: number): void {
    if (count > 0) this.tokens.inc({ kind, class: tokenClass }, count);
  }

  private counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name: `relay_${name}`, help, labelNames, registers: [this.registry] });
  }

  private gauge<L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> {
    return new Gauge({ name: `relay_${name}`, help, labelNames, registers: [this.registry] });
  }

  private histogram<L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: L[],
  ): Histogram<L> {
    return new Histogram({ name: `relay_${name}`, help, buckets, labelNames, registers: [this.registry] });
  }
}

function statusClass(status: number | null): string {
  return status === null ? 'none' : `${Math.floor(status / 100)}xx`;
}
