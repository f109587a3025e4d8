import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { type Balancer, startBalancer } from '../support/balancer.ts';
import { compareBooks } from '../support/books.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { expectQuiet } from '../support/quiet.ts';
import { steadily } from '../support/steady-load.ts';

/** `npm run test:torture` has 10. RELAY_TEST_SEED repeats a run's random choices. */
const ROLLS = Number(process.env['RELAY_TEST_ROLLS'] ?? 1);
const REPLICAS = 3;
const CALLS_A_SECOND = ROLLS > 1 ? 100 : 30;

describe('three replicas behind a balancer, restarted one after the other', () => {
  const seed = seedOfRun();
  let simulator: Simulator;
  let database: TestDatabase;
  let fleet: Fleet;
  let balancer: Balancer;

  beforeAll(async () => {
    [simulator, database] = await Promise.all([startSimulator({ records: 200_000 }), createDatabase()]);
    fleet = new Fleet(database.url, { RELAY_DRAIN_ACCEPT_SECONDS: '1', RELAY_DRAIN_SECONDS: '30' });
    await Promise.all(Array.from({ length: REPLICAS }, () => fleet.start()));
    balancer = await startBalancer(() => fleet.relays.map(({ url }) => url));
  }, 120_000);
  afterAll(async () => {
    await balancer.close();
    await fleet.close();
    await simulator.close();
    await database.drop();
  }, 60_000);

  it(
    `P4: fail no call, over ${ROLLS} rounds`,
    async () => {
      const credentials = { apiKey: 'sk-ant-sim-rolled' };
      await fleet.create('accounts', { name: 'rolled', kind: 'claude', baseUrl: simulator.url, credentials });
      const { key } = await fleet.create<{ key: string }>('keys', {
        name: 'rolled',
        scopes: ['claude'],
        models: ['*'],
      });

      // Clients, balancer and vendor are this process: where it stands still, what they see is no fault of a relay's.
      const ownLoop = monitorEventLoopDelay();
      ownLoop.enable();
      let rolling = true;
      const load = steadily({
        callsPerSecond: CALLS_A_SECOND,
        goesOn: () => rolling,
        random: randomFrom(seed),
        target: () => ({ url: balancer.url, key }),
        ways: ['Claude SSE', 'Claude JSON'],
      });
      const codes: (number | null)[] = [];
      for (let left = ROLLS * REPLICAS; left > 0; left -= 1) {
        await fleet.start();
        // The balancer leaves out whoever drains, by the readiness it tells.
        codes.push(await fleet.retire());
      }
      rolling = false;
      const told = await load;
      await eventually(() => expectQuiet(database.url), 30_000);

      const failed = told.filter(({ whole }) => !whole);
      const books = await compareBooks(database.url, simulator);
      process.stdout.write(
        `rolled ${ROLLS} times, seed ${seed}: ${told.length} calls, ${failed.length} failed; ` +
          `${books.rows} rows, lost ${books.lost}, doubled ${books.doubled}; the test's own loop stood still for ` +
          `${(ownLoop.max / 1e6).toFixed(0)} ms at most, p99 ${(ownLoop.percentile(99) / 1e6).toFixed(0)} ms\n`,
      );
      expect({ seed, failed: failed.slice(0, 3) }).toEqual({ seed, failed: [] });
      expect(new Set(codes)).toEqual(new Set([0]));
      expect(books).toMatchObject({ rows: told.length, lost: 0, doubled: 0, partial: 0, orphaned: 0 });
    },
    120_000 + ROLLS * 60_000,
  );
});
