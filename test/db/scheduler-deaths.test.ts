import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { expectQuiet, unsettled } from '../support/quiet.ts';
import { ask, eventually, SchedulingRig, settlement } from '../support/scheduling.ts';
import { UnsteadyDatabase } from '../support/unsteady-database.ts';

/** A fifth of what is shipped. What a dead one held is back a lifetime and a sweep after its last beat. */
const CLOCKS = { heartbeatMs: 600, epochTtlMs: 2_000, sweepMs: 400 };
const PROMISED_MS = 15_000;
const KILLS = 5;
const REPLICAS = 3;
const CALLERS = 8;
/** Less than what the places of a life's calls would hold at once. */
const TEAM_NANOS = 700;
const KEY_NANOS = 500;

/** What is over its limit at one moment, of teams, keys and accounts. */
const OVER = `
  select 'team' as what, s.in_use, s.total_used + s.held as nanos from team_state s join teams t using (id)
    where s.in_use > t.max_concurrency or s.total_used + s.held > t.budget_total_nanos
  union all
  select 'key', s.in_use, s.day_used + s.held from key_state s join api_keys q using (id)
    where s.in_use > q.max_concurrency or s.day_used + s.held > q.budget_day_nanos
  union all
  select 'account', s.in_use, 0 from account_state s join accounts a using (id)
    where a.max_concurrency > 0 and s.in_use > a.max_concurrency`;

/** One replica, and what it runs. */
interface Life {
  readonly scheduler: Scheduler;
  readonly database: UnsteadyDatabase;
  readonly callers: Promise<void>[];
  epoch: string | undefined;
}

/** RELAY_TEST_SEED repeats a run's random choices. */
describe('limits whose holders are killed', () => {
  const seed = seedOfRun();
  // Apart: calls take as many numbers as they find the time for.
  const [kills, random] = [randomFrom(seed), randomFrom(seed + 1)];
  const spoolDir = join(tmpdir(), 'llm-relay-test-spools', randomUUID());
  let rig: SchedulingRig;
  let team: string;
  let keys: readonly string[];
  let accounts: readonly string[];
  let calling = true;
  const refusals = new Set<string>();

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    team = await rig.team({ max: 12, budgets: { total: 0 } });
    keys = [
      await rig.key({ team, max: 8, budgets: { day: 0 } }),
      await rig.key({ team, max: 8, budgets: { day: 0 } }),
    ];
    accounts = [await rig.account({ max: 7 }), await rig.account({ max: 7 })];
  });
  afterAll(async () => {
    await rig.end();
    await rm(spoolDir, { recursive: true, force: true });
  });

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const hold = (nanos: number) => ({ nanos: BigInt(nanos), tokens: nanos, unpriced: new Set<string>() });

  const topUp = async () => {
    await rig.query('update teams set budget_total_nanos = budget_total_nanos + $1', [TEAM_NANOS]);
    await rig.query('update api_keys set budget_day_nanos = budget_day_nanos + $1', [KEY_NANOS]);
  };

  /** Every fifth call lasts, so that whoever is killed holds something. */
  const caller = async (life: Life): Promise<void> => {
    const { scheduler, database } = life;
    while (calling && !database.away) {
      const most = 20 + Math.floor(random() * 100);
      const key = keys[Math.floor(random() * keys.length)] ?? '';
      const decision = await scheduler
        .admit(ask(key, accounts, { hold: hold(most) }))
        .catch(() => ({ admitted: false, refusal: 'away' }) as const);
      if (!decision.admitted) {
        refusals.add(decision.refusal);
        await pause(5);
        continue;
      }
      const { lease } = decision;
      life.epoch = lease.epoch;
      await scheduler.begin(() => settlement(lease, { costNanos: 0n }));
      await pause(random() < 0.2 ? 300 + random() * 700 : random() * 10);
      if (database.away) return;
      await scheduler.settle(settlement(lease, { costNanos: BigInt(Math.floor(random() * (most + 1))) }));
    }
  };

  /** Every second one has a spool, which others replay; of the others the open rows are all that is left. */
  const begin = async (at: number): Promise<Life> => {
    const database = new UnsteadyDatabase();
    const scheduler = await rig.replica({
      wrap: database.wrap,
      clocks: CLOCKS,
      ...(at % 2 === 0 && { spoolDir }),
    });
    const life: Life = { scheduler, database, callers: [], epoch: undefined };
    life.callers.push(...Array.from({ length: CALLERS }, () => caller(life)));
    return life;
  };

  interface Stranded {
    readonly calls: number;
    readonly nanos: number;
    readonly ms: number;
  }

  /** Nothing of it reaches the database any more. What it had under way there may still come to be. */
  const kill = async ({ database, epoch }: Life): Promise<Stranded> => {
    database.away = true;
    const killed = performance.now();
    const left = async () => {
      const [row] = await rig.query<{ calls: number; nanos: number }>(
        'select count(*)::integer as calls, coalesce(sum(hold_nanos), 0)::integer as nanos from open_calls where epoch = $1',
        [epoch],
      );
      return row ?? { calls: 0, nanos: 0 };
    };
    const stranded = await left();
    await eventually(async () => (await left()).calls === 0, 2 * PROMISED_MS);
    return { ...stranded, ms: performance.now() - killed };
  };

  it('I12 are never exceeded, and what the dead held is back within 15 s', async () => {
    const living = await Promise.all(Array.from({ length: REPLICAS }, (_, at) => begin(at)));
    const dead: Life[] = [];
    const over: unknown[] = [];
    const watching = (async () => {
      while (calling) {
        over.push(...(await rig.query(OVER)), ...(await unsettled(rig.url)));
        await pause(25);
      }
    })();

    const ends: Promise<Stranded>[] = [];
    for (let at = 0; at < KILLS; at += 1) {
      await topUp();
      await pause(200 + kills() * 600);
      const [victim] = living.splice(Math.floor(kills() * living.length), 1);
      if (victim === undefined) throw new Error('Nobody is left');
      dead.push(victim);
      ends.push(kill(victim));
      living.push(await begin(REPLICAS + at));
    }
    const stranded = await Promise.all(ends);
    // Who calls slowly has not spent it yet.
    await eventually(() => refusals.has('budget-held') && refusals.has('budget-spent'), PROMISED_MS);
    calling = false;
    await Promise.all([watching, ...living.flatMap(({ callers }) => callers)]);
    await expectQuiet(rig.url);

    expect({ seed, over: over.slice(0, 5) }).toEqual({ seed, over: [] });
    expect(stranded.reduce((sum, { nanos }) => sum + nanos, 0)).toBeGreaterThan(0);
    expect(Math.max(...stranded.map(({ ms }) => ms))).toBeLessThan(PROMISED_MS);
    const written = await rig.query("select from ledger where outcome = 'orphaned' and cost_nanos > 0");
    expect(written.length).toBeGreaterThan(0);
    await leavesNothing(living[0] as Life);

    // They were cut off only, and settle late what others have settled for them.
    for (const { database } of dead) database.away = false;
    await Promise.all(dead.flatMap(({ callers }) => callers));
    await rig.close();
    await expectQuiet(rig.url);
    expect(await rig.query(OVER)).toEqual([]);
  }, 90_000);

  /** To the last nano-dollar that is not used, calls are let in; not one beyond it. */
  const leavesNothing = async ({ scheduler }: Life) => {
    await topUp();
    const [row] = await rig.query<{ nanos: number }>(
      `select least((select budget_total_nanos - total_used from teams join team_state using (id)),
                    (select budget_day_nanos - day_used from api_keys join key_state using (id) where id = $1))::integer
         as nanos`,
      [keys[0]],
    );
    const left = row?.nanos ?? 0;
    const refused = await scheduler.admit(ask(keys[0] ?? '', accounts, { hold: hold(left + 1) }));
    expect(refused).toMatchObject({ admitted: false, refusal: 'budget-spent' });
    const decision = await scheduler.admit(ask(keys[0] ?? '', accounts, { hold: hold(left) }));
    expect(decision).toMatchObject({ admitted: true });
    if (decision.admitted) await scheduler.settle(settlement(decision.lease, { costNanos: 0n }));
  };
});
