import { setTimeout as sleep } from 'node:timers/promises';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import type { Cooling } from '../../src/scheduler/sql/cooldowns.ts';
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
  const cooled = (accountId: string, forMs: number | 'infinity', change: Partial<Cooling> = {}) =>
    scheduler.rests.cool({
      accountId,
      modelFamily: null,
      forMs,
      reason: 'credential-refused',
      evidence: 'HTTP 401 after a refresh',
      credentialsVersion: 3,
      ...change,
    });
  const cool = async (...cooling: Parameters<typeof cooled>) => (await cooled(...cooling)).became;
  const MINUTE = 60_000;
  /** As if the time had passed. */
  const end = (accountId: string) =>
    rig.query(
      `update cooldowns set created_at = created_at - (until - clock_timestamp()) - interval '1 ms',
          until = clock_timestamp() - interval '1 ms'
        where account_id = $1 and until > clock_timestamp()`,
      [accountId],
    );
  /** How long the account's newest rest is, to the second. */
  const restOf = async (accountId: string): Promise<number> => {
    const [row] = await rig.query<{ seconds: number }>(
      `select round(extract(epoch from until - created_at))::integer as seconds from cooldowns
        where account_id = $1 order by created_at desc, until desc limit 1`,
      [accountId],
    );
    return row?.seconds ?? 0;
  };
  /** A pool whose accounts all have the same name for a model. */
  const alike = (accounts: readonly string[], modelFamily = 'm') =>
    accounts.map((accountId) => ({ accountId, modelFamily }));
  const rowsOf = async (accountId: string): Promise<number> =>
    (await rig.query('select from cooldowns where account_id = $1', [accountId])).length;

  it('keep an account from being chosen and tell the soonest recovery', async () => {
    const [first, second, third] = [await rig.account(), await rig.account(), await rig.account()];
    expect(await cool(first, MINUTE)).toBe('cooling');
    expect(await cool(second, 60 * MINUTE)).toBe('cooling');
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
    await cool(account, MINUTE, { modelFamily: 'claude-opus' });
    expect(await decide([candidate(account, { modelFamily: 'claude-sonnet' })])).toBe(account);
    expect(await decide([candidate(account, { modelFamily: 'claude-opus' })])).toMatchObject({
      refusal: 'accounts-cooling',
    });
  });

  it('go by full accounts and by cooling ones to the next tier', async () => {
    const [first, second] = [await rig.account(), await rig.account()];
    await cool(first, 'infinity');
    expect(await decide([first, candidate(second, { tier: 1 })])).toBe(second);
  });

  it('end by themselves', async () => {
    const account = await rig.account();
    await cool(account, MINUTE);
    await end(account);
    expect(await decide([account])).toBe(account);
  });

  it('until infinity wait for a person, who clears them or stores new credentials', async () => {
    const account = await rig.account();
    await store(account, 3);
    expect(await cool(account, 'infinity')).toBe('cooling');
    expect(await decide([account])).toEqual({ admitted: false, refusal: 'accounts-parked' });
    await rig.query('delete from cooldowns where account_id = $1', [account]);
    expect(await decide([account])).toBe(account);

    await cool(account, 'infinity');
    await store(account, 4);
    expect(await decide([account])).toBe(account);
    expect((await scheduler.survey.stateOf([candidate(account)]))[0]?.rest).toBeNull();
  });

  it('are not written by a verdict on credentials that have been replaced', async () => {
    const account = await rig.account();
    await store(account, 4);
    expect(await cool(account, 'infinity')).toBe('outdated');
    expect(await decide([account])).toBe(account);
  });

  it('are written once for many equal verdicts, and listed', async () => {
    const account = await rig.account();
    const answers = await Promise.all([1, 2, 3].map(() => cool(account, 'infinity')));
    expect(answers.sort()).toEqual(['cooling', 'known', 'known']);
    expect(await rowsOf(account)).toBe(1);
    const [state] = await scheduler.survey.stateOf([candidate(account)]);
    expect(state?.rest).toEqual({
      reason: 'credential-refused',
      evidence: 'HTTP 401 after a refresh',
      until: null,
    });
  });

  it('are not shortened by a verdict that says less, and are lengthened by one that says more', async () => {
    const account = await rig.account();
    expect(await cool(account, MINUTE, { reason: 'rate-limit' })).toBe('cooling');
    expect(await cool(account, 10_000, { reason: 'rate-limit' })).toBe('known');
    expect(await cool(account, 59_000, { reason: 'rate-limit' })).toBe('known');
    expect(await cool(account, 5 * MINUTE, { reason: 'rate-limit' })).toBe('cooling');
    const refused = await decide([account]);
    const wait = typeof refused === 'string' || refused.admitted ? 0 : (refused.retryAfterMs ?? 0);
    expect(wait).toBeGreaterThan(4 * MINUTE);
  });

  it('are not written by a call that was admitted before they were, however late its verdict comes', async () => {
    const account = await rig.account();
    const [{ now } = { now: new Date() }] = await rig.query<{ now: Date }>('select clock_timestamp() as now');
    expect(await cool(account, 20, { reason: 'rate-limit', since: now })).toBe('cooling');
    await sleep(50);
    expect(await cool(account, 20, { reason: 'rate-limit', since: now })).toBe('known');
    expect(await cool(account, MINUTE, { reason: 'rate-limit', since: now })).toBe('cooling');
  });

  it('that grow double with each return of the same trouble, up to their most, and begin anew after rest', async () => {
    const account = await rig.account();
    const grow = () => cool(account, 10_000, { reason: 'ejected', modelFamily: 'm', growsToMs: 30_000 });
    const rests: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      expect(await grow()).toBe('cooling');
      // What was still under way when it began is not another return.
      expect(await grow()).toBe('known');
      rests.push(await restOf(account));
      await end(account);
    }
    expect(rests).toEqual([10, 20, 30, 30]);
    await rig.query(`update cooldowns set until = until - interval '11 minutes' where account_id = $1`, [
      account,
    ]);
    await grow();
    expect(await restOf(account)).toBe(10);
    expect(await rowsOf(account)).toBe(5);
  });

  it('for failing leave at least half of a pool, those with other trouble not counted: U8', async () => {
    const pool = [await rig.account(), await rig.account(), await rig.account(), await rig.account()];
    const eject = (account: string, family = 'm') =>
      cool(account, MINUTE, {
        reason: 'ejected',
        modelFamily: family,
        growsToMs: MINUTE,
        pool: alike(pool, family),
      });
    const [first = '', second = '', third = '', fourth = ''] = pool;
    const answers = await Promise.all(pool.map((account) => eject(account)));
    expect(answers.sort()).toEqual(['cooling', 'cooling', 'too-many', 'too-many']);
    // Another model's pool is another pool.
    expect(await eject(first, 'other')).toBe('cooling');
    await rig.query('delete from cooldowns where account_id = any ($1)', [pool]);

    await cool(first, 'infinity');
    await cool(second, MINUTE, { reason: 'rate-limit', modelFamily: 'm' });
    expect(await eject(third)).toBe('cooling');
    expect(await eject(fourth)).toBe('too-many');
  });

  it('for failing leave at least half of a pool whose accounts have names of their own for the model: U8', async () => {
    const pool = await Promise.all(
      ['claude', 'anthropic.claude', 'mapped', 'claude'].map(async (modelFamily) => ({
        accountId: await rig.account(),
        modelFamily,
      })),
    );
    const answers = await Promise.all(
      pool.map(({ accountId, modelFamily }) =>
        cool(accountId, MINUTE, { reason: 'ejected', modelFamily, growsToMs: MINUTE, pool }),
      ),
    );
    expect(answers.sort()).toEqual(['cooling', 'cooling', 'too-many', 'too-many']);
  });

  it('tell how long the account rests, in the end by what was written before', async () => {
    const account = await rig.account();
    const rate = { reason: 'rate-limit' };
    expect(await cooled(account, MINUTE, rate)).toEqual({ became: 'cooling', forMs: MINUTE });
    const { became, forMs } = await cooled(account, 10_000, rate);
    expect(became).toBe('known');
    expect(forMs).toBeGreaterThan(50_000);
    expect(forMs).toBeLessThanOrEqual(MINUTE);
    expect(await cooled(account, 'infinity')).toEqual({ became: 'cooling', forMs: 'infinity' });
    const [only] = [await rig.account()];
    expect(await cooled(only, MINUTE, { reason: 'ejected', modelFamily: 'm', pool: alike([only]) })).toEqual({
      became: 'too-many',
      forMs: undefined,
    });
  });

  it('for failing never take the only account', async () => {
    const account = await rig.account();
    const cooled = await cool(account, MINUTE, {
      reason: 'ejected',
      modelFamily: 'm',
      pool: alike([account]),
    });
    expect(cooled).toBe('too-many');
    expect(await decide([candidate(account, { modelFamily: 'm' })])).toBe(account);
  });
});
