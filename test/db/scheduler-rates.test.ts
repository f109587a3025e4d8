import type { Decision, Hold } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { NO_USAGE } from '../../src/dialects/dialect.ts';
import { expectQuiet, unsettled } from '../support/quiet.ts';
import { ask, leased, move, SchedulingRig, settlement } from '../support/scheduling.ts';

/** Rows of reliability.md: I4, A6 for the stamps, and tokens held and given back. */
describe('rates', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let account: string;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
    account = await rig.account();
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  const tokens = (count: number): Hold => ({ nanos: 0n, tokens: count, unpriced: new Set() });
  const outcome = (decision: Decision) => (decision.admitted ? 'admitted' : decision.refusal);
  const used = (input: number, output = 0) => ({ ...NO_USAGE, inputTokens: input, outputTokens: output });
  const settle = (decision: Decision, input: number) =>
    scheduler.settle(settlement(leased(decision), { usage: used(input), costNanos: 0n }));
  /** Moves a key's stamps back, as if so much time had passed, and lets what the replica was told of them be over. */
  const pass = async (key: string, seconds: number) => {
    await rig.query('update key_state set tat = tat - $2, tok_tat = tok_tat - $2 where id = $1', [
      key,
      seconds * 1_000_000,
    ]);
    await new Promise((resolve) => setTimeout(resolve, 300));
  };

  describe('of requests', () => {
    it('let a minute of them in at once, then say when the next one may come', async () => {
      const key = await rig.key({ requestsPerMinute: 4 });
      const decisions = await Promise.all(
        Array.from({ length: 6 }, () => scheduler.admit(ask(key, [account]))),
      );
      expect(decisions.map(outcome)).toEqual([
        ...Array.from({ length: 4 }, () => 'admitted'),
        'requests-rate',
        'requests-rate',
      ]);
      const [, , , , refused] = decisions;
      const wait = refused?.admitted === false ? (refused.retryAfterMs ?? 0) : 0;
      expect(wait).toBeGreaterThan(10_000);
      expect(wait).toBeLessThanOrEqual(15_000);
      await Promise.all(decisions.slice(0, 4).map((one) => settle(one, 0)));

      await pass(key, 15);
      expect(outcome(await scheduler.admit(ask(key, [account], { lane: 'count' })))).toBe('admitted');
      const next = [await scheduler.admit(ask(key, [account])), await scheduler.admit(ask(key, [account]))];
      expect(next.map(outcome)).toEqual(['admitted', 'requests-rate']);
      await rig.query(`delete from open_calls where lane = 'count'`);
      await rig.query('update key_state set counting = 0');
      await settle(next[0] as Decision, 0);
    });

    it('take nothing for a call that is refused for another reason', async () => {
      const key = await rig.key({ requestsPerMinute: 1 });
      const off = await rig.account({ enabled: false });
      for (const _ of [1, 2, 3]) {
        expect(outcome(await scheduler.admit(ask(key, [off])))).toBe('no-account');
      }
      const decision = await scheduler.admit(ask(key, [account]));
      expect(outcome(decision)).toBe('admitted');
      await settle(decision, 0);
    });

    it('I4 never exceed their number and its burst in any window, over three replicas', async () => {
      const perMinute = 600;
      const keys = await Promise.all([1, 2, 3].map(() => rig.key({ requestsPerMinute: perMinute })));
      const replicas = [scheduler, await rig.replica(), await rig.replica()];
      const end = performance.now() + 2_500;
      await Promise.all(
        replicas.flatMap((replica, at) =>
          Array.from({ length: 24 }, async () => {
            while (performance.now() < end) {
              const decision = await replica.admit(ask(keys[at] ?? '', [account]));
              if (decision.admitted) await replica.settle(settlement(decision.lease, { usage: NO_USAGE }));
              else await new Promise((resolve) => setTimeout(resolve, 5));
              const other = await replica.admit(ask(keys[(at + 1) % 3] ?? '', [account]));
              if (other.admitted) await replica.settle(settlement(other.lease, { usage: NO_USAGE }));
            }
          }),
        ),
      );
      for (const key of keys) {
        // For every pair of admissions: those from the one to the other, against what their distance allows.
        const [worst] = await rig.query<{ over: number; admitted: number }>(
          `with a as (
             select extract(epoch from admitted_at)::float8 as at, row_number() over (order by admitted_at) as n
               from ledger where key_id = $1)
           select max(y.n - x.n + 1 - ($2::float8 + $2::float8 / 60 * (y.at - x.at)))::float8 as over, max(y.n)::integer as admitted
             from a x join a y on y.n >= x.n`,
          [key, perMinute],
        );
        expect(worst?.over).toBeLessThanOrEqual(0.02);
        expect(worst?.admitted).toBeGreaterThanOrEqual(perMinute);
      }
    });
  });

  describe('of tokens', () => {
    it('hold what a call may use, and give back what it did not', async () => {
      const key = await rig.key({ tokensPerMinute: 1_000 });
      const request = () => ask(key, [account], { hold: tokens(400) });
      const first = await Promise.all([1, 2, 3].map(() => scheduler.admit(request())));
      expect(first.map(outcome)).toEqual(['admitted', 'admitted', 'tokens-rate']);
      await settle(first[0] as Decision, 100);
      const next = [await scheduler.admit(request()), await scheduler.admit(request())];
      expect(next.map(outcome)).toEqual(['admitted', 'tokens-rate']);
      await settle(first[1] as Decision, 100);
      await settle(next[0] as Decision, 100);
      expect(await unsettled(rig.url)).toEqual([]);
      // 300 of 1,000 used: 700 are left, and 60 ms bring one more.
      const last = await Promise.all(
        [600, 200].map((count) => scheduler.admit(ask(key, [account], { hold: tokens(count) }))),
      );
      expect(last.map(outcome)).toEqual(['admitted', 'tokens-rate']);
      await settle(last[0] as Decision, 0);
    });

    it('count the input of every class and the output, of every attempt', async () => {
      const key = await rig.key({ tokensPerMinute: 1_000 });
      const one = leased(await scheduler.admit(ask(key, [account], { hold: tokens(10) })));
      const two = leased(await scheduler.move(move(one, [await rig.account()])));
      await scheduler.settle(settlement(one, { final: false, usage: used(100) }));
      await scheduler.settle(
        settlement(two, {
          usage: {
            ...NO_USAGE,
            inputTokens: 100,
            cacheReadTokens: 100,
            cacheWrite5mTokens: 100,
            cacheWrite1hTokens: 100,
            outputTokens: 400,
            reasoningTokens: 300,
          },
        }),
      );
      const decisions = await Promise.all(
        [95, 60].map((count) => scheduler.admit(ask(key, [account], { hold: tokens(count) }))),
      );
      expect(decisions.map(outcome)).toEqual(['admitted', 'tokens-rate']);
      await settle(decisions[0] as Decision, 0);
    });

    it('say when there is room again, exactly where nothing is held', async () => {
      const key = await rig.key({ tokensPerMinute: 6_000 });
      const first = await scheduler.admit(ask(key, [account], { hold: tokens(6_000) }));
      await settle(first, 6_000);
      const request = () => ask(key, [account], { hold: tokens(3_000) });
      const refused = await scheduler.admit(request());
      const wait = refused.admitted ? 0 : (refused.retryAfterMs ?? 0);
      expect(wait).toBeGreaterThan(25_000);
      expect(wait).toBeLessThanOrEqual(30_000);
      await pass(key, wait / 1_000 - 5);
      expect(outcome(await scheduler.admit(request()))).toBe('tokens-rate');
      await pass(key, 5);
      const later = await scheduler.admit(request());
      expect(outcome(later)).toBe('admitted');
      await settle(later, 0);
    });

    it('let a call in that holds more than a minute of them, by itself, and make up for what it used', async () => {
      const key = await rig.key({ tokensPerMinute: 100 });
      const big = await scheduler.admit(ask(key, [account], { hold: tokens(5_000) }));
      expect(outcome(big)).toBe('admitted');
      expect(await rig.query('select hold_tokens from open_calls')).toEqual([{ hold_tokens: '100' }]);
      await settle(big, 300);
      await pass(key, 119);
      expect(outcome(await scheduler.admit(ask(key, [account], { hold: tokens(100) })))).toBe('tokens-rate');
      await pass(key, 61);
      const next = await scheduler.admit(ask(key, [account], { hold: tokens(100) }));
      expect(outcome(next)).toBe('admitted');
      await settle(next, 0);
    });

    it('survive numbers that no vendor would report', async () => {
      const key = await rig.key({ tokensPerMinute: 1 });
      for (const _ of [1, 2, 3]) {
        const decision = await scheduler.admit(ask(key, [account], { hold: tokens(1) }));
        await scheduler.settle(
          settlement(leased(decision), {
            usage: used(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
            costNanos: 2n ** 63n - 1n,
          }),
        );
        await rig.query('update key_state set tok_tat = least(tok_tat, 1) where id = $1', [key]);
      }
      const rows = await rig.query('select output_tokens from ledger where key_id = $1', [key]);
      expect(rows).toEqual(Array.from({ length: 3 }, () => ({ output_tokens: '9007199254740991' })));
    });

    it('I4 never exceed their number and its burst in any window, over three replicas', async () => {
      const perMinute = 60_000;
      const key = await rig.key({ tokensPerMinute: perMinute });
      const replicas = [scheduler, await rig.replica(), await rig.replica()];
      const end = performance.now() + 2_500;
      await Promise.all(
        replicas.flatMap((replica) =>
          Array.from({ length: 16 }, async () => {
            while (performance.now() < end) {
              const decision = await replica.admit(ask(key, [account], { hold: tokens(2_000) }));
              if (!decision.admitted) {
                await new Promise((resolve) => setTimeout(resolve, 5));
                continue;
              }
              const usage = used(500 + Math.floor(Math.random() * 1_500));
              await replica.settle(settlement(decision.lease, { usage, costNanos: 0n }));
            }
          }),
        ),
      );
      const [worst] = await rig.query<{ over: number; used: number }>(
        `with a as (
           select extract(epoch from settled_at)::float8 as at, input_tokens as tokens,
                  sum(input_tokens) over (order by settled_at) as upto
             from ledger where key_id = $1)
         select max(y.upto - x.upto + x.tokens - ($2::float8 + $2::float8 / 60 * (y.at - x.at)))::float8 as over, sum(distinct y.upto)::float8 as used
           from a x join a y on y.at >= x.at`,
        [key, perMinute],
      );
      // A ledger row has its time from before the bucket is asked: by a few statements' duration.
      expect(worst?.over).toBeLessThanOrEqual(perMinute * 0.01);
      expect(worst?.used).toBeGreaterThan(perMinute);
    });
  });
});
