import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import {
  type Answered,
  closedLoop,
  driverCost,
  LeanClient,
  openLoop,
  percentile,
} from '../support/lean-client.ts';
import { expectQuiet } from '../support/quiet.ts';
import { type SpawnedSimulator, spawnSimulator } from '../support/spawned-simulator.ts';
import { setStage, type Stage } from '../support/stage.ts';
import { lasting } from '../support/steady-load.ts';

const SECONDS = Number(process.env['RELAY_TEST_SECONDS'] ?? 60);
/** What bounds capacity: places, each taken for so long. More of them and it is the processor that is measured. */
const PLACES = Number(process.env['RELAY_TEST_PLACES'] ?? 16);
const CALL_MS = 160;
const TIMES = 5;
const KEYS = 4;
const WAITING = 32;
const CLOSED_MS = 15_000;
const PROBES_A_SECOND = 20;
const GOODPUT = 0.8;
const REFUSED_WITHIN_MS = 50;

/**
 * L2. A call that waits its turn out is refused when RELAY_QUEUE_TIMEOUT_MS is over, which is the wait's purpose and
 * no fault. Here the line is so short that it is served within that time: every refusal is one of a full line, said
 * at once, and every one is measured.
 */
describe('a relay that is asked for five times what it has places for', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  let stage: Stage<SpawnedSimulator>;

  beforeAll(async () => {
    stage = await setStage(spawnSimulator(), {
      RELAY_QUEUE_MAX: String(WAITING),
      RELAY_QUEUE_TIMEOUT_MS: '5000',
    });
  }, 60_000);
  afterAll(() => stage.close(), 60_000);

  it(
    `L2: answers as many as before, and refuses the rest at once, in ${SECONDS} s`,
    async () => {
      const { simulator, database, fleet } = stage;
      const credentials = { apiKey: 'sk-ant-sim-overload' };
      const account = { name: 'overload', kind: 'claude', baseUrl: simulator.url, credentials };
      await fleet.create('accounts', { ...account, maxConcurrency: PLACES });
      const keys: string[] = [];
      for (let index = 0; index < KEYS; index += 1) {
        const body = { name: `overload-${index}`, scopes: ['claude'], models: ['*'] };
        keys.push((await fleet.create<{ key: string }>('keys', body)).key);
      }
      const client = new LeanClient(fleet.relays[0]?.url ?? '', 'Claude JSON');
      const ask = (of: number): Promise<Answered> => client.ask(keys[of % KEYS] ?? '', `latency=${CALL_MS}`);

      // As many as there are places, and a few behind them so that none stays empty; the better of two.
      const capacity = async (): Promise<number> => {
        let best = 0;
        for (const clients of [PLACES, PLACES + WAITING / 2]) {
          const began = performance.now();
          const told = await closedLoop(clients, lasting(CLOSED_MS), ask);
          expect(told.filter(({ whole }) => !whole).slice(0, 3)).toEqual([]);
          best = Math.max(best, goodput(told, began, CLOSED_MS));
        }
        return best;
      };
      await closedLoop(PLACES, lasting(5_000), ask);
      const before = await capacity();
      const cost = driverCost();
      const offered = TIMES * before;
      const began = performance.now();
      // Beside it the simulator without a relay: what the machine itself makes anybody wait.
      const bare = new LeanClient(simulator.url, 'Claude JSON');
      const [told, probes] = await Promise.all([
        openLoop(offered, SECONDS * 1_000, random, () => ask(Math.floor(random() * KEYS))),
        openLoop(PROBES_A_SECOND, SECONDS * 1_000, random, () => bare.ask('sk-ant-sim-bare', 'deltas=2')),
      ]);
      bare.close();
      const good = goodput(told, began, SECONDS * 1_000);
      const driver = cost();
      await eventually(() => expectQuiet(database.url), 30_000);
      const after = await capacity();
      client.close();

      const refused = told.filter(({ status }) => status === 429);
      const p = (share: number): string =>
        percentile(
          refused.map(({ ms }) => ms),
          share,
        ).toFixed(1);
      const probed = `the simulator asked directly: p99 ${percentile(
        probes.map(({ ms }) => ms),
        0.99,
      ).toFixed(1)} ms`;
      process.stdout.write(
        `overload, ${SECONDS} s, seed ${seed}: capacity ${before.toFixed(1)}/s before, ${after.toFixed(1)}/s after; ` +
          `asked for ${(told.length / SECONDS).toFixed(1)}/s, ${good.toFixed(1)}/s answered ` +
          `(${((100 * good) / before).toFixed(1)} %); ${refused.length} refused: p50 ${p(0.5)} ms, p99 ${p(0.99)} ms, ` +
          `most ${p(1)} ms; ${probed}; ${driver}\n`,
      );
      const peak = Math.max(before, after);
      const broken = told.filter(({ status, whole }) => !whole && status !== 429);
      const untold = refused.filter(({ retryAfter }) => !/^[1-9]\d*$/.test(retryAfter ?? ''));
      expect({ seed, broken: broken.slice(0, 3), untold: untold.slice(0, 3) }).toEqual({
        seed,
        broken: [],
        untold: [],
      });
      // The driver kept its word: what was to be asked was asked.
      expect(told.length).toBeGreaterThan(0.95 * offered * SECONDS);
      expect(refused.length).toBeGreaterThan(told.length / 2);
      expect(good).toBeGreaterThanOrEqual(GOODPUT * peak);
      expect(
        percentile(
          refused.map(({ ms }) => ms),
          0.99,
        ),
      ).toBeLessThanOrEqual(REFUSED_WITHIN_MS);
    },
    240_000 + SECONDS * 3_000,
  );
});

/** Whole answers that came within the time, a second. */
function goodput(told: readonly Answered[], began: number, ms: number): number {
  const whole = told.filter((one) => one.whole && one.endedAt <= began + ms);
  return (whole.length * 1_000) / ms;
}
