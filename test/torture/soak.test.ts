import { readdirSync, readFileSync } from 'node:fs';
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { Inspected } from '../../bench/inspected.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { setStage, type Stage } from '../support/stage.ts';
import { lasting, steadily, type Told } from '../support/steady-load.ts';

const SECONDS = Number(process.env['RELAY_TEST_SECONDS'] ?? 3_600);
const CALLS_A_SECOND = Number(process.env['RELAY_TEST_RATE'] ?? 200);
const SAMPLES = 180;
/** Samples of which the one with the fewest descriptors counts: what a burst of calls opens is closed again. */
const SAMPLES_A_LOW = 6;
/** Of the run, before memory is looked at: pools and caches have grown to their size by then. */
const WARM_UP = 0.25;
/** Tenfold of the goal. Of each figure that the metric has, 10 ms are those of its own clock. */
const LOOP_LAG_P99_S = 0.2;
const MIB = 1024 * 1024;
/** What may be open more than before any load, once idle connections have been closed: the pools of the database. */
const DESCRIPTORS_OF_POOLS = 30;

interface Sample {
  readonly minutes: number;
  readonly bytes: number;
  readonly descriptors: number;
}

/** L3: what a process holds neither grows nor leaks. Linux only, for it reads /proc. RELAY_TEST_SEED repeats a run. */
describe('a relay under steady load', () => {
  const seed = seedOfRun();
  let stage: Stage<Simulator>;

  const usual = getGlobalDispatcher();

  beforeAll(async () => {
    // Clients that close what they do not use: what stays open is the relay's doing.
    setGlobalDispatcher(new Agent({ keepAliveTimeout: 1_000, keepAliveMaxTimeout: 1_000 }));
    stage = await setStage(startSimulator({ records: 5_000 }));
  }, 60_000);
  afterAll(async () => {
    await stage.close();
    setGlobalDispatcher(usual);
  }, 60_000);

  it(
    `L3: holds no more after ${SECONDS} s than before`,
    async () => {
      const { simulator, database, fleet } = stage;
      const credentials = { apiKey: 'sk-ant-sim-soak' };
      await fleet.create('accounts', { name: 'soak', kind: 'claude', baseUrl: simulator.url, credentials });
      const { key } = await fleet.create<{ key: string }>('keys', {
        name: 'soak',
        scopes: ['claude'],
        models: ['*'],
      });
      const [relay] = fleet.relays;
      if (relay === undefined) throw new Error('No relay runs');
      const { url, pid } = relay;
      const random = randomFrom(seed);
      const goesOn = lasting(SECONDS * 1_000);
      const openBefore = descriptorsOf(pid);
      let calls = 0;
      const broken: Told[] = [];
      // A part at a time, so that the test itself keeps nothing.
      const load = (async () => {
        while (goesOn()) {
          const part = lasting(5_000);
          const told = await steadily({
            callsPerSecond: CALLS_A_SECOND,
            goesOn: () => part() && goesOn(),
            random,
            target: () => ({ url, key }),
            ways: ['Claude SSE', 'Claude JSON'],
            deltas: 10,
            everyMs: 20,
            leaving: 0.1,
          });
          calls += told.length;
          // A client that leaves says so itself; one that was told nothing, or cut, does not.
          broken.push(...told.filter(({ whole, said }) => !whole && !/abort/i.test(said)));
        }
      })();
      const samples: Sample[] = [];
      const started = Date.now();
      const warm = (minutes: number): boolean => minutes > (SECONDS / 60) * WARM_UP;
      const inspected = await Inspected.of(pid);
      while (goesOn()) {
        await new Promise((resolve) => setTimeout(resolve, (SECONDS * 1_000) / SAMPLES));
        // By itself V8 lets garbage lie for minutes, and what it last let lie would be most of a slope.
        await inspected.collectGarbage();
        // What the start cost the event loop is none of it.
        if (!warm(samples.at(-1)?.minutes ?? 0)) await fleet.loopLag(relay, 'p99');
        const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        samples.push({
          minutes: (Date.now() - started) / 60_000,
          bytes: Number(rss) * 1024,
          descriptors: descriptorsOf(pid),
        });
      }
      await inspected.close();
      const lag = await fleet.loopLag(relay, 'p99');
      await load;
      await eventually(() => expectQuiet(database.url), 30_000);
      const settled = samples.filter(({ minutes }) => warm(minutes));
      const memory = (10 * leastSquares(settled, ({ bytes }) => bytes)) / MIB;
      const descriptors = 10 * leastSquares(lows(settled), (sample) => sample.descriptors);
      const [rows] = await query<{ n: number }>(database.url, 'select count(*)::integer as n from ledger');
      process.stdout.write(
        `soak, ${SECONDS} s, seed ${seed}: ${calls} calls, ${broken.length} broken, ${rows?.n} rows; ` +
          `RSS without garbage ${((settled.at(-1)?.bytes ?? 0) / MIB).toFixed(0)} MiB, slope ${memory.toFixed(2)} MiB in 10 minutes; ` +
          `descriptors ${settled.at(-1)?.descriptors}, slope ${descriptors.toFixed(2)} in 10 minutes; ` +
          `event loop late by ${(lag * 1_000).toFixed(1)} ms at the 99th percentile\n`,
      );
      const left = (): number => descriptorsOf(pid) - openBefore;
      await eventually(() => expect(left()).toBeLessThanOrEqual(DESCRIPTORS_OF_POOLS), 120_000);
      process.stdout.write(`descriptors more than before the load: ${left()}\n`);
      expect({ seed, broken: broken.slice(0, 3) }).toEqual({ seed, broken: [] });
      expect(memory).toBeLessThanOrEqual(1);
      expect(descriptors).toBeLessThanOrEqual(5);
      expect(lag).toBeLessThanOrEqual(LOOP_LAG_P99_S);
    },
    300_000 + SECONDS * 1_200,
  );
});

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Of each few samples the one with the fewest descriptors. */
function lows(samples: readonly Sample[]): Sample[] {
  return samples.flatMap((_, at) => {
    const few = at % SAMPLES_A_LOW === 0 ? samples.slice(at, at + SAMPLES_A_LOW) : [];
    return few.sort((a, b) => a.descriptors - b.descriptors).slice(0, 1);
  });
}

function leastSquares(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const x = samples.reduce((sum, { minutes }) => sum + minutes, 0) / samples.length;
  const y = samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const up = samples.reduce((sum, sample) => sum + (sample.minutes - x) * (of(sample) - y), 0);
  return up / samples.reduce((sum, { minutes }) => sum + (minutes - x) ** 2, 0);
}
