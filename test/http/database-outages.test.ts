import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import pg from 'pg';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts';
import { HOT_POOL, type HotPool } from '../../src/database/hot-pool.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { asking, send } from '../support/asking.ts';
import { compareBooks } from '../support/books.ts';
import { eventually } from '../support/eventually.ts';
import { freeze, postmasterOf, processesOf, signal } from '../support/postgres-processes.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { Rehearsal } from '../support/relay.ts';
import { steadily, type Told } from '../support/steady-load.ts';
import { TcpGate } from '../support/tcp-gate.ts';

const CALLS_A_SECOND = 20;
const OPEN_STREAMS = 10;
/** Longer than anybody waits for an answer of the database. */
const FROZEN_MS = 4_000;

/** Rows D1 to D5, D8 and D11, each with one trouble: what clients meet, and what the ledger says afterwards. */
describe('a relay whose Postgres goes away under load', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'relay-outages-'));
  const gate = new TcpGate(() => ({ host: '127.0.0.1', port: Number(new URL(postgres.url).port) }));
  let postgres: EmbeddedPostgres;
  let rehearsal: Rehearsal;
  let postmaster: number;
  let key: string;
  /** Half of the short calls; it lets in twice as many. */
  let rated: string;

  beforeAll(async () => {
    postgres = await startEmbeddedPostgres({ dataDir, fsync: false });
    await gate.open();
    const through = new URL(postgres.url);
    through.port = String(gate.port);
    rehearsal = await Rehearsal.start({
      DATABASE_URL: through.href,
      RELAY_HEARTBEAT_MS: '500',
      RELAY_CONFIG_POLL_MS: '200',
      RELAY_SWEEP_MS: '100',
    });
    await rehearsal.claudeAccount();
    key = (await rehearsal.key()).key;
    const limits = { requestsPerMinute: 60 * CALLS_A_SECOND, tokensPerMinute: 10_000_000 };
    rated = (await rehearsal.key({ limits })).key;
    // Keys are kept in memory once the news that they were made has come.
    await sleep(1_000);
    expect((await send(rehearsal.url, asking('Claude JSON', rated, 'Hi'))).status).toBe(200);
  }, 60_000);
  beforeEach(async () => {
    postmaster = await postmasterOf(postgres.url);
  });
  afterAll(async () => {
    await rehearsal.close();
    await gate.shut();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** Streams that are open when it begins, and short calls all the while. */
  async function underLoad(outage: () => Promise<void>): Promise<{ all: Told[]; short: Told[] }> {
    let [running, opened, turn] = [true, 0, 0];
    const shared = { random: () => 0.99 };
    const streams = steadily({
      ...shared,
      target: () => ({ url: rehearsal.url, key }),
      callsPerSecond: 10 * OPEN_STREAMS,
      goesOn: () => (opened += 1) <= OPEN_STREAMS,
      ways: ['Claude SSE'],
      deltas: 20,
      everyMs: 100,
    });
    await eventually(() => expect(rehearsal.simulator.inFlight()).toBe(OPEN_STREAMS));
    const short = steadily({
      ...shared,
      target: () => ({ url: rehearsal.url, key: (turn += 1) % 2 === 0 ? key : rated }),
      callsPerSecond: CALLS_A_SECOND,
      goesOn: () => running,
      ways: ['Claude JSON'],
      everyMs: 1,
    });
    await outage();
    await sleep(300);
    running = false;
    return { all: [...(await streams), ...(await short)], short: await short };
  }

  /** Nobody was cut or sent away, every call has its one row, and all counters are those of ledger and open rows. */
  async function nothingLost({ all: told }: { readonly all: readonly Told[] }): Promise<void> {
    expect(told.filter(({ whole }) => !whole)).toEqual([]);
    await eventually(() => expectQuiet(postgres.url), 30_000);
    // A call that was admitted without the database has no open row, so that its settlement may still be on its way.
    await eventually(async () => {
      const books = await compareBooks(postgres.url, rehearsal.simulator);
      expect(books).toMatchObject({ lost: 0, doubled: 0, wrong: 0, partial: 0 });
      expect(books.rows).toBe(rehearsal.simulator.requests.length);
    }, 30_000);
    expect(told.length).toBeGreaterThan(OPEN_STREAMS);
    const scheduler = rehearsal.replica(0).app.get(Scheduler);
    await eventually(() => expect(scheduler.readiness()).toBe(true));
    // Whoever asks first may meet a breaker that waits for its next probe.
    await eventually(async () => expect((await scheduler.checkCounters()).differences).toEqual([]));
  }

  it('D1: that is restarted cuts no stream, refuses no call and loses no usage', async () => {
    const told = await underLoad(async () => {
      process.kill(postmaster, 'SIGINT');
      await eventually(async () => expect(await postmasterOf(postgres.url)).not.toBe(postmaster), 20_000);
    });
    await nothingLost(told);
  });

  it('D2: whose processes are all killed does as little', async () => {
    const told = await underLoad(async () => {
      signal(processesOf(postmaster), 'SIGKILL');
      await eventually(async () => expect(await postmasterOf(postgres.url)).not.toBe(postmaster), 20_000);
    });
    await nothingLost(told);
  });

  it('D3: that is frozen keeps nobody waiting until it thaws', async () => {
    const told = await underLoad(() => freeze(postmaster, FROZEN_MS));
    await nothingLost(told);
    expect(told.short.filter(({ ms }) => ms >= FROZEN_MS)).toEqual([]);
  });

  it('that cannot be reached lets in a known key without a budget, and answers 503 to others', async () => {
    const budget = { limits: { budgets: [{ period: 'day', usd: '1000' }] } };
    const bound = (await rehearsal.key(budget)).key;
    const ask = (secret: string) => send(rehearsal.url, asking('Claude JSON', secret, 'Hi'));
    // Keys are kept in memory once the news that they were made has come.
    await sleep(1_000);
    for (const secret of [key, bound]) expect((await ask(secret)).status).toBe(200);
    await gate.shut();
    try {
      expect((await ask(key)).status).toBe(200);
      for (const secret of [bound, `rk_${'x'.repeat(43)}`]) {
        const { status, headers, body } = await ask(secret);
        expect([status, JSON.parse(body.toString())]).toMatchObject([503, { type: 'error' }]);
        expect(Number(headers['retry-after'])).toBeGreaterThan(0);
      }
    } finally {
      await gate.open();
    }
    await eventually(() => expectQuiet(postgres.url), 30_000);
  });

  it('D4: that is behind a dead router is reached again as soon as the router is there', async () => {
    const told = await underLoad(async () => {
      gate.swallow();
      await sleep(3_000);
      await gate.open();
    });
    await nothingLost(told);
  });

  it('D5: that has no connection left for admission is a 503 before one is free; open streams go on', async () => {
    const { app } = rehearsal.replica(0);
    const pool = app.get<HotPool>(HOT_POOL);
    // Its breaker may still wait for the next probe.
    await eventually(() => pool.run({ name: 'one', text: 'select 1' }, []));
    const stream = asking('Claude SSE', key, '[[sim: deltas=20 every=100]]');
    const streamed = send(rehearsal.url, stream);
    await eventually(() => expect(rehearsal.simulator.inFlight()).toBe(1));
    const { poolTimeouts } = pool.stats();
    // Longer than anybody waits for a connection, shorter than a statement may take; more than there are connections.
    const sleeps = { name: 'sleep', text: 'select pg_sleep(1.3)' };
    let busy = true;
    const taken = Array.from({ length: 8 }, () => pool.run(sleeps, []));
    void Promise.any(taken).then(() => (busy = false));
    const { status, headers, body } = await send(rehearsal.url, asking('Claude JSON', key, 'Hi'));
    expect(busy).toBe(true);
    expect([status, JSON.parse(body.toString())]).toMatchObject([503, { type: 'error' }]);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(pool.stats().poolTimeouts).toBeGreaterThan(poolTimeouts);
    await Promise.allSettled(taken);
    expect((await streamed).body.toString()).toContain('message_stop');
    expect((await send(rehearsal.url, asking('Claude JSON', key, 'Hi'))).status).toBe(200);
    await eventually(() => expectQuiet(postgres.url), 30_000);
    const rows = await query(postgres.url, 'select outcome from ledger where client_request_id = $1', [
      stream.clientRequestId,
    ]);
    expect(rows).toEqual([{ outcome: 'completed' }]);
  });

  it('D8: that is read-only is as good as gone, until it is not', async () => {
    const readOnly = async (is: 'on' | 'off') => {
      // It binds this very session as well.
      const url = new URL(postgres.url);
      url.searchParams.set('options', '-c default_transaction_read_only=off');
      await query(url.href, `alter system set default_transaction_read_only = ${is}`);
      await query(url.href, 'select pg_reload_conf()');
    };
    const told = await underLoad(async () => {
      await readOnly('on');
      await sleep(1_000);
      await readOnly('off');
    });
    await nothingLost(told);
  });

  it('D11: in which somebody forgets a transaction is told by a metric, until that is over', async () => {
    const { registry } = rehearsal.replica(0).app.get(Metrics);
    const told = async () => {
      const text = await registry.getSingleMetricAsString('relay_database_oldest_transaction_seconds');
      return Number(/^relay_\S+ (\S+)$/m.exec(text)?.[1]);
    };
    const forgotten = new pg.Client(postgres.url);
    await forgotten.connect();
    await forgotten.query('begin isolation level repeatable read');
    await forgotten.query('select 1');
    await eventually(async () => expect(await told()).toBeGreaterThan(1));
    expect((await send(rehearsal.url, asking('Claude JSON', key, 'Hi'))).status).toBe(200);
    await forgotten.query('commit');
    await eventually(async () => expect(await told()).toBeLessThan(1));
    await forgotten.end();
  });
});
