import type { Decision, Hold } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet, unsettled } from '../support/quiet.ts';
import { ask, leased, move, SchedulingRig, settlement } from '../support/scheduling.ts';

/** Rows of reliability.md: I1, I2, I5, I10 for limits that several keys share. */
describe('limits of teams', () => {
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

  const hold = (nanos: number, tokens = 0): Hold => ({ nanos: BigInt(nanos), tokens, unpriced: new Set() });
  const outcome = (decision: Decision) => (decision.admitted ? 'admitted' : decision.refusal);
  const settleAll = async (decisions: readonly Decision[], cost = 0): Promise<void> => {
    const leases = decisions.flatMap((one) => (one.admitted ? [one.lease] : []));
    await Promise.all(
      leases.map((lease) => scheduler.settle(settlement(lease, { costNanos: BigInt(cost) }))),
    );
  };
  const used = async (...teams: string[]) => {
    const rows = await rig.query<{ id: string; total_used: string }>('select id, total_used from team_state');
    return teams.map((id) => Number(rows.find((row) => row.id === id)?.total_used ?? 0));
  };
  const admitAll = (keys: readonly string[], one: Hold = hold(0)) =>
    Promise.all(keys.map((key) => scheduler.admit(ask(key, [account], { hold: one }))));

  it('count the calls of all keys below them, at every level', async () => {
    const company = await rig.team({ max: 3 });
    const [left, right] = [await rig.team({ parent: company, max: 2 }), await rig.team({ parent: company })];
    const keys = [
      await rig.key({ team: left }),
      await rig.key({ team: left }),
      await rig.key({ team: right }),
    ];
    const [a = '', b = '', c = ''] = keys;
    const alone = await rig.key();
    const decisions = await admitAll([a, b, a, c, c, alone]);
    expect(decisions.map(outcome)).toEqual([
      'admitted',
      'admitted',
      'team-full',
      'admitted',
      'team-full',
      'admitted',
    ]);
    expect(leased(decisions[0] as Decision).teams).toEqual([left, company]);
    expect(leased(decisions[5] as Decision).teams).toEqual([]);
    await settleAll(decisions);
    expect(outcome((await admitAll([a]))[0] as Decision)).toBe('admitted');
    await rig.query('select release_strays(array(select request_id from open_calls))');
  });

  it('hold their rates', async () => {
    const team = await rig.team({ requestsPerMinute: 3 });
    const keys = [await rig.key({ team }), await rig.key({ team, requestsPerMinute: 2 })];
    const [a = '', b = ''] = keys;
    const decisions = await admitAll([b, b, b, a, a]);
    expect(decisions.map(outcome)).toEqual([
      'admitted',
      'admitted',
      'requests-rate',
      'admitted',
      'requests-rate',
    ]);
    await settleAll(decisions);

    const other = await rig.team({ tokensPerMinute: 1_000 });
    const more = [await rig.key({ team: other }), await rig.key({ team: other })];
    const held = await admitAll([...more, ...more], hold(0, 400));
    expect(held.map(outcome)).toEqual(['admitted', 'admitted', 'tokens-rate', 'tokens-rate']);
    // 15 tokens each, as the settlement's usage has it.
    await settleAll(held);
    const next = await admitAll([...more, ...more], hold(0, 480));
    expect(next.map(outcome)).toEqual(['admitted', 'admitted', 'tokens-rate', 'tokens-rate']);
    await settleAll(next);
  });

  it('charge every attempt to the team and those above it, as they were at admission', async () => {
    const company = await rig.team({ budgets: { total: 100 } });
    const team = await rig.team({ parent: company, budgets: { day: 60 } });
    const elsewhere = await rig.team();
    const key = await rig.key({ team });
    const one = leased((await admitAll([key], hold(50)))[0] as Decision);
    expect((await admitAll([key], hold(20))).map(outcome)).toEqual(['budget-held']);
    await rig.query('update api_keys set team_id = $2 where id = $1', [key, elsewhere]);
    const two = leased(await scheduler.move(move(one, [await rig.account()])));
    await scheduler.settle(settlement(one, { final: false, costNanos: 5n }));
    await scheduler.settle(settlement(two, { costNanos: 30n }));
    expect(await used(team, company, elsewhere)).toEqual([35, 35, 0]);
    expect(await unsettled(rig.url)).toEqual([]);
    await rig.query('update api_keys set team_id = $2 where id = $1', [key, team]);
    expect((await admitAll([key], hold(26))).map(outcome)).toEqual(['budget-spent']);
    const last = await admitAll([key], hold(25));
    await settleAll(last, 25);
    expect(await used(team, company)).toEqual([60, 60]);
  });

  it('leave counting of tokens alone', async () => {
    const team = await rig.team({ max: 1, budgets: { total: 0 } });
    const key = await rig.key({ team });
    const decision = await scheduler.admit(ask(key, [account], { lane: 'count' }));
    expect(outcome(decision)).toBe('admitted');
    expect(await unsettled(rig.url)).toEqual([]);
    await scheduler.settle(settlement(leased(decision), { lane: 'count', costNanos: 0n }));
  });

  it('I1 I2 are never exceeded over three replicas, whatever is settled twice or moved', async () => {
    const company = await rig.team({ max: 9, budgets: { day: 40_000 } });
    const teams = await Promise.all(
      [1, 2, 3].map(() => rig.team({ parent: company, max: 4, budgets: { month: 15_000 } })),
    );
    const keys = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((at) => rig.key({ team: teams[at % 3] ?? '', max: 3 })),
    );
    const accounts = await Promise.all([1, 2, 3].map(() => rig.account({ max: 5 })));
    const replicas = [scheduler, await rig.replica(), await rig.replica()];
    const refusals = new Set<string>();
    let done = false;
    const caller = async (replica: Scheduler, at: number) => {
      let spent = 0;
      for (let turn = at; spent < 10; turn += 1) {
        const most = 20 + Math.floor(Math.random() * 100);
        const decision = await replica.admit(ask(keys[turn % 6] ?? '', accounts, { hold: hold(most) }));
        if (!decision.admitted) {
          refusals.add(decision.refusal);
          spent += decision.refusal === 'budget-spent' ? 1 : 0;
          await new Promise((resolve) => setTimeout(resolve, 2));
          continue;
        }
        let { lease } = decision;
        if (turn % 7 === 0) {
          void replica.settle(settlement(lease, { final: false, costNanos: 0n }));
          const moved = await replica.move(
            move(
              lease,
              accounts.filter((id) => id !== lease.accountId),
            ),
          );
          if (moved.admitted) lease = moved.lease;
        }
        const last = settlement(lease, { costNanos: BigInt(Math.floor(Math.random() * (most + 1))) });
        const again = turn % 10 === 0 ? replicas[(at + 1) % 3]?.settle(last) : undefined;
        await Promise.all([replica.settle(last), again]);
      }
    };
    const watching = (async () => {
      while (!done) {
        expect(await unsettled(rig.url)).toEqual([]);
        const over = await rig.query(
          `select s.id from team_state s join teams t using (id)
             where s.in_use > t.max_concurrency or s.day_used + s.held > t.budget_day_nanos
                or s.month_used + s.held > t.budget_month_nanos`,
        );
        expect(over).toEqual([]);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const callers = replicas.flatMap((replica, at) => Array.from({ length: 14 }, () => caller(replica, at)));
    await Promise.all(callers).finally(() => {
      done = true;
    });
    await watching;
    await Promise.all(replicas.map((replica) => replica.flush()));
    expect(refusals).toContain('team-full');
    const [sum = 0, ...each] = await used(company, ...teams);
    expect(sum).toBe(each.reduce((total, one) => total + one, 0));
    expect(sum).toBeLessThanOrEqual(40_000);
    expect(Math.max(...each)).toBeGreaterThan(14_000 - 1_000);
  });
});
