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

  /** What is not under test is each replica's own: a shared row's lock would hide a missing one on the other. */
  it.each([
    ['accounts', async () => ({ keys: await Promise.all([rig.key(), rig.key(), rig.key()]), max: 3 })],
    ['a key', async () => ({ keys: [await rig.key({ max: 4 })], max: 0 })],
  ])(
    'of %s are never exceeded, by the counters or by what is held, and nothing is left',
    async (word, set) => {
      const { keys, max } = await set();
      const shared = [await rig.account({ max: 3 }), await rig.account({ max: 3 })];
      const own = [await rig.account({ max }), await rig.account({ max }), await rig.account({ max })];
      const replicas = [await rig.replica(), await rig.replica(), await rig.replica()];
      const limits = new Map(word === 'a key' ? keys.map((id) => [id, 4]) : shared.map((id) => [id, 3]));
      const held = new Map<string, number>();
      const most = new Map<string, number>();
      const move = (id: string, by: number) => {
        const now = (held.get(id) ?? 0) + by;
        held.set(id, now);
        most.set(id, Math.max(most.get(id) ?? 0, now));
      };

      let done = false;
      let admitted = 0;
      const refusals = new Set<string>();
      const caller = async (replica: Scheduler, at: number) => {
        const key = keys[at % keys.length] ?? '';
        const candidates = word === 'a key' ? [own[at] ?? ''] : shared;
        while (!done) {
          const decision = await replica.admit(ask(key, candidates));
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
          const rival = admitted % 10 === 0 ? replicas[(at + 1) % 3] : undefined;
          if (rival !== undefined) settling.push(rival.settle(settlement(decision.lease)));
          await Promise.all(settling);
        }
      };
      const callers = replicas.flatMap((replica, at) =>
        Array.from({ length: 64 }, () => caller(replica, at)),
      );

      const end = performance.now() + 2_000;
      while (performance.now() < end) {
        expect(await unsettled(rig.url)).toEqual([]);
        for (const [id, limit] of limits) {
          const [row] = await rig.query<{ n: number }>(
            'select in_use as n from key_state where id = $1 union all select in_use from account_state where id = $1',
            [id],
          );
          expect(row?.n ?? 0).toBeLessThanOrEqual(limit);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      done = true;
      await Promise.all(callers);

      for (const [id, limit] of limits) expect(most.get(id)).toBe(limit);
      expect(refusals).toEqual(new Set([word === 'a key' ? 'key-full' : 'accounts-full']));
      const [ledger] = await rig.query<{ n: number }>(
        'select count(*)::integer as n from ledger where key_id = any ($1::uuid[])',
        [keys],
      );
      expect(ledger?.n).toBe(admitted);
    },
  );

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
