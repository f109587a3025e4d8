import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { Breaker } from './breaker.ts';
import { AnswerLate, codeOf, DatabaseUnavailable, isAnswer, unavailability } from './database-unavailable.ts';
import { LoopLag } from './loop-lag.ts';
import { withSessionSettings } from './session-settings.ts';
import type { Queryable, Statement } from './statement.ts';

/** Injection token: the pool for admission and reads; a commit does not wait for the disk. */
export const HOT_POOL = Symbol('HotPool');
/** Injection token: the pool for settling; what is committed here survives a crash of Postgres. */
export const LEDGER_POOL = Symbol('LedgerPool');
/** Injection token: one connection for proving what counters say, which may take a while and holds nobody up. */
export const PROOF_POOL = Symbol('ProofPool');

export interface HotPoolOptions {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly max: number;
  readonly synchronousCommit: 'on' | 'off';
  /** How long a statement may take by the server's clock, in milliseconds; default 1,500. */
  readonly statementMs?: number;
  readonly onError?: (error: Error) => void;
}

/** Sums since the start, and what is so now. */
export interface HotPoolStats {
  readonly connections: number;
  readonly idle: number;
  readonly waiting: number;
  /** Statements that found no idle connection. */
  readonly waits: number;
  readonly poolTimeouts: number;
  readonly queryTimeouts: number;
  readonly failures: number;
  readonly breakerOpen: boolean;
}

const POOL_WAIT_MS = 500;
/** A wait during which our own event loop stood still for half of it does not count; so many waits do not at most. */
const LATE_WAITS = 3;
const STATEMENT_MS = 1_500;
/** Ours is the later of the two clocks: a frozen server never fires its own. */
const ANSWER_MS = 500;
const CLOSE_WITHIN_MS = 3_000;

/** Deadlock, serialization failure, lock timeout: rolled back, so the same statement may be sent again. */
const AGAIN = new Set(['40P01', '40001', '55P03']);
const ATTEMPTS = 3;
/** What the connection remembers is no longer true (prepared before a migration, or lost): it is thrown away. */
const FORGETFUL = new Set(['0A000', '26000']);

/**
 * A few connections for named statements, each its own transaction, with every wait bounded: 0.5 s for a connection,
 * 1.5 s by the server's clock (unless told otherwise) and half a second more by ours for the answer. A client whose answer did not come is destroyed: it would
 * hand a late answer to the next statement. What our own event loop was late is not held against the database.
 */
export class HotPool implements Queryable {
  private readonly pool: pg.Pool;
  private readonly breaker = new Breaker();
  private readonly lag = new LoopLag();
  private readonly answerWithinMs: number;
  /** Of the last statement, for the next: to hand it back and to ask for it again takes longer than to look here. */
  private inHand: pg.PoolClient | undefined;
  /** What has ended is handed back, for the pool to drop it. */
  private readonly ended = new WeakSet<pg.PoolClient>();
  /** Connections that end while the pool closes are no news. */
  private closing = false;
  private readonly sums = { waits: 0, poolTimeouts: 0, queryTimeouts: 0, failures: 0 };

  constructor(private readonly options: HotPoolOptions) {
    const { statementMs = STATEMENT_MS } = options;
    this.answerWithinMs = statementMs + ANSWER_MS;
    this.pool = new pg.Pool({
      connectionString: withSessionSettings(options.url, {
        application_name: options.name,
        statement_timeout: String(statementMs),
        lock_timeout: '500',
        idle_in_transaction_session_timeout: '10s',
        synchronous_commit: options.synchronousCommit,
        // Open rows look like an empty table to ANALYZE, and then scans and hash joins come up.
        plan_cache_mode: 'force_generic_plan',
        enable_seqscan: 'off',
        jit: 'off',
      }),
      max: options.max,
      connectionTimeoutMillis: POOL_WAIT_MS,
      // Kept open: their statements stay prepared.
      idleTimeoutMillis: 0,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    // Without listeners a lost connection would end the process; the pool itself drops the client.
    this.pool.on('error', (error) => {
      if (!this.closing) options.onError?.(error);
    });
    this.pool.on('connect', (client) => client.on('error', (error) => this.lost(client, error)));
  }

  async run<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.attempt<Row>(statement, values);
      } catch (error) {
        if (attempt >= this.attemptsFor(codeOf(error))) throw error;
        await sleep(5 + Math.random() * 20 * attempt);
      }
    }
  }

  stats(): HotPoolStats {
    const { totalCount, waitingCount } = this.pool;
    return {
      ...this.sums,
      connections: totalCount,
      idle: this.idle,
      waiting: waitingCount,
      breakerOpen: this.breaker.isOpen,
    };
  }

  /** Waits for running statements, but not for ever. */
  async close(): Promise<void> {
    this.closing = true;
    this.inHand?.release();
    this.inHand = undefined;
    await Promise.race([this.pool.end(), sleep(CLOSE_WITHIN_MS, undefined, { ref: false })]);
  }

  private get idle(): number {
    return this.pool.idleCount + (this.inHand === undefined ? 0 : 1);
  }

  private attemptsFor(code: string): number {
    if (FORGETFUL.has(code)) return this.pool.options.max + 1;
    return AGAIN.has(code) ? ATTEMPTS : 1;
  }

  private async attempt<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    if (!this.breaker.admits()) throw new DatabaseUnavailable('breaker');
    if (this.idle === 0) this.sums.waits += 1;
    try {
      const rows = await this.send<Row>(statement, values);
      this.breaker.succeeded();
      return rows;
    } catch (error) {
      const reason = unavailability(error);
      if (reason === undefined) {
        this.breaker.succeeded();
        throw error;
      }
      this.sums.failures += 1;
      if (reason === 'pool-full') this.sums.poolTimeouts += 1;
      // A full pool says nothing of the server; the statements that fill it count for themselves.
      else this.breaker.didFail();
      if (reason === 'timeout') this.sums.queryTimeouts += 1;
      throw new DatabaseUnavailable(reason, { cause: error });
    }
  }

  private async connect(): Promise<pg.PoolClient> {
    const kept = this.inHand;
    if (kept !== undefined) {
      this.inHand = undefined;
      return kept;
    }
    if (this.pool.idleCount > this.pool.waitingCount) return this.pool.connect();
    for (let wait = 0; ; wait += 1) {
      const ended = this.lag.watch();
      let lateMs = 0;
      try {
        return await this.pool.connect().finally(() => (lateMs = ended()));
      } catch (error) {
        const wasLate = unavailability(error) === 'pool-full' && lateMs >= POOL_WAIT_MS / 2;
        if (!wasLate || wait === LATE_WAITS) throw error;
      }
    }
  }

  private async send<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const client = await this.connect();
    let failure: Error | undefined;
    try {
      return await this.answer<Row>(client, statement, values);
    } catch (error) {
      const keep = isAnswer(error) && !FORGETFUL.has(codeOf(error)) && unavailability(error) !== 'read-only';
      if (!keep)
        failure = error instanceof Error ? error : new Error('The connection failed', { cause: error });
      throw error;
    } finally {
      this.handBack(client, failure);
    }
  }

  private handBack(client: pg.PoolClient, failure: Error | undefined): void {
    const isWanted = this.pool.waitingCount > 0 || this.inHand !== undefined;
    if (failure !== undefined || isWanted || this.closing || this.ended.has(client)) client.release(failure);
    else this.inHand = client;
  }

  /** A connection ended. Of those that lie in the pool the pool tells, of those in use their statements do. */
  private lost(client: pg.PoolClient, error: Error): void {
    this.ended.add(client);
    if (client !== this.inHand) return;
    this.inHand = undefined;
    client.release(error);
    if (!this.closing) this.options.onError?.(error);
  }

  /**
   * With a callback and a clock of our own: those that node-postgres makes itself are functions of the old generation,
   * which keep every statement and its rows (docs/decisions/016). And with a query of our own: a config is copied property
   * by property, into an object of a shape that no other one has.
   */
  private answer<Row>(
    client: pg.PoolClient,
    statement: Statement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      const clock = setTimeout(() => reject(new AnswerLate()), this.answerWithinMs);
      const callback = (error: Error | undefined, answer: pg.QueryResult): void => {
        clearTimeout(clock);
        if (error) reject(error);
        else resolve(answer.rows as Row[]);
      };
      client.query(
        Object.assign(new pg.Query(statement.text, [...values]), { name: statement.name, callback }),
      );
    });
  }
}
