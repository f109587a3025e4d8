import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet, unsettled } from '../support/quiet.ts';
import { ask, SchedulingRig, settlement } from '../support/scheduling.ts';

/** Rows of reliability.md: I1, I5, I8 in passing, I10. */
describe('limits over three replicas', () => {
  let rig: SchedulingRig;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  it('are never exceeded at any moment, by the counters or by what is held, and nothing is left', async () => {
    const accounts = [await rig.account({ max: 3 }), await rig.account({ max: 3 })];
    const keys = [await rig.key({ max: 4 }), await rig.key()];
    const replicas = [await rig.replica(), await rig.replica(), await rig.replica()];
    const held = new Map<string, number>();
    const most = new Map<string, number>();
    const move = (id: string, by: number) => {
      const now = (held.get(id) ?? 0) + by;
      held.set(id, now);
      most.set(id, Math.max(most.get(id) ?? 0, now));
    };

    let done = false;
    let admitted = 0;
    let settled = 0;
    const refusals = new Set<string>();
    const caller = async (replica: Scheduler, index: number) => {
      while (!done) {
        const key = keys[index % 2] ?? '';
        const decision = await replica.admit(ask(key, accounts));
        if (!decision.admitted) {
          refusals.add(decision.refusal);
          await new Promise((resolve) => setTimeout(resolve, 5));
          continue;
        }
        admitted += 1;
        move(decision.lease.accountId, 1);
        move(key, 1);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
        move(decision.lease.accountId, -1);
        move(key, -1);
        const settling = [replica.settle(settlement(decision.lease))];
        // Some are settled by another replica as well, at the same moment.
        if (admitted % 10 === 0)
          settling.push((replicas[(index + 1) % 3] ?? replica).settle(settlement(decision.lease)));
        await Promise.all(settling);
        settled += 1;
      }
    };
    const callers = replicas.flatMap((replica) =>
      Array.from({ length: 64 }, (_, index) => caller(replica, index)),
    );

    const end = performance.now() + 2_500;
    let samples = 0;
    while (performance.now() < end) {
      expect(await unsettled(rig.url)).toEqual([]);
      const [worst] = await rig.query<{ account: number; key: number }>(
        'select (select max(in_use) from account_state) as account, (select in_use from key_state where id = $1) as key',
        [keys[0]],
      );
      expect(worst?.account ?? 0).toBeLessThanOrEqual(3);
      expect(worst?.key ?? 0).toBeLessThanOrEqual(4);
      samples += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    done = true;
    await Promise.all(callers);

    expect(samples).toBeGreaterThan(3);
    expect(admitted).toBeGreaterThan(50);
    expect(Math.max(...accounts.map((id) => most.get(id) ?? 0))).toBe(3);
    expect(most.get(keys[0] ?? '') ?? 0).toBeLessThanOrEqual(4);
    expect(refusals).toEqual(new Set(['key-full', 'accounts-full']));
    const [ledger] = await rig.query<{ n: number }>('select count(*)::integer as n from ledger');
    expect(ledger?.n).toBe(admitted);
    expect(settled).toBe(admitted);
  });

  it('stay untouched by edits of the settings under way', async () => {
    const [key, account] = [await rig.key({ max: 3 }), await rig.account({ max: 3 })];
    const replica = await rig.replica();
    let version = 1n;
    let stale = 0;
    const callers = Array.from({ length: 8 }, async () => {
      for (let turn = 0; turn < 40; turn += 1) {
        const decision = await replica.admit(
          ask(key, [{ accountId: account, version, tier: 0, modelFamily: 'f' }], { keyVersion: version }),
        );
        if (decision.admitted) await replica.settle(settlement(decision.lease));
        else if (decision.refusal === 'stale') stale += 1;
      }
    });
    const edits = (async () => {
      for (let edit = 0; edit < 20; edit += 1) {
        const client = await rig.sql.connect();
        try {
          await client.query('begin');
          await client.query('update api_keys set version = $2, name = $3 where id = $1', [
            key,
            `${version + 1n}`,
            `name ${edit}`,
          ]);
          await client.query('update accounts set version = $2 where id = $1', [account, `${version + 1n}`]);
          await client.query('commit');
        } finally {
          client.release();
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
        version += 1n;
      }
    })();
    await Promise.all([...callers, edits]);
    expect(await unsettled(rig.url)).toEqual([]);
    expect(stale).toBeGreaterThan(0);
  });
});
