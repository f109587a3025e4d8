import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/database/data-source.ts';
import type { Decision, Hold } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { UnpricedRepository } from '../../src/usage/unpriced.repository.ts';
import { expectQuiet, unsettled } from '../support/quiet.ts';
import { ask, eventually, leased, move, SchedulingRig, settlement } from '../support/scheduling.ts';
import { UnsteadyDatabase } from '../support/unsteady-database.ts';

const SHORT = { heartbeatMs: 100, epochTtlMs: 1_000, sweepMs: 50 };

/** Rows of reliability.md: I2, I3, I5, I6, I7, and orphans that are charged what they held. */
describe('budgets', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let account: string;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
    account = await rig.account();
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  const nanos = (count: number, unpriced: readonly string[] = []): Hold => ({
    nanos: BigInt(count),
    tokens: 0,
    unpriced: new Set(unpriced),
  });
  const asking = (key: string, hold = 10) => ask(key, [account], { hold: nanos(hold) });
  const outcome = (decision: Decision) => (decision.admitted ? 'admitted' : decision.refusal);
  const settle = (decision: Decision, cost: number) =>
    scheduler.settle(settlement(leased(decision), { costNanos: BigInt(cost) }));
  const state = async (key: string) => {
    const [row] = await rig.query<Record<string, string>>(
      'select held, day_used, month_used, total_used from key_state where id = $1',
      [key],
    );
    return Object.values(row ?? {}).map(Number);
  };

  it.each(['day', 'month', 'total'] as const)(
    'by %s hold the estimate, charge the cost, and end when spent',
    async (period) => {
      const key = await rig.key({ budgets: { [period]: 30 } });
      const first = await Promise.all([1, 2, 3, 4].map(() => scheduler.admit(asking(key))));
      expect(first.map(outcome)).toEqual(['admitted', 'admitted', 'admitted', 'budget-held']);
      expect(await state(key)).toEqual([30, 0, 0, 0]);
      for (const decision of first.slice(0, 3)) await settle(decision, 5);
      expect(await state(key)).toEqual([0, 15, 15, 15]);
      expect(outcome(await scheduler.admit(asking(key, 16)))).toBe('budget-spent');
      const last = await scheduler.admit(asking(key, 15));
      expect(outcome(last)).toBe('admitted');
      expect(outcome(await scheduler.admit(asking(key, 0)))).toBe('admitted');
      await rig.query('select release_strays(array(select request_id from open_calls where hold_nanos = 0))');
      await settle(last, 15);
      for (const hold of [0, 1])
        expect(outcome(await scheduler.admit(asking(key, hold)))).toBe('budget-spent');
    },
  );

  it('of nothing admit nothing', async () => {
    expect(outcome(await scheduler.admit(asking(await rig.key({ budgets: { total: 0 } }), 0)))).toBe(
      'budget-spent',
    );
  });

  it('count what a key used before it had any', async () => {
    const key = await rig.key();
    await settle(await scheduler.admit(asking(key)), 40);
    await rig.query('update api_keys set budget_total_nanos = 50 where id = $1', [key]);
    expect(outcome(await scheduler.admit(asking(key, 11)))).toBe('budget-spent');
    const decision = await scheduler.admit(asking(key, 10));
    await settle(decision, 10);
  });

  it('I6 keep to edits of them, which touch no counter', async () => {
    const key = await rig.key({ budgets: { day: 100 } });
    const decision = await scheduler.admit(asking(key, 60));
    await rig.query('update api_keys set budget_day_nanos = 50 where id = $1', [key]);
    expect(await state(key)).toEqual([60, 0, 0, 0]);
    expect(outcome(await scheduler.admit(asking(key, 1)))).toBe('budget-held');
    await settle(decision, 49);
    const last = await scheduler.admit(asking(key, 1));
    await settle(last, 0);
  });

  it('charge every attempt of a call, and hold once', async () => {
    const key = await rig.key({ budgets: { total: 100 } });
    const one = leased(await scheduler.admit(asking(key, 50)));
    await scheduler.settle(settlement(one, { final: false, costNanos: 7n }));
    expect(await state(key)).toEqual([50, 7, 7, 7]);
    const two = leased(await scheduler.move(move(one, [await rig.account()])));
    await scheduler.settle(settlement(two, { costNanos: 20n }));
    await scheduler.settle(settlement(two, { costNanos: 20n }));
    expect(await state(key)).toEqual([0, 27, 27, 27]);
  });

  it('charge what a call may have cost, else what it held, until its cost is known', async () => {
    const key = await rig.key({ budgets: { total: 100 } });
    const [one, two] = [await scheduler.admit(asking(key, 40)), await scheduler.admit(asking(key, 40))];
    const unknown = [
      settlement(leased(one), { costNanos: null, chargedNanos: 25n }),
      settlement(leased(two), { costNanos: null }),
    ];
    for (const each of [...unknown, ...unknown]) await scheduler.settle(each);
    expect(await state(key)).toEqual([0, 65, 65, 65]);
    expect(outcome(await scheduler.admit(asking(key, 36)))).toBe('budget-spent');
    expect(await rig.query('select * from counter_differences')).toEqual([]);

    const source = await new DataSource(dataSourceOptions(rig.url)).initialize();
    const rows = unknown.map(({ requestId }, at) => ({
      requestId,
      attempt: 1,
      costNanos: [5n, 70n][at]!,
      priceId: '1',
    }));
    for (const repriced of [2, 0]) {
      expect(await source.transaction((tx) => new UnpricedRepository(source).price(tx, rows))).toBe(repriced);
      expect(await state(key)).toEqual([0, 75, 75, 75]);
    }
    await source.destroy();
    expect(await rig.query('select * from counter_differences')).toEqual([]);
  });

  it('are not served by an account without a price, at admission or after it', async () => {
    const unpriced = await rig.account({ priority: 1 });
    const hold = nanos(1, [unpriced]);
    const [key, free] = [await rig.key({ budgets: { day: 100 } }), await rig.key()];
    const request = (id: string, accounts: string[]) =>
      ask(id, accounts, { hold, preferredAccountId: unpriced });
    const one = leased(await scheduler.admit(request(key, [unpriced, account])));
    expect(one.accountId).toBe(account);
    expect(outcome(await scheduler.admit(request(key, [unpriced])))).toBe('unpriced');
    const other = await scheduler.admit(request(free, [unpriced]));
    expect(outcome(other)).toBe('admitted');
    expect(await scheduler.move(move(one, [unpriced], { unpriced: hold.unpriced }))).toMatchObject({
      refusal: 'unpriced',
    });
    const two = leased(await scheduler.move(move(one, [unpriced, account], { unpriced: hold.unpriced })));
    expect(two.accountId).toBe(account);
    await scheduler.settle(settlement(two));
    await settle(other, 0);
  });

  it('I7 of a new window begin anew; what was admitted before is charged to its own', async () => {
    const key = await rig.key({ budgets: { day: 100, month: 1_000, total: 10_000 } });
    await settle(await scheduler.admit(asking(key)), 90);
    expect(outcome(await scheduler.admit(asking(key, 20)))).toBe('budget-spent');
    // As if all that had been yesterday, and one call were still open from then.
    const open = leased(await scheduler.admit(asking(key, 5)));
    const yesterday = new Date(open.admittedAt.getTime() - 86_400_000);
    await rig.query(
      `update key_state set day = day - 1, month = (month - interval '1 month')::date where id = $1`,
      [key],
    );
    await rig.query(`update ledger set admitted_at = admitted_at - interval '1 month' where key_id = $1`, [
      key,
    ]);
    const today = await scheduler.admit(asking(key, 90));
    expect(outcome(today)).toBe('admitted');
    await settle(today, 80);
    expect(await state(key)).toEqual([5, 80, 80, 170]);
    await scheduler.settle(settlement({ ...open, admittedAt: yesterday }, { costNanos: 15n }));
    const [day, month] = [80, yesterday.getUTCMonth() === open.admittedAt.getUTCMonth() ? 95 : 80];
    expect(await state(key)).toEqual([0, day, month, 185]);
    await scheduler.settle(settlement({ ...open, admittedAt: yesterday }, { costNanos: 15n }));
    expect(await state(key)).toEqual([0, day, month, 185]);
  });

  it('I7 settled in one batch over midnight charge each day with its own', async () => {
    const keys = await Promise.all([1, 2, 3, 4].map(() => rig.key({ budgets: { day: 100 } })));
    const leases = await Promise.all(keys.map(async (key) => leased(await scheduler.admit(asking(key)))));
    await Promise.all(
      leases.map((lease, at) => {
        const admittedAt = new Date(lease.admittedAt.getTime() - (at % 2) * 86_400_000);
        return scheduler.settle(settlement({ ...lease, admittedAt }, { costNanos: 3n }));
      }),
    );
    const used = await rig.query<{ id: string; today: string; total: string }>(
      `select id, case when day = (now() at time zone 'UTC')::date then day_used else 0 end as today, total_used as total
         from key_state where id = any ($1::uuid[])`,
      [keys],
    );
    const of = (key: string) => used.find(({ id }) => id === key);
    expect(keys.map((key) => [of(key)?.today, of(key)?.total])).toEqual([
      ['3', '3'],
      ['0', '3'],
      ['3', '3'],
      ['0', '3'],
    ]);
  });

  it('I3 are exceeded by no more than what calls cost beyond their estimate', async () => {
    const key = await rig.key({ budgets: { total: 100 } });
    const decisions = await Promise.all([1, 2, 3].map(() => scheduler.admit(asking(key, 40))));
    expect(decisions.map(outcome)).toEqual(['admitted', 'admitted', 'budget-held']);
    for (const decision of decisions.slice(0, 2)) await settle(decision, 70);
    // Two in flight, each 30 above its estimate.
    expect(await state(key)).toEqual([0, 140, 140, 140]);
    expect(outcome(await scheduler.admit(asking(key, 0)))).toBe('budget-spent');
  });

  it('I2 of many are never exceeded at any moment, over three replicas, and equal the ledger', async () => {
    const keys = await Promise.all(
      [1, 2, 3].map((at) => rig.key({ budgets: { day: 4_000 + at, month: 9_000, total: 20_000 } })),
    );
    const replicas = [scheduler, await rig.replica(), await rig.replica()];
    const refusals = new Set<string>();
    let done = false;
    const caller = async (replica: Scheduler, at: number) => {
      let spent = 0;
      for (let turn = at; spent < 20; turn += 1) {
        const hold = 20 + Math.floor(Math.random() * 60);
        const decision = await replica.admit(asking(keys[turn % 3] ?? '', hold));
        if (!decision.admitted) {
          refusals.add(decision.refusal);
          spent += decision.refusal === 'budget-spent' ? 1 : 0;
          await new Promise((resolve) => setTimeout(resolve, 2));
          continue;
        }
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
        const cost = settlement(decision.lease, {
          costNanos: BigInt(Math.floor(Math.random() * (hold + 1))),
        });
        await Promise.all([
          replica.settle(cost),
          turn % 20 === 0 ? replicas[(at + 1) % 3]?.settle(cost) : undefined,
        ]);
      }
    };
    const watching = (async () => {
      while (!done) {
        expect(await unsettled(rig.url)).toEqual([]);
        const over = await rig.query(
          `select s.id from key_state s join api_keys q using (id)
             where q.budget_day_nanos < s.day_used + s.held or q.budget_month_nanos < s.month_used + s.held
                or q.budget_total_nanos < s.total_used + s.held`,
        );
        expect(over.filter((row) => keys.includes((row as { id: string }).id))).toEqual([]);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const callers = replicas.flatMap((replica, at) => Array.from({ length: 21 }, () => caller(replica, at)));
    await Promise.all(callers).finally(() => {
      done = true;
    });
    await watching;
    expect(refusals).toContain('budget-spent');
    for (const [at, key] of keys.entries()) {
      const [held, day] = await state(key);
      expect(held).toBe(0);
      expect(day).toBeGreaterThan(3_900 + at);
      expect(day).toBeLessThanOrEqual(4_001 + at);
    }
  });
});

describe('budgets of calls whose replica dies', () => {
  it('are charged what the call held, until its settlement comes', async () => {
    const rig = await SchedulingRig.create();
    const database = new UnsteadyDatabase();
    const frail = await rig.replica({ wrap: database.wrap, clocks: SHORT });
    await rig.replica({ clocks: SHORT });
    const [key, account] = [await rig.key({ budgets: { total: 100 } }), await rig.account()];
    const hold = { nanos: 60n, tokens: 5, unpriced: new Set<string>() };
    const lease = leased(await frail.admit(ask(key, [account], { hold })));
    database.away = true;
    await eventually(async () => (await rig.query('select from ledger')).length === 1);
    expect(await rig.query('select outcome, cost_nanos, estimated from ledger')).toEqual([
      { outcome: 'orphaned', cost_nanos: '60', estimated: true },
    ]);
    const state = () => rig.query('select held, tok_held, day_used, total_used from key_state');
    expect(await state()).toEqual([{ held: '0', tok_held: '0', day_used: '60', total_used: '60' }]);
    database.away = false;
    await frail.settle(settlement(lease, { costNanos: 25n }));
    await frail.settle(settlement(lease, { costNanos: 25n }));
    expect(await state()).toEqual([{ held: '0', tok_held: '0', day_used: '25', total_used: '25' }]);
    await rig.close();
    await expectQuiet(rig.url);
    await rig.end();
  });
});
