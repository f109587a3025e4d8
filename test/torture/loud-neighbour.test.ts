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

/** Of each kind of limit; half of them without the loud key. */
const SECONDS = Number(process.env['RELAY_TEST_SECONDS'] ?? 300);
const ROUND_MS = 5_000;
const PAIRS = Math.max(3, Math.round((SECONDS * 1_000) / ROUND_MS / 2));
const OTHERS = 8;
const OTHERS_A_SECOND = Number(process.env['RELAY_TEST_RATE'] ?? 80);
const TIMES = 10;
const ALLOWED = 1.2;
const SPENDING = 4;

interface Loudness {
  readonly name: string;
  readonly limits: object;
  /** What the limit lets through in a second. */
  readonly lets: number;
  readonly directives: string;
  /** What was saved up while it was silent is spent before it is measured. */
  readonly saves: boolean;
}

const LOUD: readonly Loudness[] = [
  {
    name: 'requests a minute',
    limits: { requestsPerMinute: 600 },
    lets: 10,
    directives: 'deltas=4',
    saves: true,
  },
  // Two places, each taken for 200 ms.
  {
    name: 'calls at once',
    limits: { concurrency: 2 },
    lets: 10,
    directives: 'deltas=4 latency=200',
    saves: false,
  },
];

/** L5. The upstream answers the others at once, so that nothing of theirs hides what the relay adds. */
describe('one key at ten times its limit', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  let stage: Stage<SpawnedSimulator>;
  const others: string[] = [];

  beforeAll(async () => {
    const asShipped = { NODE_OPTIONS: '--max-semi-space-size=32 --use-largepages=silent' };
    const queue = { RELAY_QUEUE_TIMEOUT_MS: '1000', RELAY_QUEUE_MAX: '200' };
    stage = await setStage(spawnSimulator(), { ...asShipped, ...queue });
    const credentials = { apiKey: 'sk-ant-sim-loud' };
    await stage.fleet.create('accounts', {
      name: 'loud',
      kind: 'claude',
      baseUrl: stage.simulator.url,
      credentials,
    });
    for (let index = 0; index < OTHERS; index += 1) others.push(await keyOf({}));
  }, 60_000);
  afterAll(() => stage.close(), 60_000);

  const keyOf = async (limits: object): Promise<string> => {
    const body = { name: 'key', scopes: ['claude'], models: ['*'], limits };
    return (await stage.fleet.create<{ key: string }>('keys', body)).key;
  };

  it.each(LOUD)(
    `L5: leaves the others their times, its limit being $name`,
    async ({ name, limits, lets, directives, saves }) => {
      const loud = await keyOf(limits);
      const client = new LeanClient(stage.fleet.relays[0]?.url ?? '', 'Claude JSON');
      const round = async (isLoud: boolean): Promise<{ quiet: Answered[]; noise: Answered[] }> => {
        let left = isLoud && saves;
        await closedLoop(
          SPENDING,
          () => left,
          async () => {
            const answered = await client.ask(loud, directives);
            left &&= answered.status === 200;
            return answered;
          },
        );
        const [quiet, noise] = await Promise.all([
          openLoop(OTHERS_A_SECOND, ROUND_MS, random, () =>
            client.ask(others[Math.floor(random() * OTHERS)] ?? '', 'deltas=4'),
          ),
          isLoud
            ? openLoop(TIMES * lets, ROUND_MS, random, () => client.ask(loud, directives))
            : ([] as Answered[]),
        ]);
        await eventually(() => expectQuiet(stage.database.url), 30_000);
        return { quiet, noise };
      };
      await round(true);
      await round(false);

      const without: number[][] = [];
      const beside: number[][] = [];
      const noise: Answered[] = [];
      const broken: Answered[] = [];
      const cost = driverCost();
      for (let pair = 0; pair < PAIRS; pair += 1) {
        // Now one first and now the other, so that a machine that slows down is not taken for the key.
        for (const isLoud of pair % 2 === 0 ? [false, true] : [true, false]) {
          const told = await round(isLoud);
          (isLoud ? beside : without).push(told.quiet.map(({ ms }) => ms));
          broken.push(...told.quiet.filter(({ whole }) => !whole));
          noise.push(...told.noise);
        }
      }
      client.close();
      const p99 = (rounds: readonly number[][]): number =>
        percentile(
          rounds.map((one) => percentile(one, 0.99)),
          0.5,
        );
      const [alone, disturbed] = [p99(without), p99(beside)];
      const told = (rounds: readonly number[][]): string =>
        [0.5, 0.99].map((share) => percentile(rounds.flat(), share).toFixed(2)).join(' and ');
      const refused = noise.filter(({ status }) => status === 429).length;
      process.stdout.write(
        `loud neighbour (${name}), ${PAIRS} pairs of ${ROUND_MS / 1_000} s, seed ${seed}: others' p99, median of the ` +
          `rounds: ${alone.toFixed(2)} ms alone, ${disturbed.toFixed(2)} ms beside it, ` +
          `${(disturbed / alone).toFixed(3)} times; p50 and p99 of all: ${told(without)} alone, ${told(beside)} ms beside; ` +
          `the loud key: ${noise.length} asked, ${refused} refused; ${cost()}\n`,
      );
      expect({ seed, broken: broken.slice(0, 3) }).toEqual({ seed, broken: [] });
      const unlike = noise.filter(({ status, whole }) => !whole && status !== 429);
      expect(unlike.slice(0, 3)).toEqual([]);
      expect(refused).toBeGreaterThan(0.7 * noise.length);
      expect(disturbed).toBeLessThanOrEqual(ALLOWED * alone);
    },
    120_000 + SECONDS * 3_000,
  );
});
