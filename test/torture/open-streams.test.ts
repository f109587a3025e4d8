import { readFileSync } from 'node:fs';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { type Answered, closedLoop, driverCost, LeanClient, percentile } from '../support/lean-client.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { setStage, type Stage } from '../support/stage.ts';

const STREAMS = Number(process.env['RELAY_TEST_STREAMS'] ?? 1_000);
/** How long each of them stays open. */
const SECONDS = Number(process.env['RELAY_TEST_SECONDS'] ?? 60);
const ROUNDS = 3;
const OPENED_AT_ONCE = 50;
const WARM_UP_ANSWERS = 3_000;
const IDLE_MS = 15_000;
const KIB = 1024;
const KIB_PER_STREAM = 64;
const BACK_WITHIN = 1.15;
const CREDENTIAL = 'sk-ant-sim-open';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** L1. Linux only, for it reads /proc. RELAY_TEST_SEED repeats a run's pauses. */
describe('a thousand open streams on one process', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  let stage: Stage<Simulator>;

  beforeAll(async () => {
    stage = await setStage(startSimulator());
  }, 60_000);
  afterAll(() => stage.close(), 60_000);

  it(
    `L1: take at most ${KIB_PER_STREAM} KB each, all come to their end, and the memory comes back`,
    async () => {
      const { simulator, database, fleet } = stage;
      const credentials = { apiKey: CREDENTIAL };
      await fleet.create('accounts', { name: 'open', kind: 'claude', baseUrl: simulator.url, credentials });
      const { key } = await fleet.create<{ key: string }>('keys', {
        name: 'open',
        scopes: ['claude'],
        models: ['*'],
      });
      const { url, pid } = fleet.relays[0] ?? { url: '', pid: 0 };
      const resident = (): number =>
        Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * KIB;
      const mib = (bytes: number): string => `${(bytes / KIB / KIB).toFixed(0)} MiB`;

      // The same before each reading: a heap that nobody asks anything of is not collected either.
      const ordinary = async (): Promise<number> => {
        const plain = new LeanClient(url, 'Claude JSON');
        let asked = 0;
        const answers = await closedLoop(
          32,
          () => (asked += 1) <= WARM_UP_ANSWERS,
          () => plain.ask(key, 'deltas=4'),
        );
        plain.close();
        expect(answers.filter(({ whole }) => !whole).slice(0, 3)).toEqual([]);
        return lowest(resident, IDLE_MS);
      };
      const idle = [await ordinary()];
      const figures: { readonly usual: number; readonly most: number }[] = [];
      const told: Answered[] = [];
      const cost = driverCost();
      for (let round = 0; round < ROUNDS; round += 1) {
        const client = new LeanClient(url, 'Claude SSE');
        const streams: Promise<Answered>[] = [];
        while (streams.length < STREAMS) {
          for (let some = 0; some < OPENED_AT_ONCE && streams.length < STREAMS; some += 1) {
            const every = 800 + Math.floor(random() * 400);
            streams.push(client.ask(key, `deltas=${Math.ceil((SECONDS * 1_000) / every)} every=${every}`));
          }
          await eventually(() => {
            expect(simulator.inFlight(CREDENTIAL)).toBe(streams.length);
          }, SECONDS * 1_000);
        }
        const samples: number[] = [];
        while (simulator.inFlight(CREDENTIAL) === STREAMS) {
          samples.push((resident() - (idle.at(-1) ?? NaN)) / STREAMS / KIB);
          await pause(250);
        }
        expect(samples.length).toBeGreaterThan(4);
        told.push(...(await Promise.all(streams)));
        client.close();
        await eventually(() => expectQuiet(database.url), 60_000);
        figures.push({ usual: percentile(samples, 0.5), most: Math.max(...samples) });
        idle.push(await ordinary());
      }
      const rows = await query<{ outcome: string; n: number }>(
        database.url,
        'select outcome, count(*)::integer as n from ledger group by 1 order by 1',
      );
      // When a heap is collected is chance; one that leaks is never as small again as it was.
      const [fresh = NaN, first = NaN, ...later] = idle;
      const back = Math.min(...later);
      process.stdout.write(
        `open streams, ${ROUNDS} rounds of ${STREAMS} for ${SECONDS} s, seed ${seed}: each over the idle before it, ` +
          `half of the time and at most: ` +
          `${figures.map(({ usual, most }) => `${usual.toFixed(1)} and ${most.toFixed(1)} KB`).join(', ')}; ` +
          `idle ${idle.map(mib).join(', ')}: back to ${(back / fresh).toFixed(3)} of that before any, ` +
          `${(back / first).toFixed(3)} of that after the first round; ` +
          `${told.filter(({ whole }) => whole).length} whole of ${told.length}; ${cost()}\n`,
      );
      expect(told.filter(({ whole }) => !whole).slice(0, 3)).toEqual([]);
      expect(rows).toEqual([{ outcome: 'completed', n: (ROUNDS + 1) * WARM_UP_ANSWERS + ROUNDS * STREAMS }]);
      for (const { usual } of figures) expect(usual).toBeLessThanOrEqual(KIB_PER_STREAM);
      // Pools, caches and the heap's own spaces grow once, in the first round.
      expect(back).toBeLessThanOrEqual(first * BACK_WITHIN);
    },
    240_000 + ROUNDS * SECONDS * 3_000,
  );
});

/** A heap is given back when its owner finds the time: the least of a while. */
async function lowest(read: () => number, ms: number): Promise<number> {
  let least = read();
  for (const until = Date.now() + ms; Date.now() < until; await pause(250)) least = Math.min(least, read());
  return least;
}
