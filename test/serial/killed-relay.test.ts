import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { asking, type Way } from '../support/asking.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { admin, ADMIN_TOKEN } from '../support/relay.ts';
import { type SpawnedRelay, spawnRelay } from '../support/spawned-relay.ts';

/** `npm run test:torture` has 200. RELAY_TEST_SEED repeats a run's random choices. */
const KILLS = Number(process.env['RELAY_TEST_KILLS'] ?? 3);
const CALLS_A_SECOND = 100;
const LONGEST_LIFE_MS = 1_500;
const WAYS: readonly Way[] = ['Claude SSE', 'Claude JSON'];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Booked {
  readonly client: string | null;
  readonly outcome: string;
  readonly estimated: boolean;
  readonly input: number;
}

/** P1, I11, and P10 on the way: the oracle is what the simulator saw. */
describe('a relay that is killed again and again', () => {
  const random = randomFrom(seedOfRun());
  const seed = seedOfRun();
  const spoolDir = mkdtempSync(join(tmpdir(), 'relay-killed-'));
  const encryptionKey = `k1:${randomBytes(32).toString('base64')}`;
  let simulator: Simulator;
  let database: TestDatabase;

  beforeAll(async () => {
    [simulator, database] = await Promise.all([startSimulator({ records: 100_000 }), createDatabase()]);
  }, 60_000);
  afterAll(async () => {
    await simulator.close();
    await database.drop();
    rmSync(spoolDir, { recursive: true, force: true });
  });

  const start = (): Promise<SpawnedRelay> =>
    spawnRelay({
      DATABASE_URL: database.url,
      RELAY_ADMIN_TOKEN: ADMIN_TOKEN,
      RELAY_ENCRYPTION_KEYS: encryptionKey,
      RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
      RELAY_LOG_LEVEL: 'warn',
      RELAY_SPOOL_DIR: spoolDir,
      RELAY_HEARTBEAT_MS: '300',
      RELAY_EPOCH_TTL_MS: '2000',
      RELAY_SWEEP_MS: '200',
    });

  /** Calls at a steady rate, nobody waiting for anybody; what breaks is the point. */
  const load = async (url: string, key: string, forMs: number, kill: () => Promise<void>): Promise<void> => {
    const calls: Promise<unknown>[] = [];
    const until = Date.now() + forMs;
    while (Date.now() < until) {
      const way = WAYS[Math.floor(random() * WAYS.length)] as Way;
      const deltas = 2 + Math.floor(random() * 20);
      const one = asking(way, key, '');
      const text = `[[sim: deltas=${deltas} every=${Math.floor(random() * 60)} marker=${one.clientRequestId}]]`;
      const body = one.body.replace('"content":""', () => `"content":${JSON.stringify(text)}`);
      calls.push(
        fetch(url + one.path, { method: 'POST', headers: one.headers, body })
          .then((answer) => answer.arrayBuffer())
          .catch(() => undefined),
      );
      await pause(1_000 / CALLS_A_SECOND);
    }
    await kill();
    await Promise.all(calls);
  };

  const openRows = async (): Promise<number> => {
    const [row] = await query<{ n: number }>(database.url, 'select count(*)::integer as n from open_calls');
    return row?.n ?? 0;
  };

  it(
    `P1: loses nothing and doubles nothing, over ${KILLS} kills`,
    async () => {
      let relay = await start();
      const name = 'killed';
      const credentials = { apiKey: 'sk-ant-sim-killed' };
      const account = { name, kind: 'claude', baseUrl: simulator.url, credentials };
      expect((await admin(relay.url, 'POST', '/accounts', account)).status).toBe(201);
      const made = await admin(relay.url, 'POST', '/keys', { name, scopes: ['claude'], models: ['*'] });
      const { key } = made.body as { key: string };

      let slowest = 0;
      for (let kill = 0; kill < KILLS; kill += 1) {
        await load(relay.url, key, 100 + random() * LONGEST_LIFE_MS, () => relay.kill());
        const killed = Date.now();
        relay = await start();
        await eventually(async () => expect(await openRows()).toBe(0), 30_000);
        slowest = Math.max(slowest, Date.now() - killed);
      }
      await load(relay.url, key, 500, () => Promise.resolve());
      await eventually(() => expectQuiet(database.url), 30_000);
      const folders = (): string[] => readdirSync(join(spoolDir, readdirSync(spoolDir)[0] ?? ''));
      await eventually(() => expect(folders()).toHaveLength(1), 30_000);

      const rows = await query<Booked>(
        database.url,
        `select client_request_id as client, outcome, estimated, input_tokens::integer as input from ledger`,
      );
      const byClient = new Map<string, number>();
      for (const { client } of rows)
        if (client !== null) byClient.set(client, (byClient.get(client) ?? 0) + 1);
      const seen = simulator.requests.filter(
        ({ operation, marker }) => operation !== 'models' && marker !== undefined,
      );
      // The sweeper knows no client's id; each of its rows stands for one call of which nothing was seen.
      const nameless = rows.filter(({ client }) => client === null).length;
      const unnamed = seen.filter(({ marker }) => !byClient.has(marker ?? '')).length;
      const answered = seen.filter(({ ended, bytesSent }) => ended === 'finished' && bytesSent > 0);
      const found = {
        seed,
        lost: Math.max(0, unnamed - nameless),
        doubled: [...byClient.values()].filter((count) => count > 1).length,
        wrong: rows.filter(({ outcome, input }) => outcome === 'completed' && input === 0).length,
      };
      process.stdout.write(
        `killed ${KILLS} times, seed ${seed}: the simulator saw ${seen.length} calls and answered ${answered.length} ` +
          `whole; ${rows.length} rows, ${rows.filter(({ outcome }) => outcome === 'partial').length} partial, ` +
          `${nameless} orphaned; lost ${found.lost}, doubled ${found.doubled}; ` +
          `places back ${slowest} ms after a kill at the latest, the next start included\n`,
      );
      expect(found).toEqual({ seed, lost: 0, doubled: 0, wrong: 0 });
      expect(seen.length).toBeGreaterThan(KILLS * 5);
      expect(await relay.leave()).toBe(0);
    },
    120_000 + KILLS * 30_000,
  );
});
