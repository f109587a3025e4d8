import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import type { Way } from '../support/asking.ts';
import { compareBooks, mostAtOnce } from '../support/books.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { admin } from '../support/relay.ts';
import { failingStart, type SpawnedRelay, spawnRelay } from '../support/spawned-relay.ts';
import { steadily, type Told } from '../support/steady-load.ts';

const PLACES = 6;
const STREAM: readonly Way[] = ['Claude SSE'];
const METRICS_TOKEN = randomBytes(24).toString('base64url');

describe('two workers behind one port', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  const spoolDir = mkdtempSync(join(tmpdir(), 'relay-workers-'));
  const encryptionKeys = `k1:${randomBytes(32).toString('base64')}`;
  let simulator: Simulator;
  let database: TestDatabase;
  let relay: SpawnedRelay;
  let token: string;
  let key: string;
  let unlimited: string;

  const start = (more: Readonly<Record<string, string>> = {}): Promise<SpawnedRelay> =>
    spawnRelay({
      RELAY_WORKERS: '2',
      DATABASE_URL: database.url,
      RELAY_ENCRYPTION_KEYS: encryptionKeys,
      RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
      RELAY_LOG_LEVEL: 'error',
      RELAY_METRICS_TOKEN: METRICS_TOKEN,
      RELAY_SPOOL_DIR: spoolDir,
      RELAY_HEARTBEAT_MS: '300',
      RELAY_EPOCH_TTL_MS: '2000',
      RELAY_SWEEP_MS: '200',
      ...more,
    });
  const create = async (resource: string, body: object): Promise<Record<string, string>> => {
    const answer = await admin(relay.url, 'POST', `/${resource}`, body, token);
    expect(answer.status).toBe(201);
    return answer.body as Record<string, string>;
  };
  const metrics = async (): Promise<string> => {
    const authorization = `Bearer ${METRICS_TOKEN}`;
    return (await fetch(`${relay.url}/metrics`, { headers: { authorization } })).text();
  };
  /** Calls that a worker has answered. */
  const answeredBy = (text: string, worker: number): number => {
    const line = new RegExp(`^relay_requests_total\\{[^}]*worker="${worker}"\\} (\\d+)$`, 'gm');
    return [...text.matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const streams = (count: number, deltas: number, everyMs: number): Promise<Told[]> => {
    let left = count;
    const target = () => ({ url: relay.url, key });
    const goesOn = (): boolean => (left -= 1) >= 0;
    // The pace of a call is a random part of these.
    return steadily({
      callsPerSecond: 1_000,
      goesOn,
      random: () => 0.99,
      target,
      ways: STREAM,
      deltas,
      everyMs,
    });
  };
  const openCalls = async (): Promise<number> => {
    const [row] = await query<{ n: number }>(database.url, 'select count(*)::integer as n from open_calls');
    return row?.n ?? 0;
  };

  beforeAll(async () => {
    [simulator, database] = await Promise.all([startSimulator({ records: 100_000 }), createDatabase()]);
    relay = await start();
    token = /first administrator's token, shown only now: (\S+)/.exec(relay.out)?.[1] ?? '';
    const credentials = { apiKey: 'sk-ant-sim-workers' };
    await create('accounts', { name: 'workers', kind: 'claude', baseUrl: simulator.url, credentials });
    const made = { name: 'workers', scopes: ['claude'], models: ['*'] };
    ({ key = '' } = await create('keys', { ...made, limits: { concurrency: PLACES } }));
    ({ key: unlimited = '' } = await create('keys', made));
  }, 60_000);
  afterAll(async () => {
    await relay.kill();
    await simulator.close();
    await database.drop();
    rmSync(spoolDir, { recursive: true, force: true });
  });

  it('are ready together, each a replica, and show the first token once', async () => {
    expect(relay.out.match(/first administrator's token/g)).toHaveLength(1);
    expect(await (await fetch(`${relay.url}/health/ready`)).text()).toBe('{"status":"ready"}');
    const answer = await admin(relay.url, 'GET', '/scheduler', undefined, token);
    expect((answer.body as { replicas: unknown[] }).replicas).toHaveLength(2);
  });

  it('keep a limit exactly over both, and each tells the metrics of both', async () => {
    await eventually(async () => {
      const told = await streams(24, 4, 30);
      expect(told.filter(({ whole }) => !whole)).toEqual([]);
      const text = await metrics();
      // The kernel gives a connection to whoever takes it first.
      for (const worker of [1, 2]) expect(answeredBy(text, worker)).toBeGreaterThan(0);
    }, 20_000);
    expect(mostAtOnce(simulator.requests)).toBe(PLACES);
    await eventually(async () => {
      const text = await metrics();
      const [row] = await query<{ n: number }>(database.url, 'select count(*)::integer as n from ledger');
      expect(answeredBy(text, 1) + answeredBy(text, 2)).toBe(row?.n);
      expect(text).toContain('relay_workers_serving 2');
      expect(text.match(/^# TYPE relay_requests_total /gm)).toHaveLength(1);
    });
  });

  const onLinux = process.platform === 'linux' ? it : it.skip;

  onLinux(
    'lose nothing when one of them is killed under load, and are two again soon',
    async () => {
      let back = Infinity;
      const hasTwo = async (): Promise<void> => {
        expect(await metrics()).toContain('relay_workers_serving 2');
      };
      const load = steadily({
        callsPerSecond: 20,
        goesOn: () => Date.now() < back + 500,
        random,
        target: () => ({ url: relay.url, key: unlimited }),
        ways: ['Claude SSE', 'Claude JSON'],
        deltas: 10,
        everyMs: 20,
      });
      await new Promise((resolve) => setTimeout(resolve, 500));
      await eventually(async () => expect(await openCalls()).toBeGreaterThan(2));
      process.kill(workersOf(relay.pid)[0] ?? 0, 'SIGKILL');
      const killedAt = Date.now();
      await eventually(async () => expect(await metrics()).toContain('relay_worker_deaths_total 1'), 10_000);
      await eventually(hasTwo, 25_000);
      back = Date.now();
      const told = await load;
      await eventually(() => expectQuiet(database.url), 20_000);

      // Whoever came after its death came to the other one, or to the next.
      const late = told.filter(({ at, whole }) => at > killedAt + 500 && !whole);
      expect({ seed, late }).toEqual({ seed, late: [] });
      expect(await compareBooks(database.url, simulator)).toMatchObject({ lost: 0, doubled: 0, wrong: 0 });
      await eventually(async () => {
        expect(await (await fetch(`${relay.url}/health/ready`)).text()).toBe('{"status":"ready"}');
      }, 10_000);
    },
    90_000,
  );

  it('finish what is open when asked to leave, and leave with code 0', async () => {
    const workers = workersOf(relay.pid);
    const open = streams(PLACES, 12, 100);
    await eventually(async () => expect(await openCalls()).toBe(PLACES), 10_000);
    expect(await relay.leave()).toBe(0);
    expect((await open).filter(({ whole }) => !whole)).toEqual([]);
    expect(await openCalls()).toBe(0);
    expect(workers.filter(lives)).toEqual([]);
    expect(relay.err).toBe('');
  });

  it('cut and settle what is open when asked twice', async () => {
    relay = await start();
    expect(relay.out).not.toMatch(/first administrator's token/);
    const workers = workersOf(relay.pid);
    const open = streams(PLACES, 600, 200);
    await eventually(async () => expect(await openCalls()).toBe(PLACES), 10_000);
    const leaving = relay.leave();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const askedAgain = performance.now();
    process.kill(relay.pid, 'SIGTERM');
    await leaving;
    // Far less than what is left of the streams; the process itself gives up after two seconds.
    expect(performance.now() - askedAgain).toBeLessThan(20_000);
    const told = await open;
    expect(told.filter(({ whole }) => whole)).toEqual([]);
    expect(workers.filter(lives)).toEqual([]);
    const ids = told.map(({ clientRequestId }) => clientRequestId);
    const text = 'select outcome from ledger where client_request_id = any ($1::text[])';
    const rows = await query<{ outcome: string }>(database.url, text, [ids]);
    expect(rows.map(({ outcome }) => outcome)).toEqual(ids.map(() => 'partial'));
    await expectQuiet(database.url);
  }, 60_000);

  it('tell once why they cannot start, and leave with code 1', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const PORT = String((other.address() as AddressInfo).port);
    const settings = {
      RELAY_WORKERS: '2',
      DATABASE_URL: database.url,
      RELAY_ENCRYPTION_KEYS: encryptionKeys,
    };
    const { code, text } = await failingStart({ ...settings, PORT, RELAY_LOG_LEVEL: 'error' });
    other.close();
    expect(code).toBe(1);
    expect(text.match(/EADDRINUSE/g)).toHaveLength(1);
  }, 30_000);
});

/** Processes below this one (Linux; elsewhere none are found). */
function workersOf(pid: number): number[] {
  if (process.platform !== 'linux') return [];
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
