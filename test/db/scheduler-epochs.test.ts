import { jest } from '@jest/globals';
import type { Lease } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { sweepEpochs } from '../../src/scheduler/sql/epochs.ts';
import { HotPool } from '../../src/database/hot-pool.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, eventually, leased, SchedulingRig, settlement } from '../support/scheduling.ts';
import { UnsteadyDatabase } from '../support/unsteady-database.ts';

const SHORT = { heartbeatMs: 100, epochTtlMs: 1_000, sweepMs: 50 };

/** Rows of reliability.md: I8, P5, A6, and §3.2 "Silence counts only while the database answered". */
describe('epochs', () => {
  let rig: SchedulingRig;
  let key: string;
  let account: string;
  beforeEach(async () => {
    rig = await SchedulingRig.create();
    [key, account] = [await rig.key(), await rig.account({ max: 50 })];
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await rig.close();
    await expectQuiet(rig.url);
    await rig.end();
  });

  const frail = async () => {
    const database = new UnsteadyDatabase();
    return { database, scheduler: await rig.replica({ wrap: database.wrap, clocks: SHORT }) };
  };
  const take = async (scheduler: Scheduler) => leased(await scheduler.admit(ask(key, [account])));
  const outcomes = async (leases: readonly Lease[]) => {
    const rows = await rig.query<{ outcome: string }>(
      'select outcome from ledger where request_id = any ($1::uuid[])',
      [leases.map(({ requestId }) => requestId)],
    );
    return rows.map(({ outcome }) => outcome);
  };
  const dead = async () => (await rig.query('select from replicas where dead_at is not null')).length;

  it('of a dead replica are written off by another, and its places come back', async () => {
    const [{ database, scheduler }, other] = [await frail(), await rig.replica({ clocks: SHORT })];
    const leases = [await take(scheduler), await take(scheduler)];
    const own = await take(other);
    database.away = true;
    await eventually(async () => (await outcomes(leases)).length === 2);
    expect(
      await rig.query('select estimated, cost_nanos, output_tokens, upstream_model from ledger'),
    ).toEqual([
      { estimated: true, cost_nanos: '0', output_tokens: '0', upstream_model: 'claude-sonnet-4-5' },
      { estimated: true, cost_nanos: '0', output_tokens: '0', upstream_model: 'claude-sonnet-4-5' },
    ]);
    expect(await rig.inUseByAccount([account])).toEqual(new Map([[account, 1]]));
    await other.settle(settlement(own));
  });

  it('count a settlement that comes after the write-off once, with the true figures', async () => {
    const [{ database, scheduler }] = [await frail(), await rig.replica({ clocks: SHORT })];
    const lease = await take(scheduler);
    database.away = true;
    await eventually(async () => (await outcomes([lease])).length === 1);
    const settling = scheduler.settle(
      settlement(lease, { usage: { ...settlement(lease).usage, inputTokens: 99 } }),
    );
    database.away = false;
    await settling;
    await scheduler.settle(settlement(lease));
    expect(await rig.query('select outcome, input_tokens, estimated, cost_nanos from ledger')).toEqual([
      { outcome: 'completed', input_tokens: '99', estimated: false, cost_nanos: '105000' },
    ]);
  });

  it('end with silence: nothing is admitted until it beats again, then under a new epoch', async () => {
    const [{ database, scheduler }] = [await frail(), await rig.replica({ clocks: SHORT })];
    const before = await take(scheduler);
    database.away = true;
    await eventually(async () => (await dead()) === 1);
    expect(scheduler.readiness()).not.toBe(true);
    database.away = false;
    const after = await take(scheduler);
    expect(after.epoch).not.toBe(before.epoch);
    await scheduler.settle(settlement(after));
  });

  it('are checked by the database too: a replica that does not know yet gets a new one first', async () => {
    const { scheduler } = await frail();
    const before = await take(scheduler);
    await scheduler.settle(settlement(before));
    await rig.query('update replicas set dead_at = clock_timestamp()');
    const after = await take(scheduler);
    expect(after.epoch).not.toBe(before.epoch);
    await scheduler.settle(settlement(after));
  });

  it('go on after a silence that nobody has marked', async () => {
    const { database, scheduler } = await frail();
    const before = await take(scheduler);
    database.away = true;
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(scheduler.readiness()).not.toBe(true);
    database.away = false;
    const after = await take(scheduler);
    expect(after.epoch).toBe(before.epoch);
    await Promise.all([before, after].map((lease) => scheduler.settle(settlement(lease))));
  });

  it('of nobody are ended by an outage of the database', async () => {
    const replicas = [await frail(), await frail(), await frail()];
    const leases = await Promise.all(replicas.map(({ scheduler }) => take(scheduler)));
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    for (const { database } of replicas) database.away = true;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    for (const { database } of replicas) {
      database.away = false;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await dead()).toBe(0);
    expect(await outcomes(leases)).toEqual([]);
    for (const [index, { scheduler }] of replicas.entries()) {
      const lease = leases[index];
      if (lease !== undefined) await scheduler.settle(settlement(lease));
    }
    expect(await outcomes(leases)).toEqual(['completed', 'completed', 'completed']);
  });

  it('are closed with the replica, and what it still held is written off at once', async () => {
    const scheduler = await rig.replica();
    const lease = await take(scheduler);
    await scheduler.close();
    expect(await outcomes([lease])).toEqual(['orphaned']);
    await expect(scheduler.admit(ask(key, [account]))).rejects.toThrow('closed');
  });

  it('settle once when owner and sweepers come at the same moment', async () => {
    const scheduler = await rig.replica();
    const leases = await Promise.all(Array.from({ length: 50 }, () => take(scheduler)));
    await rig.query('update replicas set dead_at = clock_timestamp()');
    const sweepers = [1, 2].map(
      () => new HotPool({ url: rig.url, name: 'sweeper', max: 1, synchronousCommit: 'on' }),
    );
    const [swept] = await Promise.all([
      Promise.all(sweepers.map((pool) => sweepEpochs(pool, null))),
      ...leases.map((lease) => scheduler.settle(settlement(lease))),
    ]);
    expect(swept.reduce((sum, { orphaned }) => sum + orphaned, 0)).toBeLessThanOrEqual(50);
    expect(await outcomes(leases)).toEqual(leases.map(() => 'completed'));
    await Promise.all(sweepers.map((pool) => pool.close()));
  });

  it.each([-1, 1])(
    'and limits follow the database when the clock of the replica is off by %i h',
    async (hours) => {
      const now = Date.now.bind(Date);
      jest.spyOn(Date, 'now').mockImplementation(() => now() + hours * 3_600_000);
      const [scheduler, other] = [await rig.replica({ clocks: SHORT }), await rig.replica({ clocks: SHORT })];
      const [expired, valid] = [await rig.key({ expires: '-10 min' }), await rig.key({ expires: '10 min' })];
      expect(await scheduler.admit(ask(expired, [account]))).toMatchObject({ refusal: 'key-unusable' });
      const lease = leased(await scheduler.admit(ask(valid, [account])));
      expect(Math.abs(lease.admittedAt.getTime() - now())).toBeLessThan(60_000);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(await dead()).toBe(0);
      await other.settle(settlement(lease));
      const [row] = await rig.query<{ tableoid: string }>(
        'select tableoid::regclass::text as tableoid from ledger',
      );
      expect(row?.tableoid).toMatch(/^ledger_\d{4}_\d\d$/);
    },
  );
});
