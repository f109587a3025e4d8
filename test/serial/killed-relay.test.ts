import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import type { Way } from '../support/asking.ts';
import { compareBooks } from '../support/books.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { lasting, steadily } from '../support/steady-load.ts';

/** `npm run test:torture` has 200. RELAY_TEST_SEED repeats a run's random choices. */
const KILLS = Number(process.env['RELAY_TEST_KILLS'] ?? 3);
/** Clocks on which three kills fit into a run of all tests. */
const QUICK = { RELAY_HEARTBEAT_MS: '300', RELAY_EPOCH_TTL_MS: '2000', RELAY_SWEEP_MS: '200' };
/** Two relays in turn of so many, where RELAY_TEST_KILLS is set, have the clocks that ship: one dies, the next notices. */
const SHIPPED_EVERY = 20;
/** Row P1: from the kill until its places are back, the next start included. */
const BACK_WITHIN_MS = 15_000;
const CALLS_A_SECOND = 100;
const LONGEST_LIFE_MS = 1_500;
const WAYS: readonly Way[] = ['Claude SSE', 'Claude JSON'];

/** P1, I11, and P10 on the way: the oracle is what the simulator saw. */
describe('a relay that is killed again and again', () => {
  const seed = seedOfRun();
  // Apart: how many calls there are in a life is a matter of timers, and must not move the kills that follow.
  const [lives, random] = [randomFrom(seed), randomFrom(seed + 1)];
  let simulator: Simulator;
  let database: TestDatabase;
  let fleet: Fleet;

  beforeAll(async () => {
    [simulator, database] = await Promise.all([startSimulator({ records: 100_000 }), createDatabase()]);
    fleet = new Fleet(database.url);
  }, 60_000);
  afterAll(async () => {
    await fleet.close();
    await simulator.close();
    await database.drop();
  });

  const isShipped = (turn: number): boolean =>
    process.env['RELAY_TEST_KILLS'] !== undefined && turn % SHIPPED_EVERY < 2;

  const openRows = async (): Promise<number> => {
    const [row] = await query<{ n: number }>(database.url, 'select count(*)::integer as n from open_calls');
    return row?.n ?? 0;
  };

  it(
    `P1: loses nothing and doubles nothing, over ${KILLS} kills`,
    async () => {
      const start = (turn: number) => fleet.start(isShipped(turn) ? {} : QUICK);
      let relay = await start(0);
      const name = 'killed';
      const credentials = { apiKey: 'sk-ant-sim-killed' };
      await fleet.create('accounts', { name, kind: 'claude', baseUrl: simulator.url, credentials });
      const made = { name, scopes: ['claude'], models: ['*'] };
      const { key } = await fleet.create<{ key: string }>('keys', made);
      const load = async (forMs: number, then: () => Promise<void>): Promise<void> => {
        const goesOn = lasting(forMs);
        const target = () => ({ url: relay.url, key });
        const told = steadily({ callsPerSecond: CALLS_A_SECOND, goesOn, random, target, ways: WAYS });
        await new Promise((resolve) => setTimeout(resolve, forMs));
        await then();
        await told;
      };

      const slowest = { shipped: 0, quick: 0 };
      for (let kill = 0; kill < KILLS; kill += 1) {
        await load(100 + lives() * LONGEST_LIFE_MS, () => fleet.kill());
        const killed = Date.now();
        relay = await start(kill + 1);
        await eventually(async () => expect(await openRows()).toBe(0), 30_000);
        const clocks = isShipped(kill + 1) ? 'shipped' : 'quick';
        slowest[clocks] = Math.max(slowest[clocks], Date.now() - killed);
      }
      await load(500, () => Promise.resolve());
      await eventually(() => expectQuiet(database.url), 30_000);
      const { spoolDir } = fleet;
      const folders = (): string[] => readdirSync(join(spoolDir, readdirSync(spoolDir)[0] ?? ''));
      await eventually(() => expect(folders()).toHaveLength(1), 30_000);

      const books = await compareBooks(database.url, simulator);
      const { seen, lost, doubled, wrong } = books;
      process.stdout.write(
        `killed ${KILLS} times, seed ${seed}: the simulator saw ${seen} calls and answered ${books.answeredWhole} ` +
          `whole; ${books.rows} rows, ${books.partial} partial, ${books.orphaned} orphaned; lost ${lost}, ` +
          `doubled ${doubled}; places back ${slowest.quick} ms after a kill at the latest, the next start included, ` +
          `and ${slowest.shipped} ms on the clocks that ship\n`,
      );
      expect({ seed, lost, doubled, wrong }).toEqual({ seed, lost: 0, doubled: 0, wrong: 0 });
      expect(Math.max(slowest.quick, slowest.shipped)).toBeLessThanOrEqual(BACK_WITHIN_MS);
      expect(seen).toBeGreaterThan(KILLS * 5);
      expect(await fleet.close()).toEqual([0]);
    },
    120_000 + KILLS * 30_000,
  );
});
