import { AdmissionUnavailable, type Decision, type Lease } from '../../src/scheduler/admission.ts';
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
import { UnsteadyDatabase } from '../support/unsteady-database.ts';

const SHORT = { heartbeatMs: 100, epochTtlMs: 1_000, sweepMs: 50 };

/** Rows of reliability.md: I1, I5, I8, D7 for calls of several attempts. */
/** Undefined: a busy machine's database did not answer in time, which is no refusal and no fault of the places. */
function onceAnswered(asked: Promise<Decision>): Promise<Decision | undefined> {
  return asked.catch((error: unknown) => {
    if (error instanceof AdmissionUnavailable) return undefined;
    throw error;
  });
}

describe('the attempts of a call', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  let key: string;

  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
  });
  beforeEach(async () => {
    key = await rig.key({ max: 1 });
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  const inUse = async (...ids: string[]) => {
    const places = await rig.inUseByAccount(ids);
    return ids.map((id) => places.get(id) ?? 0);
  };
  const keyPlaces = async () => (await rig.inUseByKey([key])).get(key)?.inUse;
  const ledger = ({ requestId }: Lease) =>
    rig.query('select attempt, account_id, outcome from ledger where request_id = $1 order by attempt', [
      requestId,
    ]);
  const cool = (id: string, until: string) =>
    rig.query(
      `insert into cooldowns (id, account_id, reason, evidence, until) values (gen_random_uuid(), $1, 'r', 'e', $2)`,
      [id, until],
    );
  const soon = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
  const failed = (lease: Lease) => settlement(lease, { final: false, outcome: 'failed', status: 529 });

  describe('a preferred account', () => {
    it('is taken whatever tier, priority and load say, also by several of one batch', async () => {
      const wide = await rig.key();
      const [better, bound] = [await rig.account({ priority: 1 }), await rig.account({ priority: 90 })];
      const candidates = [candidate(better), candidate(bound, { tier: 3 })];
      const decisions = await Promise.all(
        [bound, bound, undefined].map((preferredAccountId) =>
          scheduler.admit(ask(wide, candidates, { preferredAccountId })),
        ),
      );
      expect(decisions.map((one) => leased(one).accountId)).toEqual([bound, bound, better]);
      await Promise.all(decisions.map((one) => scheduler.settle(settlement(leased(one)))));
    });

    it('is passed over while it is full, cooling, disabled, or no candidate', async () => {
      const wide = await rig.key();
      const other = await rig.account();
      const full = await rig.account({ max: 1 });
      const cooling = await rig.account();
      await cool(cooling, soon(60));
      const off = await rig.account({ enabled: false });
      const leases: Lease[] = [leased(await scheduler.admit(ask(wide, [full])))];
      for (const preferredAccountId of [full, cooling, off, await rig.account()]) {
        const request = ask(wide, [other, full, cooling, off], { preferredAccountId });
        leases.push(leased(await scheduler.admit(request)));
      }
      expect(leases.map(({ accountId }) => accountId)).toEqual([full, other, other, other, other]);
      await Promise.all(leases.map((lease) => scheduler.settle(settlement(lease))));
    });
  });

  it('hold the place of the key once and one place of the account that is tried', async () => {
    const [first, second] = [await rig.account({ max: 1, priority: 1 }), await rig.account({ max: 1 })];
    const one = leased(await scheduler.admit(ask(key, [first, second])));
    expect(await inUse(first, second)).toEqual([1, 0]);
    const two = leased(await scheduler.move(move(one, [second])));
    expect(two).toEqual({ ...one, attempt: 2, accountId: second });
    expect(await inUse(first, second)).toEqual([0, 1]);
    expect(await keyPlaces()).toBe(1);
    await scheduler.settle(failed(one));
    expect(await inUse(first, second)).toEqual([0, 1]);
    await scheduler.settle(settlement(two));
    expect(await ledger(one)).toEqual([
      { attempt: 1, account_id: first, outcome: 'failed' },
      { attempt: 2, account_id: second, outcome: 'completed' },
    ]);
  });

  it('may be of the same account again, which is never full for its own call', async () => {
    const only = await rig.account({ max: 1 });
    const one = leased(await scheduler.admit(ask(key, [only])));
    const two = leased(await scheduler.move(move(one, [only], { preferredAccountId: only })));
    expect(two.accountId).toBe(only);
    expect(await inUse(only)).toEqual([1]);
    await scheduler.settle(failed(one));
    await scheduler.settle(settlement(two));
  });

  it('go to the least loaded of the best priority, or to the preferred one', async () => {
    const first = await rig.account();
    const [busy, idle, worse] = [
      await rig.account(),
      await rig.account(),
      await rig.account({ priority: 60 }),
    ];
    const wide = await rig.key();
    const load = leased(await scheduler.admit(ask(wide, [busy])));
    const rest = [worse, busy, idle];
    const one = leased(await scheduler.admit(ask(key, [first])));
    const two = leased(await scheduler.move(move(one, rest)));
    expect(two.accountId).toBe(idle);
    const three = leased(await scheduler.move(move(two, [worse, busy], { preferredAccountId: worse })));
    expect(three).toMatchObject({ attempt: 3, accountId: worse });
    await Promise.all([load, one, two, three].map((lease) => scheduler.settle(settlement(lease))));
  });

  it('end with the soonest recovery when nobody is left; the call stays open without an account', async () => {
    const [first, sooner, later] = [await rig.account({ max: 1 }), await rig.account(), await rig.account()];
    await cool(sooner, soon(100));
    await cool(later, soon(900));
    const one = leased(await scheduler.admit(ask(key, [first])));
    const refused = await scheduler.move(move(one, [later, sooner]));
    expect(refused).toMatchObject({ admitted: false, refusal: 'accounts-cooling' });
    const wait = refused.admitted ? 0 : (refused.retryAfterMs ?? 0);
    expect(wait).toBeGreaterThan(60_000);
    expect(wait).toBeLessThanOrEqual(100_000);
    expect(await inUse(first)).toEqual([0]);
    expect(await keyPlaces()).toBe(1);
    expect(await unsettled(rig.url)).toEqual([]);
    await scheduler.settle(settlement(one));
    expect(await keyPlaces()).toBe(0);
  });

  it.each<[string, () => Promise<string>]>([
    ['accounts-full', () => rig.account({ max: 1 })],
    ['no-account', () => rig.account({ enabled: false })],
    ['accounts-parked', () => rig.account()],
  ])('are refused with %s, and may be asked for again afterwards', async (word, make) => {
    const wide = await rig.key();
    const [first, bad, good] = [await rig.account(), await make(), await rig.account()];
    if (word === 'accounts-parked') await cool(bad, 'infinity');
    const other = word === 'accounts-full' ? leased(await scheduler.admit(ask(wide, [bad]))) : undefined;
    const one = leased(await scheduler.admit(ask(key, [first])));
    for (const _ of [1, 2]) {
      expect(await scheduler.move(move(one, [bad]))).toEqual({ admitted: false, refusal: word });
    }
    const two = leased(await scheduler.move(move(one, [bad, good])));
    expect(two).toMatchObject({ attempt: 2, accountId: good });
    await scheduler.settle(settlement(two));
    if (other !== undefined) await scheduler.settle(settlement(other));
  });

  it('are not begun for a key that was revoked meanwhile, nor on settings that changed', async () => {
    const [first, second] = [await rig.account(), await rig.account()];
    const one = leased(await scheduler.admit(ask(key, [first])));
    expect(await scheduler.move(move(one, [candidate(second, { version: 2n })]))).toMatchObject({
      refusal: 'stale',
    });
    expect(await scheduler.move(move(one, [second], { keyVersion: 2n }))).toMatchObject({ refusal: 'stale' });
    expect(await inUse(first)).toEqual([1]);
    await rig.query('update api_keys set revoked_at = now() where id = $1', [key]);
    expect(await scheduler.move(move(one, [second]))).toMatchObject({ refusal: 'key-unusable' });
    expect(await inUse(first, second)).toEqual([0, 0]);
    await scheduler.settle(settlement(one));
  });

  it('of the counting lane take no place of any account', async () => {
    const [first, second] = [await rig.account({ max: 1 }), await rig.account({ max: 1 })];
    const one = leased(await scheduler.admit(ask(key, [first], { lane: 'count' })));
    const two = leased(await scheduler.move(move(one, [second])));
    expect(await inUse(first, second)).toEqual([0, 0]);
    expect(await scheduler.move(move(two, []))).toMatchObject({ refusal: 'no-account' });
    await scheduler.settle(settlement(two, { lane: 'count' }));
    expect((await rig.inUseByKey([key])).get(key)).toEqual({ inUse: 0, counting: 0 });
  });

  describe('settled', () => {
    it('as final after they were settled as not, at once or later, end the call once', async () => {
      const account = await rig.account();
      for (const pause of [0, 5, 40, 100]) {
        const lease = leased(await scheduler.admit(ask(key, [account])));
        const settling = [scheduler.settle(failed(lease))];
        if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
        settling.push(scheduler.settle(settlement(lease)), scheduler.settle(settlement(lease)));
        await Promise.all(settling);
        expect(await ledger(lease)).toEqual([expect.objectContaining({ attempt: 1, outcome: 'failed' })]);
        expect([await keyPlaces(), await inUse(account)]).toEqual([0, [0]]);
      }
    });

    it('as not final any number of times keep the call open', async () => {
      const account = await rig.account();
      const one = leased(await scheduler.admit(ask(key, [account])));
      await scheduler.settle(failed(one));
      await scheduler.settle(failed(one));
      expect([await keyPlaces(), await inUse(account)]).toEqual([1, [1]]);
      const two = leased(await scheduler.move(move(one, [account])));
      await Promise.all([scheduler.settle(settlement(two)), scheduler.settle(failed(one))]);
      expect(await ledger(one)).toHaveLength(2);
    });

    it('as final end the call at whatever attempt the database has it', async () => {
      const [first, second] = [await rig.account(), await rig.account()];
      const one = leased(await scheduler.admit(ask(key, [first])));
      await scheduler.move(move(one, [second]));
      // Its answer never arrived: as far as its caller knows, there was one attempt.
      await scheduler.settle(settlement(one));
      expect(await ledger(one)).toEqual([expect.objectContaining({ attempt: 1, account_id: first })]);
      expect(await inUse(first, second)).toEqual([0, 0]);
      await expect(scheduler.move(move(one, [second]))).rejects.toBeInstanceOf(AdmissionUnavailable);
    });
  });

  it('are counted once when the answer to a move was lost, or the database quarrelled', async () => {
    const database = new UnsteadyDatabase();
    const replica = await rig.replica({ wrap: database.wrap });
    const [first, second, third] = [await rig.account(), await rig.account(), await rig.account()];
    const one = leased(await replica.admit(ask(key, [first])));
    database.next('move-attempt', UnsteadyDatabase.answerLost);
    const two = leased(await replica.move(move(one, [second, third])));
    expect(two.attempt).toBe(2);
    const [row] = await rig.query('select attempt, account_id, tried from open_calls');
    expect(row).toEqual({ attempt: 2, account_id: two.accountId, tried: [first] });
    for (let turn = 0; turn < 2; turn += 1) database.next('move-attempt', UnsteadyDatabase.says('40P01'));
    const three = leased(await replica.move(move(two, [first])));
    expect(three).toMatchObject({ attempt: 3, accountId: first });
    for (let turn = 0; turn < 4; turn += 1) database.next('move-attempt', UnsteadyDatabase.says('40P01'));
    await expect(replica.move(move(three, [second]))).rejects.toBeInstanceOf(AdmissionUnavailable);
    await replica.settle(settlement(three));
    expect(await inUse(first, second, third)).toEqual([0, 0, 0]);
  });

  it('of three replicas never exceed a place, and nothing is left', async () => {
    const keys = await Promise.all([rig.key({ max: 12 }), rig.key({ max: 12 })]);
    const accounts = await Promise.all([1, 2, 3, 4].map(() => rig.account({ max: 3 })));
    const replicas = [await rig.replica(), await rig.replica(), await rig.replica()];
    const held = new Map<string, number>();
    let most = 0;
    const count = (id: string, by: number) => {
      const now = (held.get(id) ?? 0) + by;
      held.set(id, now);
      most = Math.max(most, now);
    };
    const seen = { moved: 0, refused: 0, attempts: 0 };
    const rounds = async (replica: Scheduler, at: number) => {
      for (let turn = 0; turn < 25; turn += 1) {
        const decision = await onceAnswered(replica.admit(ask(keys[at % 2] ?? '', accounts)));
        if (decision?.admitted !== true) {
          await new Promise((resolve) => setTimeout(resolve, 3));
          continue;
        }
        let { lease } = decision;
        let next: Decision = decision;
        const tried: string[] = [];
        while (next.admitted) {
          lease = next.lease;
          count(lease.accountId, 1);
          seen.attempts += 1;
          tried.push(lease.accountId);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
          count(lease.accountId, -1);
          if (Math.random() < 0.4) break;
          if (Math.random() < 0.5) void replica.settle(failed(lease));
          const left = accounts.filter((id) => !tried.includes(id));
          const moved = await onceAnswered(replica.move(move(lease, left)));
          if (moved === undefined) break;
          next = moved;
          if (next.admitted) void replica.settle(failed(lease));
          seen[next.admitted ? 'moved' : 'refused'] += 1;
        }
        const last = settlement(lease);
        await Promise.all([
          replica.settle(last),
          turn % 5 === 0 ? replicas[(at + 1) % 3]?.settle(last) : undefined,
        ]);
      }
    };
    let done = false;
    const watching = (async () => {
      while (!done) {
        expect(await unsettled(rig.url)).toEqual([]);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const callers = replicas.flatMap((replica, at) => Array.from({ length: 12 }, () => rounds(replica, at)));
    await Promise.all(callers).finally(() => {
      done = true;
    });
    await watching;
    await Promise.all(replicas.map((replica) => replica.flush()));
    expect(most).toBe(3);
    expect(seen.moved).toBeGreaterThan(0);
    expect(seen.refused).toBeGreaterThan(0);
    const [rows] = await rig.query<{ n: number }>(
      'select count(*)::integer as n from ledger where key_id = any ($1::uuid[])',
      [keys],
    );
    expect(rows?.n).toBe(seen.attempts);
  });
});

describe('the attempts of a call whose replica dies', () => {
  let rig: SchedulingRig;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
  });
  afterAll(() => rig.end());

  it('are written off together, and late settlements replace the rows', async () => {
    const ledger = ({ requestId }: Lease) =>
      rig.query('select attempt, account_id, outcome from ledger where request_id = $1 order by attempt', [
        requestId,
      ]);
    const key = await rig.key({ max: 1 });
    const database = new UnsteadyDatabase();
    const frail = await rig.replica({ wrap: database.wrap, clocks: SHORT });
    await rig.replica({ clocks: SHORT });
    const [first, second] = [await rig.account({ max: 1 }), await rig.account({ max: 1 })];
    const one = leased(await frail.admit(ask(key, [first])));
    const two = leased(await frail.move(move(one, [second])));
    expect(await frail.move(move(two, []))).toMatchObject({ refusal: 'no-account' });
    database.away = true;
    await eventually(async () => (await ledger(one)).length === 2);
    expect(await ledger(one)).toEqual([
      { attempt: 1, account_id: first, outcome: 'orphaned' },
      { attempt: 2, account_id: second, outcome: 'orphaned' },
    ]);
    expect(await unsettled(rig.url)).toEqual([]);
    database.away = false;
    await expect(frail.move(move(two, [first]))).rejects.toBeInstanceOf(AdmissionUnavailable);
    await Promise.all([
      frail.settle(settlement(one, { final: false, outcome: 'failed' })),
      frail.settle(settlement(two)),
    ]);
    expect((await ledger(one)).map(({ outcome }) => outcome as string)).toEqual(['failed', 'completed']);
    await rig.close();
    await expectQuiet(rig.url);
  });
});
