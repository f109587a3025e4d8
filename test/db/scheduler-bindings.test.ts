import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HotPool } from '../../src/database/hot-pool.ts';
import type { Decision } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { type Binding, bindSessions, forgetBindings } from '../../src/scheduler/sql/bindings.ts';
import { eventually } from '../support/eventually.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, candidate, leased, SchedulingRig, settlement } from '../support/scheduling.ts';

describe('the binding of a session', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let other: Scheduler;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
    [scheduler, other] = await Promise.all([rig.replica(), rig.replica()]);
  });
  afterEach(async () => {
    await Promise.all([scheduler.flush(), other.flush()]);
    await expectQuiet(rig.url);
  });
  afterAll(() => rig.end());

  const newSession = (): string => randomBytes(16).toString('hex');
  const bind = async (binding: Partial<Binding> & Pick<Binding, 'session' | 'accountId'>, by = scheduler) => {
    by.bind({ livesS: 300, ...binding });
    await by.flush();
  };
  const boundTo = async (session: string): Promise<string | undefined> => {
    const rows = await rig.query<{ account_id: string }>('select account_id from bindings where id = $1', [
      session,
    ]);
    return rows[0]?.account_id;
  };
  const idleFor = (session: string, seconds: number) =>
    rig.query(`update bindings set used_at = used_at - $2 * interval '1 second' where id = $1`, [
      session,
      seconds,
    ]);
  const cool = (accountId: string, forMs: number | 'infinity', modelFamily: string | null = null) =>
    scheduler.rests.cool({
      accountId,
      modelFamily,
      forMs,
      reason: 'forbidden',
      evidence: 'HTTP 403',
      credentialsVersion: 1,
    });
  const park = (accountId: string) => cool(accountId, 'infinity');
  /** Asks and gives back at once. */
  const call = async (
    key: string,
    accounts: readonly string[],
    session: string | undefined,
    by = scheduler,
  ): Promise<Extract<Decision, { admitted: true }>> => {
    const decision = await by.admit(ask(key, accounts, { session }));
    await by.settle(settlement(leased(decision)));
    if (!decision.admitted) throw new Error('refused');
    return decision;
  };
  /** A better account by priority, and one that a session is bound to. */
  const pair = async (max = 0) => {
    const [better, bound] = [await rig.account({ priority: 1 }), await rig.account({ priority: 9, max })];
    const session = newSession();
    await bind({ session, accountId: bound });
    return { key: await rig.key(), better, bound, session, both: [better, bound] };
  };

  it('comes before priority, on this replica and on another one', async () => {
    const { key, better, bound, session, both } = await pair();
    for (const by of [scheduler, other]) {
      const decision = await call(key, both, session, by);
      expect(decision.lease.accountId).toBe(bound);
      expect(decision.bound).toEqual({ accountId: bound, isParked: false });
    }
    const without = await call(key, both, newSession());
    expect(without.lease.accountId).toBe(better);
    expect(without.bound).toBeUndefined();
    expect((await call(key, both, undefined)).lease.accountId).toBe(better);
  });

  it('is told apart in one batch', async () => {
    const { key, better, bound, session, both } = await pair();
    const sessions = [undefined, session, newSession(), session];
    const decisions = await Promise.all(sessions.map((one) => call(key, both, one)));
    expect(decisions.map(({ lease }) => lease.accountId)).toEqual([better, bound, better, bound]);
    expect(decisions.map((one) => one.bound?.accountId)).toEqual([undefined, bound, undefined, bound]);
  });

  it('outlives that its account is full', async () => {
    const { key, better, bound, session, both } = await pair(1);
    const first = await scheduler.admit(ask(key, both, { session }));
    const spilled = await call(key, both, session);
    expect(spilled.lease.accountId).toBe(better);
    expect(spilled.bound).toEqual({ accountId: bound, isParked: false });
    await scheduler.settle(settlement(leased(first)));
    expect((await call(key, both, session)).lease.accountId).toBe(bound);
  });

  it('outlives that its account cools, and is not for ever bound to one that waits for a person', async () => {
    const { key, better, bound, session, both } = await pair();
    await cool(bound, 60_000);
    await cool(bound, 'infinity', 'another-family');
    const spilled = await call(key, both, session);
    expect(spilled).toMatchObject({
      lease: { accountId: better },
      bound: { accountId: bound, isParked: false },
    });
    await rig.query('delete from cooldowns where account_id = $1', [bound]);
    await park(bound);
    expect((await call(key, both, session)).bound).toEqual({ accountId: bound, isParked: true });
  });

  it('to an account that is no candidate any more is told, and does not keep anybody from another', async () => {
    const { key, better, bound, session } = await pair();
    const decision = await call(key, [better], session);
    expect(decision).toMatchObject({ lease: { accountId: better }, bound: { accountId: bound } });
    const stale = ask(key, [candidate(bound, { version: 2n }), better], { session });
    expect(await scheduler.admit(stale)).toEqual({ admitted: false, refusal: 'stale' });
  });

  it('is over once it was idle for longer than the cache lives; then priority decides again', async () => {
    const { key, better, bound, session, both } = await pair();
    await idleFor(session, 290);
    expect((await call(key, both, session)).lease.accountId).toBe(bound);
    await idleFor(session, 20);
    const decision = await call(key, both, session);
    expect(decision.lease.accountId).toBe(better);
    expect(decision.bound).toBeUndefined();
    await bind({ session, accountId: better });
    expect(await boundTo(session)).toBe(better);
  });

  it('lives for an hour where the cache does', async () => {
    const { key, bound, session, both } = await pair();
    await bind({ session, accountId: bound, livesS: 3_600 });
    await idleFor(session, 3_500);
    expect((await call(key, both, session)).lease.accountId).toBe(bound);
    await idleFor(session, 200);
    expect((await call(key, both, session)).bound).toBeUndefined();
  });

  it('is not taken over by another account while it lives, unless that one takes its place', async () => {
    const { better, bound, session } = await pair();
    await bind({ session, accountId: better }, other);
    expect(await boundTo(session)).toBe(bound);
    await bind({ session, accountId: better, replaces: better });
    expect(await boundTo(session)).toBe(bound);
    await bind({ session, accountId: better, replaces: bound, ifParked: true });
    expect(await boundTo(session)).toBe(bound);
    await park(bound);
    await bind({ session, accountId: better, replaces: bound, ifParked: true });
    expect(await boundTo(session)).toBe(better);
    await bind({ session, accountId: bound, replaces: better });
    expect(await boundTo(session)).toBe(bound);
  });

  it.each([
    ['as a whole', null, true],
    ["for the session's model", 'opus', true],
    ['for another model', 'fable', false],
  ])(
    'is taken over where its account rests %s until the cache is gone, and not sooner',
    async (_word, modelFamily, isOver) => {
      const { better, bound, session } = await pair();
      const spill = { session, accountId: better, replaces: bound, ifParked: true, family: 'opus' };
      await cool(bound, 280_000, modelFamily);
      await bind(spill);
      expect(await boundTo(session)).toBe(bound);
      await rig.query('delete from cooldowns where account_id = $1', [bound]);
      await cool(bound, 310_000, modelFamily);
      await bind(spill);
      expect(await boundTo(session)).toBe(isOver ? better : bound);
    },
  );

  it('is taken over where its account rests for a while, as long as the session was idle before', async () => {
    const { better, bound, session } = await pair();
    await cool(bound, 30_000);
    await idleFor(session, 290);
    await bind({ session, accountId: better, replaces: bound, ifParked: true });
    expect(await boundTo(session)).toBe(better);
  });

  it('waits for the place that its own call gives back, and no longer than that takes', async () => {
    const { key, better, bound, session, both } = await pair(1);
    const first = leased(await scheduler.admit(ask(key, both, { session })));
    expect(first.accountId).toBe(bound);
    const settled = scheduler.settle(settlement(first, { session }));
    const second = await scheduler.admit(ask(key, both, { session }));
    expect(leased(second).accountId).toBe(bound);
    // The call before is not over: nothing is on its way back.
    const third = leased(await scheduler.admit(ask(key, both, { session })));
    expect(third.accountId).toBe(better);
    await Promise.all([settled, ...[leased(second), third].map((one) => scheduler.settle(settlement(one)))]);
  });

  it('is written once for many uses, and together with news of others at once', async () => {
    const written: number[] = [];
    const counted = await rig.replica({
      wrap: (db) => ({
        run: (statement, values) => {
          const [sessions] = values;
          if (statement.name === 'bind-sessions') written.push(String(sessions).split(',').length);
          return db.run(statement, values);
        },
      }),
    });
    const { bound, session } = await pair();
    await idleFor(session, 200);
    for (let use = 0; use < 10; use += 1) {
      counted.bind({ session, accountId: bound, livesS: 300, isUse: true });
      await sleep(10);
    }
    expect(written).toEqual([]);
    counted.bind({ session: newSession(), accountId: bound, livesS: 300 });
    await eventually(() => expect(written).toEqual([2]));
    counted.bind({ session, accountId: bound, livesS: 300, isUse: true });
    await eventually(() => expect(written).toEqual([2, 1]));
    await counted.flush();
    await idleFor(session, 200);
    expect((await call(await rig.key(), [bound], session)).bound?.accountId).toBe(bound);
  });

  it('is not kept from its new account by a use of that', async () => {
    const { better, bound, session } = await pair();
    await park(bound);
    scheduler.bind({ session, accountId: better, livesS: 300, replaces: bound });
    await bind({ session, accountId: better, isUse: true });
    expect(await boundTo(session)).toBe(better);
  });

  it('is written by many at once without a quarrel', async () => {
    const accounts = [await rig.account(), await rig.account()] as const;
    const sessions = Array.from({ length: 150 }, newSession);
    for (let round = 0; round < 3; round += 1) {
      for (const session of sessions) scheduler.bind({ session, accountId: accounts[0], livesS: 300 });
      for (const session of sessions.toReversed())
        other.bind({ session, accountId: accounts[1], livesS: 300, replaces: accounts[0] });
    }
    await Promise.all([scheduler.flush(), other.flush()]);
    const [row] = await rig.query<{ count: number }>(
      'select count(*)::integer as count from bindings where id = any ($1::uuid[])',
      [sessions],
    );
    expect(row?.count).toBe(150);
  });

  it('is forgotten once it is over, and while there are too many, none is added', async () => {
    const db = new HotPool({ url: rig.url, name: 'test', max: 1, synchronousCommit: 'off' });
    const { bound, session } = await pair();
    const [over, kept] = [session, newSession()];
    await bind({ session: kept, accountId: bound });
    await idleFor(over, 301);
    const { deleted } = await forgetBindings(db, 5_000, 500_000);
    expect(deleted).toBeGreaterThan(0);
    expect([await boundTo(over), await boundTo(kept)]).toEqual([undefined, bound]);
    expect(await forgetBindings(db, 1, 1)).toEqual({ deleted: 0, left: 1 });
    await bindSessions(db, [{ session: over, accountId: bound, livesS: 9 }], false);
    expect(await boundTo(over)).toBeUndefined();
    await db.close();
  });

  it('reads the rows of its sessions alone, also by a plan that is older than the other rows', async () => {
    const db = new HotPool({ url: rig.url, name: 'test', max: 1, synchronousCommit: 'off' });
    const accountId = await rig.account();
    await rig.query('truncate bindings');
    const bindOne = () => bindSessions(db, [{ session: newSession(), accountId, livesS: 300 }], true);
    await bindOne();
    await rig.query(
      `insert into bindings (id, account_id, used_at, lives)
         select gen_random_uuid(), $1, clock_timestamp(), 300 from generate_series(1, 20000)`,
      [accountId],
    );
    const read = async (): Promise<number> => {
      await db.run({ name: 'flush', text: 'select pg_stat_force_next_flush()' }, []);
      const [row] = await db.run<{ n: number }>(
        {
          name: 'read',
          text: `select sum(idx_tup_read)::integer as n from pg_stat_user_indexes where relname = 'bindings'`,
        },
        [],
      );
      return row?.n ?? NaN;
    };
    const before = await read();
    for (let binding = 0; binding < 10; binding += 1) await bindOne();
    expect((await read()) - before).toBeLessThan(1_000);
    await db.close();
  });
});
