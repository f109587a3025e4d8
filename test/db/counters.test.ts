import { HotPool } from '../../src/database/hot-pool.ts';
import { checkCounters, repairCounters } from '../../src/scheduler/sql/counters.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, leased, SchedulingRig, settlement } from '../support/scheduling.ts';

/** Counters = open rows; what differs is told and set right. */
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

  it('holds at every moment of a busy relay', async () => {
    const [key, account, scheduler] = [await rig.key(), await rig.account({ max: 30 }), await rig.replica()];
    let over = false;
    const busy = Array.from({ length: 20 }, async () => {
      for (let turn = 0; turn < 10; turn += 1) {
        const decision = await scheduler.admit(ask(key, [account]));
        if (decision.admitted) await scheduler.settle(settlement(leased(decision)));
      }
    });
    void Promise.all(busy).finally(() => (over = true));
    let checks = 0;
    while (!over) {
      expect((await checkCounters(pool)).differences).toEqual([]);
      expect(await repairCounters(pool)).toEqual([]);
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
    expect(await scheduler.inUseByAccount([account, full])).toEqual(
      new Map([
        [account, 1],
        [full, 0],
      ]),
    );
    await scheduler.settle(settlement(lease));
    await scheduler.settle(settlement(counting, { lane: 'count' }));
  });

  it('is repaired once by however many replicas', async () => {
    const account = await rig.account({ max: 5 });
    await rig.query('insert into account_state (id, in_use) values ($1, 2)', [account]);
    const all = await Promise.all([repairCounters(pool), repairCounters(pool)]);
    expect(all.flat()).toHaveLength(1);
  });
});
