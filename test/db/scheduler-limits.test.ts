import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet, unsettled } from '../support/quiet.ts';
import { ask, SchedulingRig, settlement } from '../support/scheduling.ts';

/** Rows of reliability.md: I1, I5, I6, I8 in passing, I10. */
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
    'I1 I5 of %s are never exceeded, by the counters or by what is held, and nothing is left',
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

  it('I6 have counters that edits of names and limits under way leave alone', async () => {
    const team = await rig.team({ max: 3, budgets: { total: 1_000_000 } });
    const [key, account] = [await rig.key({ team, max: 3 }), await rig.account({ max: 3 })];
    const replicas = [await rig.replica(), await rig.replica(), await rig.replica()];
    const hold = { nanos: 900n, tokens: 50, unpriced: new Set<string>() };
    let version = 1n;
    let editing = true;
    const seen = new Set<string>();
    const callers = replicas.flatMap((replica) =>
      Array.from({ length: 4 }, async () => {
        while (editing) {
          const decision = await replica.admit(
            ask(key, [{ accountId: account, version, tier: 0, modelFamily: 'f' }], {
              keyVersion: version,
              hold,
            }),
          );
          seen.add(decision.admitted ? 'admitted' : decision.refusal);
          if (!decision.admitted) {
            await new Promise((resolve) => setTimeout(resolve, 2));
            continue;
          }
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
          await replica.settle(settlement(decision.lease, { costNanos: 700n }));
        }
      }),
    );
    const used = async () => {
      const [row] = await rig.query<{ key: number; team: number }>(
        `select coalesce((select total_used from key_state where id = $1), 0)::integer as key,
                coalesce((select total_used from team_state where id = $2), 0)::integer as team`,
        [key, team],
      );
      // A key's counters begin with its first call, which may come after the first edit.
      return row ?? { key: 0, team: 0 };
    };
    /** Of nothing, of little, of much, and none. */
    const budgets = [null, 0, 1_500, 1_000_000_000];
    let last = { key: 0, team: 0 };
    for (let edit = 0; edit < 40; edit += 1) {
      const budget = budgets[edit % 4];
      const [next, name, max] = [`${version + 1n}`, `name ${edit}`, 1 + (edit % 3)];
      const client = await rig.sql.connect();
      try {
        await client.query('begin');
        await client.query(
          `update api_keys set version = $2, name = $3, max_concurrency = $4, budget_day_nanos = $5,
             budget_total_nanos = $5, requests_per_minute = $6 where id = $1`,
          [key, next, name, max, budget, 6_000_000 + edit],
        );
        await client.query(
          'update teams set version = $2, name = $3, max_concurrency = $4, budget_month_nanos = $5 where id = $1',
          [team, next, `${name} of ${team}`, max, budget],
        );
        await client.query('update accounts set version = $2 where id = $1', [account, next]);
        await client.query('commit');
      } finally {
        client.release();
      }
      version += 1n;
      expect(await unsettled(rig.url)).toEqual([]);
      const now = await used();
      expect(now.key).toBeGreaterThanOrEqual(last.key);
      expect(now.team).toBeGreaterThanOrEqual(last.team);
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    editing = false;
    await Promise.all(callers);
    expect([...seen]).toEqual(expect.arrayContaining(['admitted', 'stale', 'budget-spent']));
    const [row] = await rig.query<{ sum: number }>(
      'select sum(cost_nanos)::integer as sum from ledger where key_id = $1',
      [key],
    );
    expect(await used()).toEqual({ key: row?.sum, team: row?.sum });
  });
});
