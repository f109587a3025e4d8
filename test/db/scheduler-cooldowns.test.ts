import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, candidate, SchedulingRig, settlement } from '../support/scheduling.ts';

describe('cooldowns', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let key: string;

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
    key = await rig.key();
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  const decide = async (candidates: Parameters<typeof ask>[1]) => {
    const decision = await scheduler.admit(ask(key, candidates));
    if (!decision.admitted) return decision;
    await scheduler.settle(settlement(decision.lease));
    return decision.lease.accountId;
  };
  const store = (account: string, version: number) =>
    rig.query(
      `insert into account_credentials (account_id, version, encryption_key_id, sealed) values ($1, $2, 'k', '')
        on conflict (account_id) do update set version = excluded.version`,
      [account, version],
    );
  const park = (accountId: string, until: Date | 'infinity', modelFamily: string | null = null) =>
    scheduler.park({
      accountId,
      modelFamily,
      until,
      reason: 'credential-refused',
      evidence: 'HTTP 401 after a refresh',
      credentialsVersion: 3,
    });
  const soon = () => new Date(Date.now() + 60_000);

  it('keep an account from being chosen and tell the soonest recovery', async () => {
    const [first, second, third] = [await rig.account(), await rig.account(), await rig.account()];
    expect(await park(first, soon())).toBe(true);
    expect(await park(second, new Date(Date.now() + 3_600_000))).toBe(true);
    expect(await decide([first, second, third])).toBe(third);
    const refused = await decide([second, first]);
    expect(refused).toEqual({
      admitted: false,
      refusal: 'accounts-cooling',
      retryAfterMs: expect.any(Number) as unknown,
    });
    const wait = typeof refused === 'string' || refused.admitted ? 0 : (refused.retryAfterMs ?? 0);
    expect(wait).toBeGreaterThan(50_000);
    expect(wait).toBeLessThanOrEqual(60_001);
  });

  it('of one model family leave the account to the others', async () => {
    const account = await rig.account();
    await park(account, soon(), 'claude-opus');
    expect(await decide([candidate(account, { modelFamily: 'claude-sonnet' })])).toBe(account);
    expect(await decide([candidate(account, { modelFamily: 'claude-opus' })])).toMatchObject({
      refusal: 'accounts-cooling',
    });
  });

  it('go by full accounts and by cooling ones to the next tier', async () => {
    const [first, second] = [await rig.account(), await rig.account()];
    await park(first, 'infinity');
    expect(await decide([first, candidate(second, { tier: 1 })])).toBe(second);
  });

  it('end by themselves', async () => {
    const account = await rig.account();
    await park(account, soon());
    await rig.query(
      `update cooldowns set until = clock_timestamp() - interval '1 ms' where account_id = $1`,
      [account],
    );
    expect(await decide([account])).toBe(account);
  });

  it('until infinity wait for a person, who clears them or stores new credentials', async () => {
    const account = await rig.account();
    await store(account, 3);
    expect(await park(account, 'infinity')).toBe(true);
    expect(await decide([account])).toEqual({ admitted: false, refusal: 'accounts-parked' });
    await scheduler.clearCooldowns(account);
    expect(await decide([account])).toBe(account);

    await park(account, 'infinity');
    await store(account, 4);
    expect(await decide([account])).toBe(account);
    expect((await scheduler.cooldowns()).filter(({ accountId }) => accountId === account)).toEqual([]);
  });

  it('are not written by a verdict on credentials that have been replaced', async () => {
    const account = await rig.account();
    await store(account, 4);
    expect(await park(account, 'infinity')).toBe(false);
    expect(await decide([account])).toBe(account);
  });

  it('are written once for many equal verdicts, and listed', async () => {
    const account = await rig.account();
    for (let turn = 0; turn < 3; turn += 1) expect(await park(account, 'infinity')).toBe(true);
    expect((await scheduler.cooldowns()).filter(({ accountId }) => accountId === account)).toEqual([
      {
        id: expect.any(String) as unknown,
        accountId: account,
        modelFamily: null,
        reason: 'credential-refused',
        evidence: 'HTTP 401 after a refresh',
        createdAt: expect.any(Date) as unknown,
        until: 'infinity',
      },
    ]);
  });
});
