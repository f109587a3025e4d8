import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_USAGE } from '../../src/dialects/dialect.ts';
import {
  AdmissionUnavailable,
  type AdmissionRequest,
  type Decision,
  type GraceTerms,
  type Lease,
} from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, eventually, leased, move, SchedulingRig, settlement } from '../support/scheduling.ts';
import { UnsteadyDatabase } from '../support/unsteady-database.ts';

const QUICK = { heartbeatMs: 100, epochTtlMs: 10_000, sweepMs: 50 };
const GRACE_MS = 30_000;

const FREE: GraceTerms = {
  limited: false,
  rates: [],
  teams: [],
  isLimited: () => false,
  priorityOf: () => 50,
};
const BOTH_LIMITED: GraceTerms = { ...FREE, limited: true, isLimited: () => true };

/** Section 2.4 of reliability.md: who is admitted while Postgres is away, and what the ledger says afterwards. */
describe('grace, while the database is away,', () => {
  let rig: SchedulingRig;
  let spoolDir: string;
  let key: string;
  let account: string;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
  });
  beforeEach(async () => {
    spoolDir = join(tmpdir(), 'llm-relay-test-spools', randomUUID());
    [key, account] = [await rig.key({ max: 2 }), await rig.account({ max: 2 })];
  });
  afterEach(async () => {
    await rig.close();
    await expectQuiet(rig.url);
    await rm(spoolDir, { recursive: true, force: true });
  });
  afterAll(() => rig.end());

  const unsteady = async (options: { graceMs?: number; spoolDir?: string | undefined } = {}) => {
    const database = new UnsteadyDatabase();
    const more = { graceMs: GRACE_MS, spoolDir, ...options };
    const { spoolDir: folder, ...rest } = more;
    const scheduler = await rig.replica({
      wrap: database.wrap,
      clocks: QUICK,
      ...rest,
      ...(folder !== undefined && { spoolDir: folder }),
    });
    return { database, scheduler };
  };
  const request = (grace: GraceTerms | undefined, change: Partial<AdmissionRequest> = {}) =>
    ask(key, [account], { grace, ...change });
  const take = async (scheduler: Scheduler, one: AdmissionRequest) => {
    const lease = leased(await scheduler.admit(one));
    await scheduler.begin(() => settlement(lease, { usage: NO_USAGE, costNanos: 0n }));
    return lease;
  };
  const rows = () =>
    rig.query<{ request_id: string; attempt: number }>(
      'select request_id, attempt from ledger where key_id = $1 order by 1, 2',
      [key],
    );
  const places = async () => [
    (await rig.inUseByKey([key])).get(key)?.inUse,
    (await rig.inUseByAccount([account])).get(account),
  ];

  it('admits what nothing limits, and writes each call once when the database is back', async () => {
    const { database, scheduler } = await unsteady();
    const before = await take(scheduler, request(FREE));
    database.away = true;
    const leases = await Promise.all(Array.from({ length: 20 }, () => take(scheduler, request(FREE))));
    const settled = [before, ...leases].map((lease) => scheduler.settle(settlement(lease)));
    expect(await rows()).toHaveLength(0);
    database.away = false;
    await Promise.all(settled);
    await eventually(async () => (await scheduler.checkCounters()).openCalls === 0);
    expect((await rows()).map((row) => row.request_id)).toEqual(
      [before, ...leases].map(({ requestId }) => requestId).sort(),
    );
  });

  it('leaves a session on its account', async () => {
    const { database, scheduler } = await unsteady();
    const session = randomUUID().replaceAll('-', '');
    const pool = [await rig.account(), await rig.account(), account];
    const turn = async (change: Partial<AdmissionRequest>) => {
      const lease = await take(scheduler, ask(key, pool, { grace: FREE, ...change }));
      settled.push(scheduler.settle(settlement(lease)));
      return lease.accountId;
    };
    const settled: Promise<void>[] = [];
    const bound = await turn({ session });
    scheduler.bind({ session, accountId: bound, livesS: 300 });
    await scheduler.flush();
    database.away = true;
    const turns: string[] = [];
    const others = new Set<string>();
    for (let at = 0; at < 6; at += 1) {
      others.add(await turn({}));
      turns.push(await turn({ session }));
    }
    expect(turns).toEqual(turns.map(() => bound));
    expect(others.size).toBeGreaterThan(1);
    database.away = false;
    await Promise.all(settled);
    await eventually(async () => (await scheduler.checkCounters()).openCalls === 0);
  });

  it.each([GRACE_MS, 0])(
    'D9: forgets no settlement that a copy of the database which takes over has not heard of: %i ms of grace',
    async (graceMs) => {
      const { database, scheduler } = await unsteady({ graceMs });
      const lease = await take(scheduler, request(undefined));
      await rig.query('create table copied as select * from open_calls where request_id = $1', [
        lease.requestId,
      ]);
      await scheduler.settle(settlement(lease, { costNanos: 0n }));
      expect([await rows(), await places()]).toEqual([[expect.anything()], [0, 0]]);
      // As the copy has it: the call is open, and its row is not there.
      await rig.query('delete from ledger where request_id = $1', [lease.requestId]);
      await rig.query('insert into open_calls select * from copied');
      await rig.query('update key_state set in_use = in_use + 1 where id = $1', [key]);
      await rig.query('update account_state set in_use = in_use + 1 where id = $1', [account]);
      await rig.query('drop table copied');
      database.away = true;
      await new Promise((resolve) => setTimeout(resolve, 5 * QUICK.heartbeatMs));
      database.away = false;
      await eventually(async () => (await rows()).length === 1);
      expect(await places()).toEqual([0, 0]);
    },
  );

  it('hands a limited place on from call to call, never two calls in one', async () => {
    const { database, scheduler } = await unsteady();
    const [first, second] = [
      await take(scheduler, request(BOTH_LIMITED)),
      await take(scheduler, request(BOTH_LIMITED)),
    ];
    database.away = true;
    await expect(scheduler.admit(request(BOTH_LIMITED))).resolves.toMatchObject({ refusal: 'key-full' });
    void scheduler.settle(settlement(first));
    void scheduler.settle(settlement(first));
    const third = await take(scheduler, request(BOTH_LIMITED));
    await expect(scheduler.admit(request(BOTH_LIMITED))).resolves.toMatchObject({ refusal: 'key-full' });
    void scheduler.settle(settlement(third));
    const fourth = await take(scheduler, request(BOTH_LIMITED));

    database.away = false;
    await eventually(async () => (await rows()).length === 2);
    // The row of the first call stands for the fourth, so that the counters have what runs.
    expect(await places()).toEqual([2, 2]);
    expect((await scheduler.checkCounters()).differences).toEqual([]);
    await expect(scheduler.admit(request(BOTH_LIMITED))).resolves.toMatchObject({ refusal: 'key-full' });
    await Promise.all([fourth, second].map((lease) => scheduler.settle(settlement(lease))));
    await eventually(async () => (await scheduler.checkCounters()).openCalls === 0);
    expect(await places()).toEqual([0, 0]);
    expect(await rows()).toHaveLength(4);
  });

  it('lets no other key go on in the row of a limited key, which would be counted and could not call', async () => {
    const { database, scheduler } = await unsteady();
    const [free, freeToo] = [await rig.key(), await rig.key()];
    const ofFree = (keyId: string) => request({ ...FREE, isLimited: () => true }, { keyId });
    const [limited, other] = [
      await take(scheduler, request(BOTH_LIMITED)),
      await take(scheduler, ofFree(free)),
    ];
    database.away = true;
    await expect(scheduler.admit(ofFree(freeToo))).resolves.toMatchObject({ refusal: 'accounts-full' });
    void scheduler.settle(settlement(limited));
    await expect(scheduler.admit(ofFree(freeToo))).resolves.toMatchObject({ refusal: 'accounts-full' });
    void scheduler.settle(settlement(other));
    const next = await take(scheduler, ofFree(freeToo));

    database.away = false;
    await eventually(async () => (await rows()).length === 1);
    // Of the limited key nothing runs, and nothing is counted; the account's place is taken by the row of the first.
    await eventually(async () => (await places())[0] === 0);
    expect(await places()).toEqual([0, 1]);
    await scheduler.settle(settlement(next));
    await eventually(async () => (await scheduler.checkCounters()).openCalls === 0);
  });

  it('gives vacant places back to the database as soon as it is there', async () => {
    const { database, scheduler } = await unsteady();
    const lease = await take(scheduler, request(BOTH_LIMITED));
    database.away = true;
    await expect(scheduler.admit(request(BOTH_LIMITED))).resolves.toMatchObject({ admitted: false });
    void scheduler.settle(settlement(lease));
    database.away = false;
    await eventually(async () => (await scheduler.checkCounters()).openCalls === 0);
    expect(await rows()).toHaveLength(1);
  });

  it('does not hand on an account’s place that a move may have changed', async () => {
    const { database, scheduler } = await unsteady();
    const other = await rig.account({ max: 2 });
    const lease = await take(scheduler, request(BOTH_LIMITED));
    database.away = true;
    await expect(scheduler.move(move(lease, [other]))).rejects.toBeInstanceOf(AdmissionUnavailable);
    void scheduler.settle(settlement(lease));
    await expect(scheduler.admit(request(BOTH_LIMITED))).resolves.toMatchObject({ refusal: 'accounts-full' });
    database.away = false;
    await eventually(async () => (await scheduler.checkCounters()).openCalls === 0);
  });

  it('keeps to a rate of its own while nobody knows what the burst still holds', async () => {
    const { database, scheduler } = await unsteady();
    database.away = true;
    const rated = { ...FREE, rates: [{ id: key, requestsPerMinute: 1, tokensPerMinute: null }] };
    const lease = await take(scheduler, request(rated));
    const refused = await scheduler.admit(request(rated));
    expect(refused).toMatchObject({ refusal: 'requests-rate' });
    expect(refused.admitted ? 0 : (refused.retryAfterMs ?? 0)).toBeGreaterThan(45_000);
    database.away = false;
    await scheduler.settle(settlement(lease));
  });

  it('does not send a call to an account that was told to rest', async () => {
    const { database, scheduler } = await unsteady();
    const other = await rig.account();
    await scheduler.settle(settlement(await take(scheduler, request(FREE))));
    await scheduler.rests.cool({
      accountId: account,
      modelFamily: null,
      reason: 'rate-limited',
      evidence: 'HTTP 429',
      forMs: 60_000,
      credentialsVersion: 1,
    });
    database.away = true;
    const lease = await take(scheduler, request(FREE, { candidates: ask(key, [account, other]).candidates }));
    expect(lease.accountId).toBe(other);
    await expect(scheduler.admit(request(FREE))).resolves.toMatchObject({ refusal: 'accounts-cooling' });
    database.away = false;
    await scheduler.settle(settlement(lease));

    // The database gives it again: whatever it rested for is over.
    await rig.query('delete from cooldowns where account_id = $1', [account]);
    await scheduler.settle(settlement(await take(scheduler, request(FREE))));
    database.away = true;
    const again = await take(scheduler, request(FREE));
    expect(again.accountId).toBe(account);
    database.away = false;
    await scheduler.settle(settlement(again));
  });

  it.each([
    ['the key has a budget', {}, undefined],
    ['there is no disk to write it down on', { spoolDir: undefined }, FREE],
    ['it is switched off', { graceMs: 0 }, FREE],
  ])('admits nothing where %s', async (_why, options, terms) => {
    const { database, scheduler } = await unsteady(options);
    const lease = await take(scheduler, request(FREE));
    database.away = true;
    await expect(scheduler.admit(request(terms))).rejects.toBeInstanceOf(AdmissionUnavailable);
    database.away = false;
    await scheduler.settle(settlement(lease));
  });

  it('ends after its time, and begins anew with the next outage', async () => {
    const { database, scheduler } = await unsteady({ graceMs: 300 });
    await scheduler.settle(settlement(await take(scheduler, request(FREE))));
    database.away = true;
    const first = await take(scheduler, request(FREE));
    const over = async (): Promise<boolean> => {
      const answer = await scheduler.admit(request(FREE)).catch((error: unknown) => error);
      if (answer instanceof AdmissionUnavailable) return true;
      void scheduler.settle(settlement(leased(answer as Awaited<ReturnType<Scheduler['admit']>>)));
      return false;
    };
    await eventually(over);
    database.away = false;
    await scheduler.settle(settlement(first));
    await eventually(() => scheduler.readiness() === true);
    await scheduler.settle(settlement(await take(scheduler, request(FREE))));
    database.away = true;
    const second = await take(scheduler, request(FREE));
    database.away = false;
    await scheduler.settle(settlement(second));
  });

  it('ends after its time although heartbeats are answered, and begins anew once an admission was', async () => {
    const { database, scheduler } = await unsteady({ graceMs: 500 });
    await scheduler.settle(settlement(await take(scheduler, request(FREE))));
    const open: Lease[] = [];
    const answer = async (): Promise<unknown> => {
      const decision = await scheduler.admit(request(FREE)).catch((error: unknown) => error);
      if (decision instanceof AdmissionUnavailable) return decision;
      open.push(leased(decision as Decision));
      return undefined;
    };
    database.unanswered.add('admit');
    expect(await answer()).toBeUndefined();
    await eventually(async () => (await answer()) instanceof AdmissionUnavailable);
    // The beats come every 100 ms and are answered.
    for (let turn = 0; turn < 5; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await answer()).toBeInstanceOf(AdmissionUnavailable);
    }
    expect(scheduler.readiness()).toBe(true);
    database.unanswered.clear();
    expect(await answer()).toBeUndefined();
    database.unanswered.add('admit');
    expect(await answer()).toBeUndefined();
    database.unanswered.clear();
    await Promise.all(open.map((lease) => scheduler.settle(settlement(lease))));
  });

  it('leaves nothing out when the replica is killed meanwhile: another replays its spool', async () => {
    const { database, scheduler } = await unsteady();
    const first = await take(scheduler, request(BOTH_LIMITED));
    database.away = true;
    await expect(scheduler.admit(request({ ...BOTH_LIMITED, limited: true }))).resolves.toMatchObject({
      admitted: false,
    });
    void scheduler.settle(settlement(first));
    const second = await take(scheduler, request(BOTH_LIMITED));
    // It never comes back: the database stays away for this one, and others take its epoch for dead.
    await rig.query('update replicas set dead_at = clock_timestamp() where epoch = $1', [first.epoch]);
    const heir = await rig.replica({ clocks: QUICK, spoolDir });
    await eventually(async () => (await rows()).length === 2);
    await eventually(async () => (await heir.checkCounters()).openCalls === 0);
    expect((await rows()).map((row) => row.request_id)).toEqual([first.requestId, second.requestId].sort());
    expect((await heir.checkCounters()).differences).toEqual([]);
    // It was only cut off, and settles what others have settled for it.
    database.away = false;
    await Promise.all([first, second].map((lease) => scheduler.settle(settlement(lease))));
    await scheduler.flush();
    expect(await rows()).toHaveLength(2);
  });
});
