import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet } from '../support/quiet.ts';
import {
  type AccountSettings,
  ask,
  candidate,
  leased,
  move,
  SchedulingRig,
  settlement,
} from '../support/scheduling.ts';

const FAMILY = 'claude-sonnet';
const MINUTE = 60_000;

describe('an account that is near a limit', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let other: Scheduler;
  let key: string;

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
    other = await rig.replica();
    key = await rig.key();
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  /** One that has served before, as all have of whom anything is told. */
  async function account(settings: AccountSettings = {}): Promise<string> {
    const id = await rig.account(settings);
    await rig.query('insert into account_state (id) values ($1)', [id]);
    return id;
  }

  async function decide(
    candidates: Parameters<typeof ask>[1],
    change: Parameters<typeof ask>[2] = {},
    on = scheduler,
  ): Promise<string> {
    const lease = leased(await on.admit(ask(key, candidates, change)));
    await on.settle(settlement(lease));
    return lease.accountId;
  }

  it('is chosen after one with a worse priority, on every replica, and before nobody', async () => {
    const [near, worse] = [await account({ priority: 10 }), await account({ priority: 90 })];
    expect(await decide([near, worse])).toBe(near);
    await scheduler.rests.lean(near, FAMILY, MINUTE);
    expect(await decide([near, worse])).toBe(worse);
    expect(await decide([near, worse], {}, other)).toBe(worse);
    expect(await decide([near])).toBe(near);
  });

  it('serves when the others are full, or at their limits as well', async () => {
    const [near, single] = [await account({ priority: 10 }), await account({ priority: 90, max: 1 })];
    await scheduler.rests.lean(near, FAMILY, MINUTE);
    const held = leased(await scheduler.admit(ask(key, [near, single])));
    expect(held.accountId).toBe(single);
    expect(await decide([near, single])).toBe(near);
    await scheduler.settle(settlement(held));
    await scheduler.rests.lean(single, FAMILY, MINUTE);
    expect(await decide([near, single])).toBe(near);
  });

  it('keeps its place in the chain of its key', async () => {
    const [near, next] = [await account(), await account()];
    await scheduler.rests.lean(near, FAMILY, MINUTE);
    expect(await decide([near, candidate(next, { tier: 1 })])).toBe(near);
  });

  it('is not preferred any longer, and is again when the time is over', async () => {
    const [near, free] = [await account({ priority: 90 }), await account({ priority: 10 })];
    expect(await decide([near, free], { preferredAccountId: near })).toBe(near);
    await scheduler.rests.lean(near, FAMILY, MINUTE);
    expect(await decide([near, free], { preferredAccountId: near })).toBe(free);
    await rig.query(`update account_state set lean = jsonb_build_object($2::text, 1) where id = $1`, [
      near,
      FAMILY,
    ]);
    expect(await decide([near, free], { preferredAccountId: near })).toBe(near);
  });

  it('is preferred among those that are as near to theirs, so that its cache is not left for nothing', async () => {
    const [near, better] = [await account({ priority: 90 }), await account({ priority: 10 })];
    for (const id of [near, better]) await scheduler.rests.lean(id, FAMILY, MINUTE);
    expect(await decide([near, better])).toBe(better);
    expect(await decide([near, better], { preferredAccountId: near })).toBe(near);
    const states = await scheduler.survey.stateOf([candidate(better), candidate(near)], near);
    expect(states.map(({ accountId }) => accountId)).toEqual([near, better]);
    // The chain of the key still comes first.
    const chain = [candidate(near, { tier: 1 }), candidate(better)];
    expect(await decide(chain, { preferredAccountId: near })).toBe(better);
  });

  it('is so for one model family, and for the latest of the times that were told', async () => {
    const [near, worse] = [await account({ priority: 10 }), await account({ priority: 90 })];
    await scheduler.rests.lean(near, FAMILY, 10 * MINUTE);
    await other.rests.lean(near, FAMILY, MINUTE);
    await other.rests.lean(near, 'claude-opus', MINUTE);
    const [row] = await rig.query<{ left: number }>(
      `select ((lean ->> $2)::bigint / 1000000 - extract(epoch from clock_timestamp()))::float8 as left
        from account_state where id = $1`,
      [near, FAMILY],
    );
    expect(row?.left).toBeGreaterThan(500);
    const haiku = [near, worse].map((id) => candidate(id, { modelFamily: 'claude-haiku' }));
    expect(await decide(haiku)).toBe(near);
    expect(await decide([near, worse])).toBe(worse);
  });

  it('remembers no more families than a few dozen', async () => {
    const near = await account();
    for (let at = 0; at < 60; at += 1) await scheduler.rests.lean(near, `family-${at}`, MINUTE);
    const [row] = await rig.query<{ n: number }>(
      'select count(*)::integer as n from account_state, jsonb_object_keys(lean) where id = $1',
      [near],
    );
    expect(row?.n).toBeLessThanOrEqual(50);
    expect(row?.n).toBeGreaterThan(0);
  });

  it('is the last one to which a call goes on', async () => {
    const [bad, near, worse] = [
      await account(),
      await account({ priority: 10 }),
      await account({ priority: 90 }),
    ];
    await scheduler.rests.lean(near, FAMILY, MINUTE);
    const lease = leased(await scheduler.admit(ask(key, [bad])));
    const next = leased(await scheduler.move(move(lease, [near, worse], { preferredAccountId: near })));
    expect(next.accountId).toBe(worse);
    await scheduler.settle(settlement(next));
    // On a new connection, it is asked again for what it was asked before.
    const asked = leased(await scheduler.admit(ask(key, [near])));
    const anew = leased(await scheduler.move(move(asked, [near, worse], { preferredAccountId: near })));
    expect(anew.accountId).toBe(near);
    await scheduler.settle(settlement(anew));
  });
});
