import { setTimeout as sleep } from 'node:timers/promises';
import type { AdmissionRequest, Decision, Lease, Patience } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet, unsettled } from '../support/quiet.ts';
import {
  ask,
  candidate,
  eventually,
  leased,
  move,
  SchedulingRig,
  settlement,
} from '../support/scheduling.ts';

/** The promise of 250 ms with tenfold headroom. */
const NOTICED_MS = 2_500;

describe('calls that find all places taken', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  interface Asked {
    readonly request: AdmissionRequest;
    readonly decision: Promise<Decision>;
    readonly leave: (reason?: unknown) => void;
    readonly waitedMs: () => number | undefined;
  }

  /** A call as the relay makes it, with patience. */
  function call(request: AdmissionRequest, on = scheduler, change: Partial<Patience> = {}): Asked {
    const controller = new AbortController();
    let waitedMs: number | undefined;
    const waited = (ms: number): void => {
      waitedMs = ms;
    };
    const patience = { arrivedAt: performance.now(), signal: controller.signal, waited, ...change };
    const decision = on.admit(request, patience);
    decision.catch(() => undefined);
    return {
      request,
      decision,
      leave: (reason) => controller.abort(reason),
      waitedMs: () => waitedMs,
    };
  }

  const waiting = (on = scheduler): number => on.waiting().reduce((sum, { calls }) => sum + calls, 0);
  const stand = (count: number, on = scheduler): Promise<void> => eventually(() => waiting(on) === count);
  const end = (lease: Lease, on = scheduler): Promise<void> => on.settle(settlement(lease));
  const leaseOf = async ({ decision }: Asked): Promise<Lease> => leased(await decision);

  /** Calls one after the other, so that each stands in line before the next one comes. */
  async function inTurn(requests: readonly AdmissionRequest[]): Promise<Asked[]> {
    const calls: Asked[] = [];
    const before = waiting();
    for (const request of requests) {
      calls.push(call(request));
      await stand(before + calls.length);
    }
    return calls;
  }

  /** Lets everybody in who waits, one at a time, and answers in which order they came in. */
  async function order(first: Lease, calls: readonly Asked[]): Promise<number[]> {
    const came: number[] = [];
    let held = first;
    const left = new Map(calls.map((one, at) => [at, one.decision.then((decision) => ({ at, decision }))]));
    while (left.size > 0) {
      await end(held);
      const { at, decision } = await Promise.race(left.values());
      left.delete(at);
      came.push(at);
      held = leased(decision);
    }
    await end(held);
    return came;
  }

  it.each([
    ['its account', async () => ({ key: await rig.key(), account: await rig.account({ max: 1 }) })],
    ['its key', async () => ({ key: await rig.key({ max: 1 }), account: await rig.account() })],
  ])('wait for %s and come in first in, first out', async (_, make) => {
    const { key, account } = await make();
    const held = leased(await scheduler.admit(ask(key, [account])));
    const models = ['claude-opus', 'claude-sonnet', 'claude-haiku'];
    const requests = Array.from({ length: 9 }, (__, at) =>
      ask(key, [candidate(account, { modelFamily: models[at % 3] ?? '' })]),
    );
    const calls = await inTurn(requests);
    expect(scheduler.waiting()).toEqual([
      { keyId: key, lane: 'generate', calls: 9, oldestMs: expect.any(Number) as unknown },
    ]);
    expect(await order(held, calls)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(scheduler.waiting()).toEqual([]);
    expect(calls[8]?.waitedMs()).toBeGreaterThan(0);
  });

  it('are woken by the place that is given back, not by the next look at all', async () => {
    const [key, account] = [await rig.key(), await rig.account({ max: 1 })];
    let held = leased(await scheduler.admit(ask(key, [account])));
    const started = performance.now();
    // With a poll only, a turn would take 120 ms and more.
    const turns = 25;
    for (let turn = 0; turn < turns; turn += 1) {
      const next = call(ask(key, [account]));
      void end(held);
      held = await leaseOf(next);
    }
    expect((performance.now() - started) / turns).toBeLessThan(110);
    await end(held);
  });

  it('are not asked for when others give back an account that does not help them, their key being full', async () => {
    const [key, other, account] = [await rig.key({ max: 1 }), await rig.key(), await rig.account()];
    const held = leased(await scheduler.admit(ask(key, [account])));
    let asked = 0;
    const kindOf = (): string => {
      asked += 1;
      return 'claude';
    };
    const [first] = await inTurn([ask(key, [account], { kindOf })]);
    const started = performance.now();
    for (let turn = 0; turn < 20; turn += 1) await end(leased(await scheduler.admit(ask(other, [account]))));
    // Once when it came, and by the polls.
    expect(asked).toBeLessThanOrEqual(2 + (performance.now() - started) / 120);
    await end(held);
    await end(await leaseOf(first as Asked));
  });

  it('are asked for when an account is given back that their key has a place for again', async () => {
    const [key, other] = [await rig.key({ max: 1 }), await rig.key()];
    const [free, single] = [await rig.account(), await rig.account({ max: 1 })];
    const turns = 15;
    let waited = 0;
    for (let turn = 0; turn < turns; turn += 1) {
      const [own, others] = [
        leased(await scheduler.admit(ask(key, [free]))),
        leased(await scheduler.admit(ask(other, [single]))),
      ];
      const [first] = await inTurn([ask(key, [single])]);
      await end(own);
      const started = performance.now();
      await end(others);
      const lease = await leaseOf(first as Asked);
      waited += performance.now() - started;
      await end(lease);
    }
    expect(waited / turns).toBeLessThan(110);
  });

  it('wait for a full team, and are let in when a call of another of its keys ends', async () => {
    const team = await rig.team({ max: 1 });
    const [first, second] = [await rig.key({ team }), await rig.key({ team })];
    const [one, other] = [await rig.account(), await rig.account()];
    let held = leased(await scheduler.admit(ask(first, [one])));
    for (const [key, account] of [
      [second, other],
      [first, one],
    ] as const) {
      const [next] = await inTurn([ask(key, [account])]);
      await end(held);
      held = await leaseOf(next as Asked);
    }
    await end(held);
  });

  it('keep their turn when settings change meanwhile and they ask anew', async () => {
    const [key, account] = [await rig.key(), await rig.account({ max: 1 })];
    const held = leased(await scheduler.admit(ask(key, [account])));
    const arrivedAt = performance.now();
    const [first] = await inTurn([ask(key, [account])]);
    await rig.query('update accounts set version = 2 where id = $1', [account]);
    expect(await first?.decision).toEqual({ admitted: false, refusal: 'stale' });
    const fresh = [candidate(account, { version: 2n })];
    const [later] = await inTurn([ask(key, fresh)]);
    const anew = call(ask(key, fresh), scheduler, { arrivedAt });
    await stand(2);
    expect(await order(held, [anew, later as Asked])).toEqual([0, 1]);
  });

  it('notice within the promised time what another replica gives back', async () => {
    const [key, other] = [await rig.key({ max: 1 }), await rig.key()];
    const [free, single] = [await rig.account(), await rig.account({ max: 1 })];
    const elsewhere = await rig.replica();
    const places: readonly (readonly [string, string])[] = [
      [key, free],
      [other, single],
    ];
    for (const [id, account] of places) {
      const held = leased(await elsewhere.admit(ask(id, [account])));
      const one = call(ask(id, [account]));
      await stand(1);
      await end(held, elsewhere);
      const settled = performance.now();
      const lease = await leaseOf(one);
      expect(performance.now() - settled).toBeLessThan(NOTICED_MS);
      await end(lease);
    }
  });

  it('do not hold up a call of the same key that wants an account with room, nor are they overtaken by it', async () => {
    const key = await rig.key();
    const [full, roomy, third] = [
      await rig.account({ max: 1 }),
      await rig.account({ max: 1 }),
      await rig.account(),
    ];
    const held = leased(await scheduler.admit(ask(key, [full])));
    const [first] = await inTurn([ask(key, [full])]);
    const overlapping = await leaseOf(call(ask(key, [full, roomy])));
    expect(overlapping.accountId).toBe(roomy);
    const beside = await leaseOf(call(ask(key, [full, third])));
    expect(beside.accountId).toBe(third);
    const [later] = await inTurn([ask(key, [full, roomy])]);
    await end(held);
    const came = await leaseOf(first as Asked);
    expect(came.accountId).toBe(full);
    await end(overlapping);
    const last = await leaseOf(later as Asked);
    expect(last.accountId).toBe(roomy);
    for (const lease of [beside, came, last]) await end(lease);
  });

  it('do not hold up other keys, whether a key or an account is full', async () => {
    const [narrow, wide] = [await rig.key({ max: 1 }), await rig.key()];
    const account = await rig.account({ max: 2 });
    const held = leased(await scheduler.admit(ask(narrow, [account])));
    const calls = await inTurn(Array.from({ length: 5 }, () => ask(narrow, [account])));
    const beside = await leaseOf(call(ask(wide, [account])));
    await end(beside);
    expect(await order(held, calls)).toEqual([0, 1, 2, 3, 4]);
  });

  it('share an account with the calls of other keys, however many one key has waiting', async () => {
    const [greedy, modest] = [await rig.key(), await rig.key()];
    const account = await rig.account({ max: 1 });
    const held = leased(await scheduler.admit(ask(greedy, [account])));
    const calls = await inTurn(Array.from({ length: 40 }, () => ask(greedy, [account])));
    const later = await inTurn([ask(modest, [account]), ask(modest, [account])]);
    const came = await order(held, [...calls, ...later]);
    // Both of the modest key are in after two turns of each, and the greedy one's come in their order.
    expect(Math.max(came.indexOf(40), came.indexOf(41))).toBeLessThan(5);
    expect(came.filter((at) => at < 40)).toEqual(Array.from({ length: 40 }, (_, at) => at));
  });

  it('take nothing when their client leaves, and let those behind them move up', async () => {
    const [key, account] = [await rig.key(), await rig.account({ max: 1 })];
    const held = leased(await scheduler.admit(ask(key, [account])));
    const [first, second] = await inTurn([ask(key, [account]), ask(key, [account])]);
    const reason = new Error('gone');
    first?.leave(reason);
    await expect(first?.decision).rejects.toBe(reason);
    expect(waiting()).toBe(1);
    await end(held);
    await end(await leaseOf(second as Asked));
    const rows = await rig.query('select 1 from ledger where request_id = $1', [first?.request.requestId]);
    expect(rows).toEqual([]);
  });

  it('take nothing when their client has left before they were asked', async () => {
    const [key, account] = [await rig.key(), await rig.account()];
    const one = call(ask(key, [account]));
    one.leave(new Error('gone'));
    await expect(one.decision).rejects.toThrow('gone');
    expect(await unsettled(rig.url)).toEqual([]);
  });

  it('are all let in or all gone, with nothing left behind, when clients leave at any moment', async () => {
    const [key, account] = [await rig.key({ max: 2 }), await rig.account({ max: 2 })];
    let admitted = 0;
    let left = 0;
    const callers = Array.from({ length: 60 }, async (_, at) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
      const one = call(ask(key, [account]));
      if (at % 2 === 0) setTimeout(() => one.leave(new Error('gone')), Math.random() * 150);
      try {
        const lease = await leaseOf(one);
        admitted += 1;
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
        await end(lease);
      } catch (error) {
        expect((error as Error).message).toBe('gone');
        left += 1;
      }
    });
    await Promise.all(callers);
    expect(admitted + left).toBe(60);
    expect(admitted).toBeGreaterThanOrEqual(30);
    expect(waiting()).toBe(0);
    expect(await unsettled(rig.url)).toEqual([]);
  });

  it('are refused when their time is over, with what was full', async () => {
    const impatient = await rig.replica({ queueMs: 300 });
    const [key, account] = [await rig.key(), await rig.account({ max: 1 })];
    const held = leased(await impatient.admit(ask(key, [account])));
    const one = call(ask(key, [account]), impatient);
    expect(await one.decision).toEqual({ admitted: false, refusal: 'accounts-full' });
    expect(one.waitedMs()).toBeGreaterThan(200);
    // No longer than from when it came, however often it asks.
    const late = call(ask(key, [account]), impatient, { arrivedAt: performance.now() - 300 });
    expect(await late.decision).toEqual({ admitted: false, refusal: 'accounts-full' });
    await end(held, impatient);
  });

  it('are refused at once where nobody may wait', async () => {
    const never = await rig.replica({ queueMs: 0 });
    const [key, account] = [await rig.key(), await rig.account({ max: 1 })];
    const held = leased(await never.admit(ask(key, [account])));
    expect(await call(ask(key, [account]), never).decision).toEqual({
      admitted: false,
      refusal: 'accounts-full',
    });
    await end(held, never);
  });

  it('are bounded in number, for each key and in all', async () => {
    const small = await rig.replica({ queueMax: 8 });
    const keys = [await rig.key(), await rig.key(), await rig.key(), await rig.key(), await rig.key()];
    const account = await rig.account({ max: 1 });
    const held = leased(await small.admit(ask(keys[0] ?? '', [account])));
    const calls: Asked[] = [];
    for (const [at, key] of keys.slice(0, 4).entries()) {
      calls.push(call(ask(key, [account]), small), call(ask(key, [account]), small));
      await stand(2 * at + 2, small);
      const { decision } = call(ask(key, [account]), small);
      expect(await decision).toMatchObject({ admitted: false, refusal: 'accounts-full' });
    }
    const { decision } = call(ask(keys[4] ?? '', [account]), small);
    expect(await decision).toMatchObject({ admitted: false, refusal: 'accounts-full' });
    for (const one of calls) one.leave(new Error('gone'));
    await Promise.allSettled(calls.map((one) => one.decision));
    await end(held, small);
  });

  it('are refused at once behind more than are let in while one waits, in a line that has stood for so long', async () => {
    const queueMs = 5_000;
    const brisk = await rig.replica({ queueMs });
    const [key, account] = [await rig.key(), await rig.account({ max: 1 })];
    let held = leased(await brisk.admit(ask(key, [account])));
    const crowd = (calls: number): Asked[] =>
      Array.from({ length: calls }, () => call(ask(key, [account]), brisk));
    const first = crowd(12);
    await stand(12, brisk);
    for (const one of first.slice(0, 9)) {
      await end(held, brisk);
      held = await leaseOf(one);
    }
    await sleep(queueMs / 2);
    const arrivedAt = performance.now();
    const second = crowd(12);
    await stand(15, brisk);
    // Three of the first come too late, and it is known that nine are let in while one waits.
    for (const one of first.slice(9)) expect(await one.decision).toMatchObject({ admitted: false });
    await sleep(100);
    expect(await call(ask(key, [account]), brisk).decision).toEqual({
      admitted: false,
      refusal: 'accounts-full',
      retryAfterMs: expect.any(Number) as unknown,
    });
    // One that was there before them, and asks anew, finds its place.
    const anew = call(ask(key, [account]), brisk, { arrivedAt });
    await stand(13, brisk);
    for (const one of [anew, ...second]) one.leave(new Error('gone'));
    await stand(0, brisk);
    const third = crowd(12);
    await stand(12, brisk);
    for (const one of third) one.leave(new Error('gone'));
    await stand(0, brisk);
    await end(held, brisk);
  });

  it('are not refused for the pace of those in their line who wait for other accounts', async () => {
    const queueMs = 5_000;
    const slow = await rig.replica({ queueMs });
    const [key, stuck, full, free] = [
      await rig.key(),
      await rig.account({ max: 1 }),
      await rig.account({ max: 1 }),
      await rig.account(),
    ];
    const held = leased(await slow.admit(ask(key, [stuck])));
    const taken = leased(await slow.admit(ask(key, [full])));
    const early = call(ask(key, [stuck]), slow);
    await stand(1, slow);
    await sleep(queueMs / 2);
    const late = Array.from({ length: 9 }, () => call(ask(key, [stuck]), slow));
    await stand(10, slow);
    // The line has stood for as long as one waits, and nobody was let in.
    expect(await early.decision).toMatchObject({ admitted: false });
    await sleep(100);
    const next = call(ask(key, [full]), slow);
    await sleep(100);
    await end(taken, slow);
    await end(await leaseOf(next), slow);
    for (const one of late.slice(1)) one.leave(new Error('gone'));
    await stand(1, slow);
    const burst = Array.from({ length: 20 }, () => call(ask(key, [free]), slow));
    for (const one of burst) await end(await leaseOf(one), slow);
    late[0]?.leave(new Error('gone'));
    await stand(0, slow);
    await end(held, slow);
  });

  it('may stand behind as many as hold places, however long those have kept them', async () => {
    const queueMs = 4_000;
    const slow = await rig.replica({ queueMs });
    const [key, account] = [await rig.key(), await rig.account({ max: 12 })];
    const crowd = (calls: number): Asked[] =>
      Array.from({ length: calls }, () => call(ask(key, [account]), slow));
    const held = await Promise.all(crowd(12).map(leaseOf));
    const first = crowd(11);
    await stand(11, slow);
    await sleep(queueMs / 2);
    const second = crowd(11);
    await stand(22, slow);
    for (const { decision } of first) expect(await decision).toMatchObject({ admitted: false });
    await sleep(100);
    const last = call(ask(key, [account]), slow);
    await stand(12, slow);
    const { decision } = call(ask(key, [account]), slow);
    expect(await decision).toMatchObject({ admitted: false, refusal: 'accounts-full' });
    await Promise.all(held.map((lease) => end(lease, slow)));
    const leases = await Promise.all([...second, last].map(leaseOf));
    await Promise.all(leases.map((lease) => end(lease, slow)));
  });

  it('are let in beyond the bounds where those before them wait for other accounts, and for those only', async () => {
    const small = await rig.replica({ queueMax: 4 });
    const [key, other] = [await rig.key(), await rig.key()];
    const [full, idle, alsoFull] = [
      await rig.account({ max: 1 }),
      await rig.account({ max: 2 }),
      await rig.account({ max: 1 }),
    ];
    const held = leased(await small.admit(ask(key, [full])));
    const taken = leased(await small.admit(ask(other, [alsoFull])));
    const first = call(ask(key, [full]), small);
    await stand(1, small);
    const free = [call(ask(key, [idle]), small), call(ask(key, [full, idle]), small)];
    const leases = await Promise.all(free.map(leaseOf));
    expect(leases.map(({ accountId }) => accountId)).toEqual([idle, idle]);
    for (const candidates of [[full], [alsoFull], [full, alsoFull], [idle]]) {
      const { decision } = call(ask(key, candidates), small);
      expect(await decision).toEqual({
        admitted: false,
        refusal: 'accounts-full',
        retryAfterMs: expect.any(Number) as unknown,
      });
    }
    expect(waiting(small)).toBe(1);
    await end(held, small);
    for (const lease of [...leases, taken, await leaseOf(first)]) await end(lease, small);
  });

  it('are refused at once beyond the bounds where the key itself is full', async () => {
    const small = await rig.replica({ queueMax: 4 });
    const key = await rig.key({ max: 1 });
    const [one, other] = [await rig.account(), await rig.account()];
    const held = leased(await small.admit(ask(key, [one])));
    const first = call(ask(key, [one]), small);
    await stand(1, small);
    const { decision } = call(ask(key, [other]), small);
    expect(await decision).toMatchObject({ admitted: false, refusal: 'key-full' });
    await end(held, small);
    await end(await leaseOf(first), small);
  });

  it.each([
    ['a revocation', 'update api_keys set revoked_at = now(), version = 2 where id = $1', 'key-unusable'],
    ['an edit', 'update api_keys set version = 2 where id = $1', 'stale'],
  ])('hear of %s while they wait', async (_, change, refusal) => {
    const [key, account] = [await rig.key(), await rig.account({ max: 1 })];
    const held = leased(await scheduler.admit(ask(key, [account])));
    const calls = await inTurn([ask(key, [account]), ask(key, [account])]);
    await rig.query(change, [key]);
    for (const { decision } of calls) expect(await decision).toEqual({ admitted: false, refusal });
    await end(held);
  });

  it('of a call that goes on to its next account wait for that one, before those who are not in yet', async () => {
    const [key, other] = [await rig.key({ max: 2 }), await rig.key()];
    const [bad, single] = [await rig.account({ max: 1 }), await rig.account({ max: 1 })];
    const arrivedAt = performance.now();
    const lease = leased(await scheduler.admit(ask(key, [bad])));
    const held = leased(await scheduler.admit(ask(other, [single])));
    const [behind] = await inTurn([ask(key, [single])]);
    let waitedMs = 0;
    const moved = scheduler.move(move(lease, [single]), {
      arrivedAt,
      signal: new AbortController().signal,
      waited: (ms) => (waitedMs = ms),
    });
    await stand(2);
    // Its own place is free for others meanwhile.
    await end(await leaseOf(call(ask(other, [bad]))));
    await end(held);
    const next = leased(await moved);
    expect(next).toMatchObject({ attempt: 2, accountId: single });
    expect(waitedMs).toBeGreaterThan(0);
    await end(next);
    await end(await leaseOf(behind as Asked));
  });

  it('of a call that goes on wait no longer than it may', async () => {
    const [key, bad, single] = [
      await rig.key(),
      await rig.account({ max: 1 }),
      await rig.account({ max: 1 }),
    ];
    const lease = leased(await scheduler.admit(ask(key, [bad])));
    const held = leased(await scheduler.admit(ask(key, [single])));
    const patience = {
      arrivedAt: performance.now(),
      signal: new AbortController().signal,
      until: performance.now() + 200,
      waited: () => undefined,
    };
    expect(await scheduler.move(move(lease, [single]), patience)).toEqual({
      admitted: false,
      refusal: 'accounts-full',
    });
    await end(lease);
    await end(held);
  });

  it('never come to more than the limits, over three replicas with lines on each: I1', async () => {
    const [key, other, account] = [await rig.key({ max: 4 }), await rig.key(), await rig.account({ max: 5 })];
    const replicas = [scheduler, await rig.replica(), await rig.replica()];
    const held = new Map<string, number>();
    const most = new Map<string, number>();
    const count = (id: string, by: number): void => {
      held.set(id, (held.get(id) ?? 0) + by);
      most.set(id, Math.max(most.get(id) ?? 0, held.get(id) ?? 0));
    };
    const callers = Array.from({ length: 240 }, async (_, at) => {
      const replica = replicas[at % 3] as Scheduler;
      const id = at % 2 === 0 ? key : other;
      const lease = await leaseOf(call(ask(id, [account]), replica));
      count(id, 1);
      count(account, 1);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
      count(id, -1);
      count(account, -1);
      await end(lease, replica);
    });
    let over = false;
    const all = Promise.all(callers).finally(() => (over = true));
    while (!over) {
      expect(await unsettled(rig.url)).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await all;
    expect(most.get(key)).toBeLessThanOrEqual(4);
    expect(most.get(account)).toBe(5);
  });
});
