import pg from 'pg';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { HotPool } from '../../src/database/hot-pool.ts';
import type { Queryable } from '../../src/database/statement.ts';
import { NO_USAGE } from '../../src/dialects/dialect.ts';
import type {
  AdmissionRequest,
  Candidate,
  Decision,
  Lease,
  MoveRequest,
} from '../../src/scheduler/admission.ts';
import type { Clocks } from '../../src/scheduler/clocks.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import type { Settlement } from '../../src/scheduler/settlement.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { createDatabase, type TestDatabase } from './database.ts';

/** Long enough never to matter in a test that is about something else. */
const CALM: Clocks = { heartbeatMs: 3_000, epochTtlMs: 10_000, sweepMs: 2_000 };

export interface AccountSettings {
  readonly priority?: number;
  readonly weight?: number;
  readonly max?: number;
  readonly enabled?: boolean;
}

/** Budgets in nano-dollars. */
export interface KeySettings {
  readonly max?: number;
  readonly expires?: string;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly budgets?: { readonly day?: number; readonly month?: number; readonly total?: number };
  readonly team?: string;
}

function limitValues({ requestsPerMinute, tokensPerMinute, budgets }: KeySettings): unknown[] {
  return [
    requestsPerMinute ?? null,
    tokensPerMinute ?? null,
    budgets?.day ?? null,
    budgets?.month ?? null,
    budgets?.total ?? null,
  ];
}

export interface ReplicaOptions {
  readonly clocks?: Clocks;
  /** Puts something between the scheduler and its pools. */
  readonly wrap?: (db: Queryable, pool: 'hot' | 'ledger') => Queryable;
  readonly url?: string;
  readonly queueMs?: number;
  readonly queueMax?: number;
  /** Absent: without a spool. */
  readonly spoolDir?: string;
  /** Absent: nothing is admitted without the database. */
  readonly graceMs?: number;
}

/** A database of its own and any number of schedulers on it, each with its own pools, as replicas have them. */
export class SchedulingRig {
  private readonly ends: (() => Promise<void>)[] = [];

  private constructor(
    readonly sql: pg.Pool,
    private readonly database: TestDatabase,
  ) {}

  get url(): string {
    return this.database.url;
  }

  static async create(): Promise<SchedulingRig> {
    const database = await createDatabase();
    const sql = new pg.Pool({ connectionString: database.url, max: 4 });
    sql.on('error', () => undefined);
    return new SchedulingRig(sql, database);
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.sql.query<Row>(text, values)).rows;
  }

  /** Places taken over all replicas; an account without a row has none. */
  async inUseByAccount(ids: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.query<{ id: string; in_use: number }>(
      'select id, in_use from account_state where id = any ($1)',
      [ids],
    );
    return new Map(rows.map((row) => [row.id, row.in_use]));
  }

  async inUseByKey(ids: readonly string[]): Promise<Map<string, { inUse: number; counting: number }>> {
    const rows = await this.query<{ id: string; in_use: number; counting: number }>(
      'select id, in_use, counting from key_state where id = any ($1)',
      [ids],
    );
    return new Map(rows.map((row) => [row.id, { inUse: row.in_use, counting: row.counting }]));
  }

  async key(settings: KeySettings = {}): Promise<string> {
    const id = v7();
    await this.query(
      `insert into api_keys (id, version, name, scopes, models, max_concurrency, expires_at, requests_per_minute,
          tokens_per_minute, budget_day_nanos, budget_month_nanos, budget_total_nanos, team_id)
        values ($1, 1, 'key', '{claude}', '{*}', $2, clock_timestamp() + $3::interval, $4, $5, $6, $7, $8, $9)`,
      [id, settings.max ?? null, settings.expires ?? null, ...limitValues(settings), settings.team ?? null],
    );
    return id;
  }

  async team(settings: Omit<KeySettings, 'expires' | 'team'> & { parent?: string } = {}): Promise<string> {
    const id = v7();
    await this.query(
      `insert into teams (id, version, name, parent_id, path, max_concurrency, requests_per_minute, tokens_per_minute,
          budget_day_nanos, budget_month_nanos, budget_total_nanos)
        values ($1::uuid, 1, $1::uuid::text, $2::uuid, $1::uuid || coalesce((select path from teams where id = $2::uuid), '{}'::uuid[]), $3, $4, $5, $6, $7, $8)`,
      [id, settings.parent ?? null, settings.max ?? null, ...limitValues(settings)],
    );
    return id;
  }

  async account(settings: AccountSettings = {}): Promise<string> {
    const id = v7();
    await this.query(
      `insert into accounts (id, version, name, kind, priority, weight, max_concurrency, enabled)
        values ($1, 1, $2, 'claude', $3, $4, $5, $6)`,
      [id, id, settings.priority ?? 50, settings.weight ?? 1, settings.max ?? 0, settings.enabled ?? true],
    );
    return id;
  }

  /** A scheduler that has been started; closed with the rig. */
  async replica(options: ReplicaOptions = {}): Promise<Scheduler> {
    const wrap = options.wrap ?? ((db: Queryable) => db);
    const url = options.url ?? this.url;
    const hot = new HotPool({ url, name: 'hot', max: 3, synchronousCommit: 'off' });
    const ledger = new HotPool({ url, name: 'ledger', max: 2, synchronousCommit: 'on' });
    const scheduler = new Scheduler(
      wrap(hot, 'hot'),
      wrap(ledger, 'ledger'),
      wrap(ledger, 'ledger'),
      {
        ...(options.clocks ?? CALM),
        spoolDir: options.spoolDir,
        spoolMaxBytes: 16 * 1024 * 1024,
        ledgerKeepMonths: 0,
        queueMs: options.queueMs ?? 10_000,
        queueMax: options.queueMax ?? 1_000,
        workers: 1,
        graceMs: options.graceMs ?? 0,
      },
      pino({ level: 'silent' }),
      new Metrics(),
    );
    this.ends.push(async () => {
      await scheduler.close();
      await Promise.all([hot.close(), ledger.close()]);
    });
    await scheduler.start();
    return scheduler;
  }

  async close(): Promise<void> {
    for (const end of this.ends.splice(0)) await end();
  }

  async end(): Promise<void> {
    await this.close();
    await this.sql.end();
    await this.database.drop();
  }
}

export function candidate(accountId: string, change: Partial<Candidate> = {}): Candidate {
  return { accountId, version: 1n, tier: 0, modelFamily: 'claude-sonnet', ...change };
}

export function ask(
  keyId: string,
  candidates: readonly (Candidate | string)[],
  change: Partial<AdmissionRequest> = {},
): AdmissionRequest {
  return {
    requestId: v7(),
    keyId,
    keyVersion: 1n,
    lane: 'generate',
    door: 'claude',
    model: 'claude-sonnet-4-5',
    candidates: candidates.map((one) => (typeof one === 'string' ? candidate(one) : one)),
    kindOf: () => 'claude',
    ...change,
  };
}

export function move(
  lease: Lease,
  candidates: readonly (Candidate | string)[],
  change: Partial<MoveRequest> = {},
): MoveRequest {
  return {
    lease,
    keyVersion: 1n,
    candidates: candidates.map((one) => (typeof one === 'string' ? candidate(one) : one)),
    kindOf: () => 'claude',
    ...change,
  };
}

export function settlement(lease: Lease, change: Partial<Settlement> = {}): Settlement {
  return {
    requestId: lease.requestId,
    attempt: lease.attempt,
    final: true,
    epoch: lease.epoch,
    keyId: lease.keyId,
    accountId: lease.accountId,
    teams: lease.teams,
    lane: 'generate',
    door: 'claude',
    kind: 'claude',
    model: 'claude-sonnet-4-5',
    upstreamModel: 'claude-sonnet-4-5',
    stream: true,
    admittedAt: lease.admittedAt,
    outcome: 'completed',
    status: 200,
    reason: null,
    usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 5 },
    estimated: false,
    suspicious: false,
    costNanos: 105_000n,
    chargedNanos: null,
    priceId: '1',
    firstByteMs: 12.4,
    durationMs: 40.6,
    upstreamRequestId: 'req_1',
    clientRequestId: null,
    decision: null,
    ...change,
  };
}

/** The lease, or an error that names the refusal. */
export function leased(decision: Decision): Lease {
  if (!decision.admitted) throw new Error(`refused: ${decision.refusal}`);
  return decision.lease;
}

/** Looks until it is so; the deadline is liveness only. */
export async function eventually(look: () => Promise<boolean> | boolean, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await look())) {
    if (performance.now() > end) throw new Error('It did not come to be so in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
