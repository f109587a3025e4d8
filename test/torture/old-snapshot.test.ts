import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { quantile } from '../support/quantile.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, eventually, leased, SchedulingRig, settlement } from '../support/scheduling.ts';

const SECONDS = Number(process.env['RELAY_TEST_SECONDS'] ?? 600);
const CALLS_A_SECOND = Number(process.env['RELAY_TEST_RATE'] ?? 100);
const WARM_UP_S = 10;
const BEFORE_S = Math.min(60, SECONDS);
const PARTS = 10;

/** Row D11 in its length: one key and one account take every call, which is the worst there is. Nothing is random. */
describe('a snapshot that somebody leaves open', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let key: string;
  let account: string;

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
    [key, account] = [
      await rig.key({ max: 1_000, budgets: { day: 10 ** 15 } }),
      await rig.account({ max: 1_000 }),
    ];
  }, 60_000);
  afterAll(async () => {
    await rig.close();
    await rig.end();
  });

  /** Milliseconds of each admission, at a steady rate, nobody waiting for anybody. */
  async function admissions(seconds: number): Promise<number[]> {
    const took: number[] = [];
    const calls: Promise<void>[] = [];
    const started = performance.now();
    for (let sent = 0; sent < seconds * CALLS_A_SECOND; sent += 1) {
      const late = started + (sent * 1_000) / CALLS_A_SECOND - performance.now();
      if (late > 0) await sleep(late);
      calls.push(
        (async () => {
          const asked = performance.now();
          const lease = leased(await scheduler.admit(ask(key, [account])));
          took.push(performance.now() - asked);
          await scheduler.settle(settlement(lease));
        })(),
      );
    }
    await Promise.all(calls);
    return took;
  }

  it(
    `D11: open for ${SECONDS} s makes the p99 of admission at most five times as long`,
    async () => {
      await admissions(WARM_UP_S);
      const before = await admissions(BEFORE_S);
      const forgotten = new pg.Client(rig.url);
      await forgotten.connect();
      await forgotten.query('begin isolation level repeatable read');
      await forgotten.query('select count(*) from ledger');
      const during: number[][] = [];
      for (let part = 0; part < PARTS; part += 1) during.push(await admissions(SECONDS / PARTS));
      await forgotten.query('commit');
      await forgotten.end();
      const after = await admissions(BEFORE_S);
      const p99 = (of: readonly number[]): number => quantile(of, 0.99);
      const told = (of: readonly number[]): string => `${quantile(of, 0.5).toFixed(2)}/${p99(of).toFixed(2)}`;
      process.stdout.write(
        `snapshot of ${SECONDS} s at ${CALLS_A_SECOND} calls a second, admission p50/p99 in ms: before ${told(before)}; ` +
          `during ${during.map(told).join(', ')}; after ${told(after)}; p99 during/before ` +
          `${(p99(during.flat()) / p99(before)).toFixed(2)}\n`,
      );
      await eventually(async () => (await scheduler.checkCounters()).openCalls === 0);
      await expectQuiet(rig.url);
      expect(p99(during.flat())).toBeLessThanOrEqual(5 * p99(before));
    },
    120_000 + SECONDS * 2_000,
  );
});
