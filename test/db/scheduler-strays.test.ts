import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseUnavailable } from '../../src/database/database-unavailable.ts';
import type { GraceTerms } from '../../src/scheduler/admission.ts';
import { ask, eventually, leased, SchedulingRig, settlement } from '../support/scheduling.ts';
import { UnsteadyDatabase } from '../support/unsteady-database.ts';

const LIMITED: GraceTerms = {
  limited: true,
  rates: [],
  teams: [],
  isLimited: () => true,
  priorityOf: () => 50,
};

/** What becomes of requests whose first answer never came. */
describe('a request that is asked again after an outage', () => {
  let rig: SchedulingRig;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
  });
  afterAll(() => rig.end());

  const replica = (database: UnsteadyDatabase, queueMs: number, heartbeatMs: number, sweepMs: number) =>
    rig.replica({
      wrap: database.wrap,
      clocks: { heartbeatMs, epochTtlMs: 120_000, sweepMs },
      graceMs: 30_000,
      queueMs,
      spoolDir: join(tmpdir(), 'llm-relay-test-spools', randomUUID()),
    });
  const openRows = async (key: string): Promise<number> =>
    (await rig.query('select request_id from open_calls where key_id = $1', [key])).length;

  it('keeps its open row and its places, though it was noted as a stray before', async () => {
    const key = await rig.key({ max: 1 });
    const account = await rig.account({ max: 1 });
    const database = new UnsteadyDatabase();
    const scheduler = await replica(database, 8_000, 100, 100);
    await sleep(300);
    database.away = true;
    const signal = new AbortController().signal;
    const patience = { arrivedAt: performance.now(), signal, waited: () => undefined };
    const waiting = scheduler.admit(ask(key, [account], { grace: LIMITED }), patience);
    await eventually(() => Promise.resolve(scheduler.waiting().length === 1));
    database.away = false;
    const lease = leased(await waiting);
    // Several sweeps.
    await sleep(1_000);
    expect(await openRows(key)).toBe(1);
    expect(await scheduler.admit(ask(key, [account], { grace: LIMITED }))).toMatchObject({ admitted: false });
    await scheduler.settle(settlement(lease));
  });

  it('is decided once: who was told no takes nothing when the outage goes on', async () => {
    const key = await rig.key({ max: 5 });
    const account = await rig.account({ max: 1 });
    const database = new UnsteadyDatabase();
    const scheduler = await replica(database, 0, 60_000, 60_000);
    const held = leased(await scheduler.admit(ask(key, [account], { grace: LIMITED })));
    const gone = (): Promise<never> => Promise.reject(new DatabaseUnavailable('connection'));
    // The batch of two loses its answer; the first is then decided alone, and the second meets the outage.
    database.next('admit', gone);
    database.next('find-open-call', (_, run) => run());
    database.next('admit', (_, run) => run());
    database.next('find-open-call', (_, run) => run());
    database.next('admit', gone);
    database.next('find-open-call', async () => {
      await sleep(50);
      void scheduler.settle(settlement(held));
      database.away = true;
      return gone();
    });
    const requests = [ask(key, [account], { grace: LIMITED }), ask(key, [account], { grace: LIMITED })];
    const answers = await Promise.allSettled(requests.map((one) => scheduler.admit(one)));
    database.away = false;
    await eventually(async () => (await scheduler.checkCounters()).counters > 0);
    for (const one of answers) {
      if (one.status === 'fulfilled' && one.value.admitted)
        await scheduler.settle(settlement(one.value.lease));
    }
    await eventually(async () => (await openRows(key)) === 0);
  });
});
