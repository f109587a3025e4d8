import { v7 } from 'uuid';
import { HotPool } from '../../src/database/hot-pool.ts';
import { checkCounters, foldCharges, repairCounters } from '../../src/scheduler/sql/counters.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, leased, SchedulingRig, settlement } from '../support/scheduling.ts';

/** Counters = open rows and ledger; what differs is told and set right. */
describe('the proof of the counters', () => {
  let rig: SchedulingRig;
  let pool: HotPool;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
    pool = new HotPool({ url: rig.url, name: 'proof', max: 2, synchronousCommit: 'on' });
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(async () => {
    await pool.close();
    await rig.end();
  });

  const held = (nanos: number, tokens: number) => ({
    nanos: BigInt(nanos),
    tokens,
    unpriced: new Set<string>(),
  });

  it('holds at every moment of a busy relay', async () => {
    const team = await rig.team({ parent: await rig.team(), budgets: { day: 1_000_000_000 } });
    const [key, account, scheduler] = [
      await rig.key({ team }),
      await rig.account({ max: 30 }),
      await rig.replica(),
    ];
    let over = false;
    const busy = Array.from({ length: 20 }, async () => {
      for (let turn = 0; turn < 10; turn += 1) {
        const decision = await scheduler.admit(ask(key, [account], { hold: held(9_000, 20) }));
        if (decision.admitted) await scheduler.settle(settlement(leased(decision)));
      }
    });
    void Promise.all(busy).finally(() => (over = true));
    let checks = 0;
    while (!over) {
      expect((await checkCounters(pool)).differences).toEqual([]);
      expect(await repairCounters(pool)).toEqual([]);
      await foldCharges(pool);
      checks += 1;
    }
    await Promise.all(busy);
    expect(checks).toBeGreaterThan(3);
  });

  it('tells what differs, and sets right that alone', async () => {
    const [key, other] = [await rig.key(), await rig.key()];
    const [account, full] = [await rig.account({ max: 5 }), await rig.account({ max: 5 })];
    const scheduler = await rig.replica();
    const lease = leased(await scheduler.admit(ask(key, [account])));
    const counting = leased(await scheduler.admit(ask(other, [account], { lane: 'count' })));
    await rig.query('update key_state set in_use = 4 where id = $1', [key]);
    await rig.query('update key_state set counting = 0 where id = $1', [other]);
    await rig.query('insert into account_state (id, in_use) values ($1, 3)', [full]);

    const expected = [
      { counter: 'account places', id: full, counted: 3, proven: 0 },
      { counter: 'key counting', id: other, counted: 0, proven: 1 },
      { counter: 'key places', id: key, counted: 4, proven: 1 },
    ];
    expect((await checkCounters(pool)).differences).toEqual(expected);
    expect(await repairCounters(pool)).toEqual(expected);
    expect(await checkCounters(pool)).toMatchObject({ differences: [], openCalls: 2 });
    expect(await rig.inUseByAccount([account, full])).toEqual(
      new Map([
        [account, 1],
        [full, 0],
      ]),
    );
    await scheduler.settle(settlement(lease));
    await scheduler.settle(settlement(counting, { lane: 'count' }));
  });

  it('tells what keys and teams hold and have used, and sets it right', async () => {
    const top = await rig.team();
    const team = await rig.team({ parent: top });
    const [key, account, scheduler] = [await rig.key({ team }), await rig.account(), await rig.replica()];
    const first = leased(await scheduler.admit(ask(key, [account])));
    await scheduler.settle(settlement(first, { costNanos: 700n }));
    const open = leased(await scheduler.admit(ask(key, [account], { hold: held(500, 7) })));
    await rig.query('update key_state set held = 1, tok_held = -3, total_used = 0 where id = $1', [key]);
    await rig.query('update team_state set in_use = 9, held = 0, day_used = 701 where id = $1', [team]);
    await rig.query('update team_state set tok_held = 0, month_used = 5, total_used = 6 where id = $1', [
      top,
    ]);

    const expected = [
      { counter: 'key held', id: key, counted: 1, proven: 500 },
      { counter: 'key tokens held', id: key, counted: -3, proven: 7 },
      { counter: 'key total', id: key, counted: 0, proven: 700 },
      { counter: 'team day', id: team, counted: 701, proven: 700 },
      { counter: 'team held', id: team, counted: 0, proven: 500 },
      { counter: 'team month', id: top, counted: 5, proven: 700 },
      { counter: 'team places', id: team, counted: 9, proven: 1 },
      { counter: 'team tokens held', id: top, counted: 0, proven: 7 },
      { counter: 'team total', id: top, counted: 6, proven: 700 },
    ];
    expect((await checkCounters(pool)).differences).toEqual(expected);
    expect(await repairCounters(pool)).toEqual(expected);
    expect((await checkCounters(pool)).differences).toEqual([]);
    await scheduler.settle(settlement(open, { costNanos: 1n }));
    expect((await checkCounters(pool)).differences).toEqual([]);
  });

  it('proves what was used of every month by sums, and by the attempts since', async () => {
    const team = await rig.team();
    const [key, account, scheduler] = [await rig.key({ team }), await rig.account(), await rig.replica()];
    const settled = async (daysAgo: number, cost: number) => {
      const admittedAt = new Date(Date.now() - daysAgo * 86_400_000);
      const requestId = v7({ msecs: admittedAt.getTime() });
      const lease = leased(await scheduler.admit(ask(key, [account], { requestId })));
      await scheduler.settle(settlement(lease, { admittedAt, costNanos: BigInt(cost) }));
      return requestId;
    };
    const old = await settled(100, 1_000);
    for (const [days, cost] of [
      [101, 200],
      [35, 30],
      [1, 4],
      [0, 5],
    ] as const)
      await settled(days, cost);
    expect((await checkCounters(pool)).differences).toEqual([]);

    await foldCharges(pool);
    expect(await rig.query('select from charged_touched')).toEqual([]);
    expect((await checkCounters(pool)).differences).toEqual([]);
    const client = await rig.sql.connect();
    try {
      // Of an hour that is summed no attempt is read.
      await client.query('begin');
      await client.query('delete from ledger where key_id = $1', [key]);
      expect((await client.query('select * from counter_differences')).rows).toEqual([]);
      await client.query('rollback');
    } finally {
      client.release();
    }
    await rig.query('update ledger set cost_nanos = 1001 where request_id = $1', [old]);
    const late = [
      { counter: 'key total', id: key, counted: 1_239, proven: 1_240 },
      { counter: 'team total', id: team, counted: 1_239, proven: 1_240 },
    ];
    expect((await checkCounters(pool)).differences).toEqual(late);
    await foldCharges(pool);
    expect(await repairCounters(pool)).toEqual(late);
    await settled(0, 60);
    await settled(35, 700);
    expect((await checkCounters(pool)).differences).toEqual([]);
  });

  it('is repaired once by however many replicas', async () => {
    const account = await rig.account({ max: 5 });
    await rig.query('insert into account_state (id, in_use) values ($1, 2)', [account]);
    const all = await Promise.all([repairCounters(pool), repairCounters(pool)]);
    expect(all.flat()).toHaveLength(1);
  });
});
