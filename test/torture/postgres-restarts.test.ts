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
import { freeze, postmasterOf } from '../support/postgres-processes.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { admin } from '../support/relay.ts';
import { steadily, type Told } from '../support/steady-load.ts';
import { TcpGate } from '../support/tcp-gate.ts';

const RESTARTS = Number(process.env['RELAY_TEST_RESTARTS'] ?? 20);
/** Two cores carry these; the catalogue has 200 of each. */
const CALLS_A_SECOND = Number(process.env['RELAY_TEST_RATE'] ?? 100);
const OPEN_STREAMS = Number(process.env['RELAY_TEST_STREAMS'] ?? 50);
const LONGEST_OUTAGE_MS = 4_000;
const BETWEEN_MS = 4_000;
const FROZEN_MS = 30_000;
/** Tenfold of the goals, and still before the thaw. */
const ANSWERED_WITHIN_MS = 25_000;
const LOOP_LAG_P99_S = 0.5;

/** D1 and D3 in their length, with open streams all the while. RELAY_TEST_SEED repeats a run's random choices. */
describe('a Postgres that goes away again and again under load', () => {
  const seed = seedOfRun();
  // Apart: how many calls there are meanwhile is a matter of timers, and must not move the outages that follow.
  const [outages, random] = [randomFrom(seed), randomFrom(seed + 1)];
  const dataDir = mkdtempSync(join(tmpdir(), 'relay-restarts-'));
  const gate = new TcpGate(() => ({ host: '127.0.0.1', port: Number(new URL(postgres.url).port) }));
  let postgres: EmbeddedPostgres;
  let simulator: Simulator;
  let fleet: Fleet;
  let key: string;

  beforeAll(async () => {
    [postgres, simulator] = await Promise.all([
      startEmbeddedPostgres({ dataDir }),
      startSimulator({ records: 500_000 }),
    ]);
    await gate.open();
    const through = new URL(postgres.url);
    through.port = String(gate.port);
    fleet = new Fleet(through.href);
    await fleet.start();
    await fleet.start();
    const credentials = { apiKey: 'sk-ant-sim-restarted' };
    const account = { name: 'restarted', kind: 'claude', baseUrl: simulator.url, credentials };
    await fleet.create('accounts', account);
    // A soft limit, which is kept in memory while Postgres is away.
    const limits = { requestsPerMinute: 2 * 60 * CALLS_A_SECOND };
    const made = { name: 'restarted', scopes: ['claude'], models: ['*'], limits };
    key = (await fleet.create<{ key: string }>('keys', made)).key;
  }, 120_000);
  afterAll(async () => {
    await fleet.close();
    await simulator.close();
    await gate.shut();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  /** @returns how long after it was ready the first call was admitted by it, in milliseconds */
  async function restart(outageMs: number): Promise<number> {
    await gate.shut();
    await postgres.stop();
    await sleep(outageMs);
    postgres = await startEmbeddedPostgres({ dataDir });
    await gate.open();
    return firstAdmission(new Date());
  }

  /** Of the calls that have an open row of their own; those that were admitted without the database have none. */
  async function firstAdmission(since: Date): Promise<number> {
    const first = 'select min(at) as at from open_calls where at > $1';
    return eventually(async () => {
      const [row] = await query<{ at: Date | null }>(postgres.url, first, [since]);
      const at = row?.at?.getTime();
      if (at === undefined) throw new Error('No call is admitted by the database');
      return at - since.getTime();
    }, 60_000);
  }

  /** Short calls and long streams over both relays, from before the trouble until after it. */
  async function underLoad(trouble: () => Promise<void>): Promise<{ all: Told[]; short: Told[] }> {
    let [running, turn] = [true, 0];
    const shared = {
      goesOn: (): boolean => running,
      target: () => ({ url: fleet.relays[(turn += 1) % 2]?.url ?? '', key }),
    };
    const short = steadily({
      ...shared,
      callsPerSecond: CALLS_A_SECOND,
      random,
      ways: ['Claude SSE', 'Claude JSON'],
    });
    // Each runs for about ten seconds.
    const long = steadily({
      ...shared,
      callsPerSecond: OPEN_STREAMS / 10,
      random: () => 0.99,
      ways: ['Claude SSE'],
      deltas: 100,
      everyMs: 100,
    });
    await sleep(BETWEEN_MS);
    await trouble();
    running = false;
    return { all: [...(await short), ...(await long)], short: await short };
  }

  /** Nothing was cut, lost or doubled, and the counters are those of ledger and open rows. */
  async function wholeAfter(trouble: string, told: readonly Told[]): Promise<void> {
    await eventually(() => expectQuiet(postgres.url), 60_000);
    const books = await compareBooks(postgres.url, simulator);
    const proof = await admin(fleet.relays[0]?.url ?? '', 'GET', '/ledger/check');
    const repairs = await fleet.counted('counter_repairs_total');
    const cut = told.filter(({ status, whole }) => status === 200 && !whole).length;
    const refused = refusedOf(told);
    process.stdout.write(
      `${trouble}, seed ${seed}: ${told.length} calls, ${refused.length} refused ` +
        `(${((100 * (told.length - refused.length)) / told.length).toFixed(3)} % admitted: ${statuses(refused)}), ` +
        `${cut} cut; ${JSON.stringify(books)}; repairs ${repairs}\n`,
    );
    const { lost, doubled, wrong } = books;
    const none = { cut: 0, lost: 0, doubled: 0, wrong: 0, repairs: 0 };
    expect({ seed, cut, lost, doubled, wrong, repairs }).toEqual({ seed, ...none });
    expect(proof.body).toMatchObject({ differences: [] });
  }

  it(
    `D1: that is restarted loses no usage and cuts no stream, over ${RESTARTS} restarts`,
    async () => {
      const back: number[] = [];
      const { all } = await underLoad(async () => {
        for (let left = RESTARTS; left > 0; left -= 1) {
          back.push(await restart(outages() * LONGEST_OUTAGE_MS));
          await sleep(BETWEEN_MS);
        }
      });
      await wholeAfter(
        `restarted ${RESTARTS} times, calls admitted by the database again ${inMs(back)} after it was ready`,
        all,
      );
      expect(refusedOf(all).length).toBeLessThanOrEqual(all.length / 1_000);
    },
    180_000 + RESTARTS * 30_000,
  );

  it(`D3: that is frozen for ${FROZEN_MS / 1_000} s keeps nobody waiting, and admits again once it thaws`, async () => {
    let [froze, thawed, back, lag] = [0, 0, 0, 0];
    // Since it was last asked for.
    const loopLag = async () =>
      Math.max(...(await Promise.all(fleet.relays.map((relay) => fleet.loopLag(relay, 'p99')))));
    const { all, short } = await underLoad(async () => {
      await loopLag();
      froze = Date.now();
      await freeze(await postmasterOf(postgres.url), FROZEN_MS);
      thawed = Date.now();
      lag = await loopLag();
      back = await firstAdmission(new Date(thawed));
      await sleep(BETWEEN_MS);
    });
    // How long the answers take by themselves is known from the calls before.
    const begun = (from: number, until: number) => short.filter(({ at }) => at >= from && at < until);
    const longest = (of: readonly Told[]) => of.reduce((most, { ms }) => Math.max(most, ms), 0);
    const meanwhile = longest(begun(froze, thawed));
    const refusedAt = refusedOf(all).map(({ at }) => at - froze);
    const refused =
      refusedAt.length === 0
        ? 'nobody refused'
        : `refused from ${Math.min(...refusedAt)} to ${Math.max(...refusedAt)} ms after it froze`;
    await wholeAfter(
      `frozen for ${FROZEN_MS} ms, answers were over after ${meanwhile} ms at the latest, ` +
        `${longest(begun(0, froze))} ms before, ${refused}; event loops late by ${(lag * 1_000).toFixed(1)} ms at the ` +
        `99th percentile; calls admitted by the database again ${inMs([back])} after the thaw`,
      all,
    );
    expect(meanwhile).toBeLessThanOrEqual(ANSWERED_WITHIN_MS);
    expect(lag).toBeLessThanOrEqual(LOOP_LAG_P99_S);
  }, 300_000);
});

function refusedOf(told: readonly Told[]): Told[] {
  return told.filter(({ status }) => status !== 200);
}

function inMs(times: readonly number[]): string {
  return `${times.map((ms) => ms.toFixed(0)).join(', ')} ms`;
}

function statuses(refused: readonly Told[]): string {
  const found = new Map<string, number>();
  for (const { status, said } of refused) {
    const what = `${status ?? 'no answer'} ${said.replace(/"request_id".*/, '').slice(0, 120)}`;
    found.set(what, (found.get(what) ?? 0) + 1);
  }
  return [...found].map(([what, times]) => `${times} x ${what}`).join('; ');
}
