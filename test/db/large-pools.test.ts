import { v7 } from 'uuid';
import type { AdmissionRequest, Candidate, Lease } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet } from '../support/quiet.ts';
import {
  type AccountSettings,
  ask,
  candidate,
  eventually,
  leased,
  move,
  SchedulingRig,
  settlement,
} from '../support/scheduling.ts';

describe('a pool of hundreds of accounts', () => {
  let rig: SchedulingRig;
  let here: Scheduler;
  let there: Scheduler;
  const leases: Lease[] = [];

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    here = await rig.replica({ queueMs: 0 });
    there = await rig.replica({ queueMs: 0 });
  });
  afterEach(async () => {
    await Promise.all(leases.splice(0).map((lease) => here.settle(settlement(lease))));
    await expectQuiet(rig.url);
  });
  afterAll(() => rig.end());

  async function accounts(count: number, settings: AccountSettings = {}): Promise<string[]> {
    const ids = Array.from({ length: count }, () => v7());
    await rig.query(
      `insert into accounts (id, version, name, kind, priority, weight, max_concurrency)
         select id, 1, id::text, 'claude', $2, $3, $4 from unnest($1::uuid[]) id`,
      [ids, settings.priority ?? 50, settings.weight ?? 1, settings.max ?? 0],
    );
    await rig.query('insert into account_state (id) select unnest($1::uuid[])', [ids]);
    return ids;
  }

  async function cool(ids: readonly string[], seconds: number | 'infinity'): Promise<void> {
    await rig.query(
      `insert into cooldowns (id, account_id, reason, evidence, until, proven_at)
         select gen_random_uuid(), id, 'rate-limited', 'test',
                case when $2 = 'infinity' then 'infinity' else now() + $2::text::interval end, now()
           from unnest($1::uuid[]) id`,
      [ids, seconds === 'infinity' ? seconds : `${seconds} seconds`],
    );
  }

  /** An account's id, or the refusal. */
  async function decide(by: Scheduler, request: AdmissionRequest): Promise<string> {
    const decision = await by.admit(request);
    if (!decision.admitted) return decision.refusal;
    leases.push(decision.lease);
    return decision.lease.accountId;
  }

  function asks(count: number, key: string, pool: readonly Candidate[]): AdmissionRequest[] {
    return Array.from({ length: count }, () => ({ ...ask(key, []), candidates: pool }));
  }

  function all(by: Scheduler, requests: readonly AdmissionRequest[]): Promise<string[]> {
    return Promise.all(requests.map((request) => decide(by, request)));
  }

  it('is filled by priority, each account up to its places, past those that rest', async () => {
    const [first, resting, last] = [
      await accounts(100, { priority: 10, max: 1 }),
      await accounts(100, { priority: 20 }),
      await accounts(100, { priority: 30 }),
    ];
    await cool(resting, 60);
    const pool = [...last, ...resting, ...first].map((id) => candidate(id));
    const chosen = await all(here, asks(160, await rig.key(), pool));
    expect(chosen.filter((id) => first.includes(id)).sort()).toEqual([...first].sort());
    // The longest unused of equals: each of them once.
    expect(new Set(chosen.filter((id) => last.includes(id))).size).toBe(60);
  });

  it('is asked for again where its best were taken by another replica, or rest, without our knowing', async () => {
    const [first, last] = [
      await accounts(60, { priority: 10, max: 1 }),
      await accounts(2, { priority: 20, max: 1 }),
    ];
    const [key, pool] = [await rig.key(), [...first, ...last].map((id) => candidate(id))];
    expect(first).toContain(await decide(here, ask(key, pool)));
    await all(there, asks(29, key, pool));
    await cool(
      first.filter((id) => !leases.some(({ accountId }) => accountId === id)),
      60,
    );
    const chosen = await all(here, asks(2, key, pool));
    expect(chosen.sort()).toEqual([...last].sort());
    expect(await decide(here, ask(key, pool))).toBe('accounts-full');
  });

  it('finds the one place that another replica gave back', async () => {
    const [key, ids] = [await rig.key(), await accounts(50, { max: 1 })];
    const pool = ids.map((id) => candidate(id));
    await all(there, asks(50, key, pool));
    expect(await decide(here, ask(key, pool))).toBe('accounts-full');
    const [given] = leases.splice(20, 1);
    if (given === undefined) throw new Error('Nothing was taken');
    await there.settle(settlement(given));
    await eventually(async () => (await decide(here, ask(key, pool))) === given.accountId);
  });

  it('has a call that moves on its best, and on the last one that has room', async () => {
    const [key, first, last] = [
      await rig.key(),
      await accounts(50, { priority: 10, max: 1 }),
      await accounts(1, { priority: 20, max: 1 }),
    ];
    const pool = [...first, ...last].map((id) => candidate(id));
    const lease = leased(await here.admit(ask(key, pool)));
    const others = pool.filter(({ accountId }) => accountId !== lease.accountId);
    const second = leased(await here.move(move(lease, others)));
    expect(first).toContain(second.accountId);
    const free = others.filter(
      ({ accountId }) => accountId !== second.accountId && !last.includes(accountId),
    );
    const taken = await all(there, asks(48, key, free));
    expect([...taken].sort()).toEqual(free.map(({ accountId }) => accountId).sort());
    const left = others.filter(({ accountId }) => accountId !== second.accountId);
    const third = leased(await here.move(move(second, left)));
    expect(last).toEqual([third.accountId]);
    expect(await here.move(move(third, left.slice(0, -1)))).toMatchObject({ refusal: 'accounts-full' });
    await here.settle(settlement(third));
    // What it had until it was refused is another's.
    expect(await decide(there, ask(key, [...left.slice(0, -1), ...last]))).toBe(last[0]);
  });

  it('says of all why nobody serves, and when the first is back', async () => {
    const [key, ids] = [await rig.key(), await accounts(80)];
    const pool = ids.map((id) => candidate(id));
    await cool(ids.slice(0, 40), 'infinity');
    await cool(ids.slice(40), 600);
    await rig.query(`update cooldowns set until = now() + interval '30 seconds' where account_id = $1`, [
      ids[77],
    ]);
    const refused = await here.admit(ask(key, pool));
    expect(refused).toMatchObject({ admitted: false, refusal: 'accounts-cooling' });
    const { retryAfterMs = 0 } = refused as { retryAfterMs?: number };
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(30_000);
    expect(await decide(here, ask(key, pool.slice(0, 40)))).toBe('accounts-parked');
    await rig.query('update accounts set enabled = false where id = any ($1)', [ids]);
    await eventually(async () => (await decide(here, ask(key, pool.slice(0, 40)))) === 'no-account');
  });

  it('has the account of a session first, wherever it stands and whoever bound it', async () => {
    const [key, ids, behind] = [
      await rig.key(),
      await accounts(60),
      await accounts(2, { priority: 90, max: 1 }),
    ];
    const pool = [...ids, ...behind].map((id) => candidate(id));
    const [session, other] = [v7().replaceAll('-', ''), v7().replaceAll('-', '')];
    const [bound = '', elsewhere = ''] = behind;
    there.bind({ session, accountId: bound, livesS: 300 });
    there.bind({ session: other, accountId: elsewhere, livesS: 300 });
    await there.flush();
    const [one, two, three] = await Promise.all([
      here.admit(ask(key, pool, { session })),
      here.admit(ask(key, pool)),
      // Whose session's account is none of its candidates.
      here.admit(ask(key, pool.slice(0, 60), { session: other })),
    ]);
    leases.push(leased(one), leased(two), leased(three));
    expect(leased(one).accountId).toBe(bound);
    expect(ids).toContain(leased(two).accountId);
    expect(ids).toContain(leased(three).accountId);
    expect(three).toMatchObject({ bound: { accountId: elsewhere, isParked: false } });
    // It is full: the call goes to another one, and the binding stays.
    const spilled = await here.admit(ask(key, pool, { session }));
    leases.push(leased(spilled));
    expect(ids).toContain(leased(spilled).accountId);
    expect(spilled).toMatchObject({ bound: { accountId: bound, isParked: false } });
  });

  it('is stale where one of its best has changed, or is gone', async () => {
    const [key, ids] = [await rig.key(), await accounts(60)];
    const pool = ids.map((id) => candidate(id));
    expect(ids).toContain(await decide(here, ask(key, pool)));
    await rig.query('update accounts set version = 2, priority = 1 where id = $1', [ids[40]]);
    await eventually(async () => (await decide(here, ask(key, pool))) === 'stale');
    await rig.query('update accounts set version = 1, deleted_at = now() where id = $1', [ids[40]]);
    await eventually(async () => (await decide(here, ask(key, pool))) === 'stale');
  });

  it('has calls with a budget on accounts whose price is known, however many of another come before', async () => {
    const [key, best, priced] = [
      await rig.key({ budgets: { day: 1_000_000 } }),
      await accounts(60, { priority: 10 }),
      await accounts(1, { priority: 20 }),
    ];
    const hold = { nanos: 1n, tokens: 1, unpriced: new Set(best) };
    expect(await decide(here, ask(key, [...best, ...priced], { hold }))).toBe(priced[0]);
  });

  it('is not overdrawn, and no two wait for each other, where two replicas choose from it at once', async () => {
    const [key, ids] = [await rig.key(), await accounts(90, { max: 2 })];
    const deadlocks = async (): Promise<unknown> =>
      await rig.query('select deadlocks from pg_stat_database where datname = current_database()');
    const before = await deadlocks();
    const [pool, turned] = [ids, [...ids].reverse()].map((list) => list.map((id) => candidate(id)));
    if (pool === undefined || turned === undefined) throw new Error('No pools');
    const both = await Promise.all([
      ...[pool, turned].map((list) => all(here, asks(70, key, list))),
      ...[turned, pool].map((list) => all(there, asks(70, key, list))),
    ]);
    const chosen = both.flat();
    const taken = await rig.inUseByAccount(ids);
    expect(new Set(taken.values())).toEqual(new Set([2]));
    expect(chosen.filter((one) => one === 'accounts-full')).toHaveLength(280 - 180);
    expect(await deadlocks()).toEqual(before);
  });
});
