import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, candidate, leased, SchedulingRig, settlement } from '../support/scheduling.ts';
import type { AdmissionRequest, Lease } from '../../src/scheduler/admission.ts';

describe('admission', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  const leases: [Lease, AdmissionRequest][] = [];

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
  });
  afterEach(async () => {
    await Promise.all(
      leases.splice(0).map(([lease, { lane }]) => scheduler.settle(settlement(lease, { lane }))),
    );
    await expectQuiet(rig.url);
  });
  afterAll(() => rig.end());

  /** An account's id, or the refusal. */
  async function decide(request: AdmissionRequest): Promise<string> {
    const decision = await scheduler.admit(request);
    if (!decision.admitted) return decision.refusal;
    leases.push([decision.lease, request]);
    return decision.lease.accountId;
  }

  it('writes the open row before it answers, with everything the ledger will need', async () => {
    const [key, account] = [await rig.key(), await rig.account()];
    const request = ask(key, [account]);
    await decide(request);
    const rows = await rig.query(
      `select o.*, o.at::text as at, r.epoch is not null as known from open_calls o left join replicas r using (epoch)`,
    );
    expect(rows).toEqual([
      expect.objectContaining({
        request_id: request.requestId,
        attempt: 1,
        key_id: key,
        account_id: account,
        lane: 'generate',
        door: 'claude',
        kind: 'claude',
        model: 'claude-sonnet-4-5',
        known: true,
      }),
    ]);
  });

  it.each([
    ['revoked', 'revoked_at = now()'],
    ['disabled', 'enabled = false'],
    ['deleted', 'deleted_at = now()'],
    ['expired', `expires_at = now() - interval '1 second'`],
  ])('refuses a key that is %s, though the caller does not know it yet', async (_word, change) => {
    const [key, account] = [await rig.key(), await rig.account()];
    await rig.query(`update api_keys set ${change} where id = $1`, [key]);
    expect(await decide(ask(key, [account]))).toBe('key-unusable');
  });

  it('refuses a key that is not there, and admits its neighbours in the same batch', async () => {
    const [key, account] = [await rig.key(), await rig.account()];
    const answers = await Promise.all([
      decide(ask(key, [account])),
      decide(ask('00000000-0000-7000-8000-000000000000', [account])),
      decide(ask('ffffffff-0000-7000-8000-000000000000', [account])),
      decide(ask(key, [account])),
    ]);
    expect(answers).toEqual([account, 'key-unusable', 'key-unusable', account]);
  });

  it('answers stale when the key or any candidate has changed, or a candidate is gone', async () => {
    const [key, first, second] = [await rig.key(), await rig.account(), await rig.account()];
    expect(await decide(ask(key, [first], { keyVersion: 2n }))).toBe('stale');
    expect(await decide(ask(key, [first, candidate(second, { version: 2n })]))).toBe('stale');
    await rig.query('update accounts set version = 2, deleted_at = now() where id = $1', [second]);
    expect(await decide(ask(key, [first, candidate(second, { version: 2n })]))).toBe('stale');
    expect(await decide(ask(key, ['00000000-0000-7000-8000-000000000000', first]))).toBe('stale');
    expect(await decide(ask(key, [first]))).toBe(first);
  });

  it('holds the limit of the key, within one batch too', async () => {
    const [key, account] = [await rig.key({ max: 2 }), await rig.account()];
    const answers = await Promise.all([1, 2, 3, 4].map(() => decide(ask(key, [account]))));
    expect(answers).toEqual([account, account, 'key-full', 'key-full']);
  });

  it('holds the limit of the account; 0 is no limit', async () => {
    const [key, small, free] = [await rig.key(), await rig.account({ max: 1 }), await rig.account()];
    const answers = await Promise.all([small, small, free, free].map((id) => decide(ask(key, [id]))));
    expect(answers).toEqual([small, 'accounts-full', free, free]);
  });

  it('knows an account that is disabled, and a call that no account may serve', async () => {
    const [key, off] = [await rig.key(), await rig.account({ enabled: false })];
    expect(await decide(ask(key, [off]))).toBe('no-account');
    expect(await decide(ask(key, []))).toBe('no-account');
  });

  it('takes the lower priority first, and the next when it is full', async () => {
    const key = await rig.key();
    const low = await rig.account({ priority: 60 });
    const high = await rig.account({ priority: 10, max: 1 });
    const request = () => ask(key, [low, high]);
    expect(await Promise.all([decide(request()), decide(request())])).toEqual([high, low]);
  });

  it('shares the load by weight', async () => {
    const key = await rig.key();
    const heavy = await rig.account({ weight: 3 });
    const light = await rig.account({ weight: 1 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => decide(ask(key, [light, heavy]))));
    expect(answers.filter((id) => id === heavy)).toHaveLength(30);
  });

  it('takes the least recently used of equals, across batches and within one', async () => {
    const key = await rig.key();
    const accounts = [await rig.account(), await rig.account(), await rig.account()];
    const alone: string[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      const lease = leased(await scheduler.admit(ask(key, accounts)));
      alone.push(lease.accountId);
      await scheduler.settle(settlement(lease));
    }
    expect(new Set(alone.slice(0, 3)).size).toBe(3);
    expect(alone.slice(3)).toEqual(alone.slice(0, 3));
    const together = await Promise.all([1, 2, 3].map(() => decide(ask(key, accounts, { lane: 'count' }))));
    expect(together).toEqual(alone.slice(0, 3));
  });

  it('goes to a higher tier only when no lower one has room, whatever the priority', async () => {
    const key = await rig.key();
    const first = await rig.account({ priority: 90, max: 1 });
    const second = await rig.account({ priority: 10, max: 1 });
    const request = () => ask(key, [candidate(second, { tier: 1 }), candidate(first, { tier: 0 })]);
    const answers = await Promise.all([1, 2, 3].map(() => decide(request())));
    expect(answers).toEqual([first, second, 'accounts-full']);
  });

  it('counts tokens without a place, 32 at once for a key', async () => {
    const [key, account] = [await rig.key({ max: 1 }), await rig.account({ max: 1 })];
    expect(await decide(ask(key, [account]))).toBe(account);
    const counts = await Promise.all(
      Array.from({ length: 40 }, () => decide(ask(key, [account], { lane: 'count' }))),
    );
    expect(counts.filter((answer) => answer === account)).toHaveLength(32);
    expect(counts.filter((answer) => answer === 'key-full')).toHaveLength(8);
    expect(await rig.inUseByKey([key])).toEqual(new Map([[key, { inUse: 1, counting: 32 }]]));
    expect(await rig.inUseByAccount([account])).toEqual(new Map([[account, 1]]));
  });

  it('opens nothing for a key once its revocation has committed, however many ask', async () => {
    const [key, account] = [await rig.key(), await rig.account()];
    let revoked = false;
    let opened = 0;
    const callers = Array.from({ length: 16 }, async () => {
      for (;;) {
        const over = revoked;
        const decision = await scheduler.admit(ask(key, [account]));
        if (!decision.admitted) return { over, refusal: decision.refusal };
        opened += 1;
        await scheduler.settle(settlement(decision.lease));
        if (over) throw new Error('A revoked key was admitted');
      }
    });
    while (opened < 50) await new Promise((resolve) => setTimeout(resolve, 5));
    await rig.query('update api_keys set revoked_at = clock_timestamp(), version = 2 where id = $1', [key]);
    const [before] = await rig.query<{ n: number }>(
      'select (select count(*) from ledger where key_id = $1)::integer + (select count(*) from open_calls where key_id = $1)::integer as n',
      [key],
    );
    revoked = true;
    for (const { refusal } of await Promise.all(callers)) expect(refusal).toBe('key-unusable');
    const [after] = await rig.query<{ n: number }>(
      'select count(*)::integer as n from ledger where key_id = $1',
      [key],
    );
    expect(after?.n).toBe(before?.n);
  });
});
