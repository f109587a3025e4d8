import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Lane, Usage } from '../dialects/dialect.ts';
import type { RelayErrorCode } from '../errors/relay-error.ts';
import { type CacheEvent, CacheMetrics } from './cache-metrics.ts';
import { Families } from './family.ts';

/** 1 ms to 10 min, for waits on networks and models. */
const LONG = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
/** 0.1 ms to 2.5 s, for waits inside of the relay and on its database. */
const SHORT = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** How often the event loop's lag is read: each reading wakes an idle process, which cost 0.3 % of a core at the usual 10. */
const LAG_TICK_MS = 20;

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

  private readonly families = new Families(this.registry);
  private readonly pools = new Map<string, () => PoolReading>();

  private readonly requests = this.families.counter(
    'requests_total',
    'Calls ended, by door, lane, outcome and status class',
    ['door', 'lane', 'outcome', 'status'],
  );
  private readonly attempts = this.families.counter('attempts_total', 'Tries on accounts settled', [
    'kind',
    'lane',
    'outcome',
    'status',
  ]);
  private readonly tokens = this.families.counter('tokens_total', 'Tokens metered, by disjoint class', [
    'kind',
    'class',
  ]);
  private readonly cost = this.families.counter(
    'cost_usd_total',
    'Cost of settled attempts; exact money is in the ledger',
    ['kind'],
  );
  private readonly unpriced = this.families.counter(
    'unpriced_total',
    'Settled attempts without a known price',
    ['kind'],
  );
  private readonly caches = new CacheMetrics(this.families);
  private readonly refusals = this.families.counter('refusals_total', 'Calls the relay itself refused', [
    'code',
    'door',
  ]);
  private readonly failovers = this.families.counter(
    'failovers_total',
    'Calls that missed at one account, by what was to blame and whether another one was tried',
    ['blame', 'result'],
  );
  private readonly refreshes = this.families.counter(
    'credential_refreshes_total',
    'Renewals of account credentials',
    ['kind', 'result'],
  );

  private readonly places = this.families.gauge('places_in_use', 'Calls that hold a place, on this process', [
    'lane',
  ]);
  private readonly pending = this.families.gauge('settles_pending', 'Settlements not yet written', []);

  private readonly lean = this.families.counter(
    'accounts_lean_total',
    'Times that an account was found near a limit, and others were preferred until its reset',
    ['kind'],
  );
  private readonly probes = this.families.counter(
    'probes_total',
    'First calls after a cooldown of their account: proven = it answered',
    ['result'],
  );
  private readonly waitingCalls = this.families.gauge(
    'queue_waiting',
    'Calls that wait for a place, on this process',
    [],
  );
  private readonly waits = this.families.histogram(
    'queue_wait_seconds',
    'Time that a call stood in line, by how that ended',
    LONG,
    ['end'],
  );

  private readonly spoolRecords = this.families.counter(
    'spool_records_total',
    'Records for the spool: written, failed; of dead replicas: replayed, bad',
    ['result'],
  );
  private readonly repairs = this.families.counter(
    'counter_repairs_total',
    'Counters that did not say what the open calls came to, and were set right: always 0',
    [],
  );
  private readonly oldest = this.families.gauge(
    'database_oldest_transaction_seconds',
    'Age of the oldest open transaction of the database, whoever has it: old ones slow admission down',
    [],
  );
  private readonly graceAdmissions = this.families.counter(
    'grace_admissions_total',
    'Calls admitted while the database was away',
    [],
  );
  private readonly spoolWritable = this.families.gauge(
    'spool_writable',
    '1 while the spool takes records',
    [],
  );
  private readonly spoolBytes = this.families.gauge('spool_bytes', 'Size of the spool of this process', []);

  private readonly head = this.families.histogram(
    'upstream_head_seconds',
    'Request sent to the head of the answer',
    LONG,
    ['kind'],
  );
  private readonly overhead = this.families.histogram(
    'overhead_seconds',
    'Own time from request head to upstream, without waiting for a place',
    SHORT,
    ['door'],
  );
  private readonly firstByte = this.families.histogram(
    'first_byte_seconds',
    'Request head to first byte answered',
    LONG,
    ['door'],
  );
  private readonly duration = this.families.histogram(
    'duration_seconds',
    'Request head to the end of the answer',
    LONG,
    ['door'],
  );
  private readonly batches = this.families.histogram(
    'batch_size',
    'Rows in one statement',
    [1, 2, 4, 8, 16, 32, 64],
    ['statement'],
  );
  private readonly statements = this.families.histogram('statement_seconds', 'Time of one statement', SHORT, [
    'statement',
  ]);

  constructor() {
    // Process, garbage collection and event-loop lag, under the names every Node dashboard knows.
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LAG_TICK_MS });
    this.exposePools();
    for (const lane of ['generate', 'count']) this.places.of(lane);
    for (const result of ['proven', 'unproven']) this.probes.of(result);
    for (const result of ['written', 'failed', 'replayed', 'bad']) this.spoolRecords.of(result);
  }

  attemptEnded(event: AttemptEnded): void {
    const { kind, lane, outcome, usage } = event;
    this.attempts.of(kind, lane, outcome, statusClass(event.status)).add();
    this.countTokens(kind, 'input', usage.inputTokens);
    this.countTokens(kind, 'cache_read', usage.cacheReadTokens);
    this.countTokens(kind, 'cache_write_5m', usage.cacheWrite5mTokens);
    this.countTokens(kind, 'cache_write_1h', usage.cacheWrite1hTokens);
    this.countTokens(kind, 'output', usage.outputTokens);
    if (event.costNanos === null) this.unpriced.of(kind).add();
    else this.cost.of(kind).add(Number(event.costNanos) / 1e9);
    this.caches.attemptEnded(event);
  }

  callEnded(event: CallEnded): void {
    const { door, lane, outcome } = event;
    this.requests.of(door, lane, outcome, statusClass(event.status)).add();
    if (event.firstByteMs !== null) this.firstByte.of(door).observe(event.firstByteMs / 1000);
    this.duration.of(door).observe(event.durationMs / 1000);
  }

  refused(code: RelayErrorCode, door: string): void {
    this.refusals.of(code, door).add();
  }

  failover(blame: string, result: 'moved' | 'refused' | 'over-ratio'): void {
    this.failovers.of(blame, result).add();
  }

  placeTaken(lane: Lane): void {
    this.places.of(lane).add(1);
  }

  placeGiven(lane: Lane): void {
    this.places.of(lane).add(-1);
  }

  upstreamHead(kind: string, ms: number): void {
    this.head.of(kind).observe(ms / 1000);
  }

  /** From the head of the client's request to the moment the upstream request was sent, without waiting for a place. */
  ownOverhead(door: string, ms: number): void {
    this.overhead.of(door).observe(ms / 1000);
  }

  /** One admit or settle statement that came back, with its rows. */
  batch(statement: 'admit' | 'settle', rows: number, ms: number): void {
    this.batches.of(statement).observe(rows);
    this.statements.of(statement).observe(ms / 1000);
  }

  pendingSettles(now: number): void {
    this.pending.of().set(now);
  }

  accountLean(kind: string): void {
    this.lean.of(kind).add();
  }

  probed(result: 'proven' | 'unproven'): void {
    this.probes.of(result).add();
  }

  callsWaiting(now: number): void {
    this.waitingCalls.of().set(now);
  }

  callWaited(ms: number, end: 'admitted' | 'refused' | 'late' | 'left' | 'failed'): void {
    this.waits.of(end).observe(ms / 1000);
  }

  graceAdmitted(): void {
    this.graceAdmissions.of().add();
  }

  countersRepaired(count: number): void {
    this.repairs.of().add(count);
  }

  oldestTransaction(seconds: number): void {
    this.oldest.of().set(seconds);
  }

  spoolRecord(written: boolean): void {
    this.spoolRecords.of(written ? 'written' : 'failed').add();
  }

  spoolReplayed(settlements: number, bad: number): void {
    this.spoolRecords.of('replayed').add(settlements);
    this.spoolRecords.of('bad').add(bad);
  }

  spoolState(writable: boolean, bytes: number): void {
    this.spoolWritable.of().set(writable ? 1 : 0);
    this.spoolBytes.of().set(bytes);
  }

  /** Read at each scrape; the sums are since the start of the process. */
  watchPool(pool: string, read: () => PoolReading): void {
    this.pools.set(pool, read);
  }

  credentialRefreshed(kind: string, result: 'renewed' | 'refused' | 'failed'): void {
    this.refreshes.of(kind, result).add();
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
    if (count > 0) this.tokens.of(kind, tokenClass).add(count);
  }
}

const STATUS_CLASSES = ['0xx', '1xx', '2xx', '3xx', '4xx', '5xx', '6xx', '7xx', '8xx', '9xx'];

function statusClass(status: number | null): string {
  if (status === null) return 'none';
  const hundreds = Math.floor(status / 100);
  return STATUS_CLASSES[hundreds] ?? `${hundreds}xx`;
}
