import type { Lease } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, candidate, leased, move, SchedulingRig, settlement } from '../support/scheduling.ts';

describe('the first call after a cooldown', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let other: Scheduler;
  let key: string;
  const open: Lease[] = [];

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
    other = await rig.replica();
    key = await rig.key();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((lease) => scheduler.settle(settlement(lease))));
    await expectQuiet(rig.url);
  });
  afterAll(() => rig.end());

  const OPUS = 'claude-opus';
  const SONNET = 'claude-sonnet';

  /** An account whose rests, one for each of these families (null: the whole account), are over. */
  async function rested(families: readonly (string | null)[] = [null], max = 0): Promise<string> {
    const accountId = await rig.account({ max });
    for (const modelFamily of families) {
      const evidence = { reason: 'rate-limit', evidence: 'HTTP 429', credentialsVersion: 1 };
      await scheduler.rests.cool({ accountId, modelFamily, forMs: 60_000, ...evidence });
    }
    await rig.query(
      `update cooldowns set created_at = created_at - interval '2 minutes', until = until - interval '2 minutes'
        where account_id = $1`,
      [accountId],
    );
    return accountId;
  }

  /** The account, with a star where the call is its probe, or why there is none. */
  async function decide(
    accounts: readonly string[],
    family = SONNET,
    on = scheduler,
    change: Parameters<typeof ask>[2] = {},
  ): Promise<string> {
    const candidates = accounts.map((id) => candidate(id, { modelFamily: family }));
    const decision = await on.admit(ask(key, candidates, change));
    if (!decision.admitted) return decision.refusal;
    open.push(decision.lease);
    return decision.lease.accountId + (decision.lease.probe === true ? '*' : '');
  }

  it('is a probe, and the account gets no other one while it is open, from any replica', async () => {
    const account = await rested();
    expect(await decide([account])).toBe(`${account}*`);
    expect(await decide([account])).toBe('accounts-full');
    expect(await decide([account], SONNET, other)).toBe('accounts-full');
    expect(await decide([account], OPUS)).toBe('accounts-full');
  });

  it('is one of those that come together', async () => {
    const account = await rested();
    const answers = await Promise.all(Array.from({ length: 8 }, () => decide([account])));
    expect(answers.filter((answer) => answer === `${account}*`)).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'accounts-full')).toHaveLength(7);
  });

  it('leaves the others to the accounts that are well, whatever is preferred', async () => {
    const [account, well] = [await rested(), await rig.account({ priority: 90 })];
    expect(await decide([account, well])).toBe(`${account}*`);
    expect(await decide([account, well])).toBe(well);
    expect(await decide([account, well], SONNET, scheduler, { preferredAccountId: account })).toBe(well);
  });

  it('is followed by all, once it has proven the account', async () => {
    const account = await rested();
    expect(await decide([account])).toBe(`${account}*`);
    await other.rests.prove(account, SONNET);
    expect(await decide([account])).toBe(account);
    expect(await decide([account])).toBe(account);
  });

  it('is followed by another probe when it ended without proof', async () => {
    const account = await rested();
    expect(await decide([account])).toBe(`${account}*`);
    await scheduler.rests.giveBackProbe(account, SONNET);
    expect(await decide([account])).toBe(`${account}*`);
    expect(await decide([account])).toBe('accounts-full');
  });

  it('keeps others out for no longer than its time, should it hang', async () => {
    const account = await rested();
    expect(await decide([account])).toBe(`${account}*`);
    const [row] = await rig.query<{ seconds: number }>(
      `select extract(epoch from probe_until - clock_timestamp())::float8 as seconds from cooldowns where account_id = $1`,
      [account],
    );
    expect(row?.seconds).toBeGreaterThan(20);
    expect(row?.seconds).toBeLessThanOrEqual(30);
    await rig.query(`update cooldowns set probe_until = clock_timestamp() where account_id = $1`, [account]);
    expect(await decide([account])).toBe(`${account}*`);
    expect(await decide([account])).toBe('accounts-full');
  });

  it('is none while the account still rests for something else, and one when it has failed again', async () => {
    const account = await rested();
    expect(await decide([account])).toBe(`${account}*`);
    const again = { reason: 'rate-limit', evidence: 'HTTP 429', credentialsVersion: 1 };
    await scheduler.rests.cool({ accountId: account, modelFamily: null, forMs: 60_000, ...again });
    expect(await decide([account])).toBe('accounts-cooling');
    await rig.query(
      `update cooldowns set until = clock_timestamp() where account_id = $1 and until > clock_timestamp()`,
      [account],
    );
    expect(await decide([account])).toBe(`${account}*`);
  });

  it('probes for its own model family alone where only that had rested', async () => {
    const account = await rested([OPUS, SONNET]);
    expect(await decide([account], OPUS)).toBe(`${account}*`);
    expect(await decide([account], OPUS)).toBe('accounts-full');
    expect(await decide([account], 'claude-haiku')).toBe(account);
    expect(await decide([account], SONNET)).toBe(`${account}*`);
    await scheduler.rests.prove(account, OPUS);
    expect(await decide([account], OPUS)).toBe(account);
    expect(await decide([account], SONNET)).toBe('accounts-full');
  });

  it('keeps every family waiting where the whole account had rested, and proves what it was asked for', async () => {
    const account = await rested([null, OPUS]);
    expect(await decide([account], SONNET)).toBe(`${account}*`);
    expect(await decide([account], OPUS)).toBe('accounts-full');
    await scheduler.rests.prove(account, SONNET);
    expect(await decide([account], SONNET)).toBe(account);
    expect(await decide([account], OPUS)).toBe(`${account}*`);
  });

  it('is none that only counts tokens, which is not kept out either', async () => {
    const account = await rested();
    expect(await decide([account], SONNET, scheduler, { lane: 'count' })).toBe(account);
    expect(await decide([account])).toBe(`${account}*`);
    expect(await decide([account], SONNET, scheduler, { lane: 'count' })).toBe(account);
  });

  it('may be the next attempt of a call, which goes by an account that is being probed', async () => {
    const [bad, account] = [await rig.account(), await rested()];
    const [first, second] = [
      leased(await scheduler.admit(ask(key, [bad]))),
      leased(await scheduler.admit(ask(key, [bad]))),
    ];
    const moved = leased(await scheduler.move(move(first, [account])));
    expect(moved).toMatchObject({ accountId: account, attempt: 2, probe: true });
    expect(await scheduler.move(move(second, [account]))).toEqual({
      admitted: false,
      refusal: 'accounts-full',
    });
    expect(await decide([account])).toBe('accounts-full');
    await scheduler.rests.prove(account, SONNET);
    const after = leased(await scheduler.move(move(second, [account])));
    expect(after.probe).toBeUndefined();
    open.push(moved, after);
  });

  it('lets in those who wait, once it has proven the account', async () => {
    const account = await rested();
    expect(await decide([account])).toBe(`${account}*`);
    const patience = {
      arrivedAt: performance.now(),
      signal: new AbortController().signal,
      waited: () => undefined,
    };
    const waiting = scheduler.admit(ask(key, [account]), patience);
    while (scheduler.waiting().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await other.rests.prove(account, SONNET);
    open.push(leased(await waiting));
  });

  it('never deadlocks with verdicts, proofs and clearings that come at the same moment', async () => {
    const accounts = await Promise.all([0, 1, 2].map(() => rested([null, OPUS, SONNET])));
    const evidence = { reason: 'rate-limit', evidence: 'HTTP 429', credentialsVersion: 1 };
    await Promise.all(
      Array.from({ length: 120 }, async (_, at) => {
        const account = accounts[at % 3] ?? '';
        const family = at % 2 === 0 ? OPUS : SONNET;
        const on = at % 4 < 2 ? scheduler : other;
        if (at % 5 === 0)
          await on.rests.cool({ accountId: account, modelFamily: family, forMs: 1, ...evidence });
        else if (at % 5 === 1) await on.rests.prove(account, family);
        else if (at % 5 === 2) await on.rests.giveBackProbe(account, family);
        else await decide([...accounts].reverse(), family, on);
      }),
    );
  });
});
