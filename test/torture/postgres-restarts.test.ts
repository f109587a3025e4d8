import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { compareBooks } from '../support/books.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { expectQuiet } from '../support/quiet.ts';
import { admin } from '../support/relay.ts';
import { steadily, type Told } from '../support/steady-load.ts';
import { TcpGate } from '../support/tcp-gate.ts';

const RESTARTS = Number(process.env['RELAY_TEST_RESTARTS'] ?? 20);
const CALLS_A_SECOND = Number(process.env['RELAY_TEST_RATE'] ?? 100);
const OPEN_STREAMS = 50;
const LONGEST_OUTAGE_MS = 4_000;
const BETWEEN_MS = 4_000;

/** D1 in its length, with open streams all the while. RELAY_TEST_SEED repeats a run's random choices. */
describe('a Postgres that is restarted again and again under load', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  const dataDir = mkdtempSync(join(tmpdir(), 'relay-restarts-'));
  const gate = new TcpGate(() => ({ host: '127.0.0.1', port: Number(new URL(postgres.url).port) }));
  let postgres: EmbeddedPostgres;
  let simulator: Simulator;
  let fleet: Fleet;
  let url: string;

  beforeAll(async () => {
    [postgres, simulator] = await Promise.all([
      startEmbeddedPostgres({ dataDir }),
      startSimulator({ records: 500_000 }),
    ]);
    await gate.open();
    const through = new URL(postgres.url);
    through.port = String(gate.port);
    url = through.href;
    fleet = new Fleet(url);
    await fleet.start();
    await fleet.start();
  }, 120_000);
  afterAll(async () => {
    await fleet.close();
    await simulator.close();
    await gate.shut();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  async function restart(outageMs: number): Promise<void> {
    await gate.shut();
    await postgres.stop();
    await sleep(outageMs);
    postgres = await startEmbeddedPostgres({ dataDir });
    await gate.open();
  }

  it(
    `D1: loses no usage and cuts no stream, over ${RESTARTS} restarts`,
    async () => {
      const credentials = { apiKey: 'sk-ant-sim-restarted' };
      const account = { name: 'restarted', kind: 'claude', baseUrl: simulator.url, credentials };
      await fleet.create('accounts', account);
      const { key } = await fleet.create<{ key: string }>('keys', {
        name: 'restarted',
        scopes: ['claude'],
        models: ['*'],
      });
      let running = true;
      let turn = 0;
      const target = () => ({ url: fleet.relays[(turn += 1) % 2]?.url ?? '', key });
      const goesOn = (): boolean => running;
      const short = steadily({
        callsPerSecond: CALLS_A_SECOND,
        goesOn,
        random,
        target,
        ways: ['Claude SSE', 'Claude JSON'],
      });
      // Each runs for about ten seconds, so that fifty are open at any time.
      const callsPerSecond = OPEN_STREAMS / 10;
      const long = steadily({
        callsPerSecond,
        goesOn,
        random: () => 0.99,
        target,
        ways: ['Claude SSE'],
        deltas: 100,
        everyMs: 100,
      });
      await sleep(BETWEEN_MS);
      for (let left = RESTARTS; left > 0; left -= 1) {
        await restart(random() * LONGEST_OUTAGE_MS);
        await sleep(BETWEEN_MS);
      }
      running = false;
      const told = [...(await short), ...(await long)];
      await eventually(() => expectQuiet(postgres.url), 60_000);

      const books = await compareBooks(postgres.url, simulator);
      const proof = await admin(fleet.relays[0]?.url ?? '', 'GET', '/ledger/check');
      const repairs = await fleet.counted('counter_repairs_total');
      const cut = told.filter(({ status, whole }) => status === 200 && !whole);
      const refused = told.filter(({ status }) => status !== 200);
      process.stdout.write(
        `restarted ${RESTARTS} times, seed ${seed}: ${told.length} calls, ${refused.length} refused ` +
          `(${((100 * (told.length - refused.length)) / told.length).toFixed(3)} % admitted: ${statuses(refused)}), ` +
          `${cut.length} cut; ${JSON.stringify(books)}; repairs ${repairs}\n`,
      );
      expect({ seed, cut: cut.length, lost: books.lost, doubled: books.doubled, wrong: books.wrong }).toEqual(
        {
          seed,
          cut: 0,
          lost: 0,
          doubled: 0,
          wrong: 0,
        },
      );
      expect(proof.body).toMatchObject({ differences: [] });
      expect(refused.length).toBeLessThanOrEqual(told.length / 1_000);
    },
    180_000 + RESTARTS * 30_000,
  );
});

function statuses(refused: readonly Told[]): string {
  const found = new Map<string, number>();
  for (const { status, said } of refused) {
    const what = `${status ?? 'no answer'} ${said.replace(/"request_id".*/, '').slice(0, 120)}`;
    found.set(what, (found.get(what) ?? 0) + 1);
  }
  return [...found].map(([what, times]) => `${times} x ${what}`).join('; ');
}
