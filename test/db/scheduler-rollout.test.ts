import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 } from 'uuid';
import { ClientIds1763801182500 } from '../../migrations/1763801182500-client-ids.ts';
import { MIGRATIONS } from '../../src/database/data-source.ts';
import { revertMigrations, runMigrations } from '../../src/database/migrate.ts';
import type { Queryable } from '../../src/database/statement.ts';
import { encodeBatch } from '../../src/scheduler/admission-batch.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, leased, SchedulingRig, settlement } from '../support/scheduling.ts';

/** Row D10 of reliability.md: what replicas of an older build call is there, and means what they take it for. */
describe('replicas of an older build', () => {
  let rig: SchedulingRig;
  let scheduler: Scheduler;
  const epoch = v7();
  beforeAll(async () => {
    rig = await SchedulingRig.create();
    scheduler = await rig.replica();
    await rig.query('insert into replicas (epoch) values ($1)', [epoch]);
  });
  afterEach(() => expectQuiet(rig.url));
  afterAll(() => rig.end());

  /** The arguments of today's `admit` without the newer ones: those of the candidates' prices, and the last three. */
  const admit = async (request: ReturnType<typeof ask>): Promise<string> => {
    const values = encodeBatch([request])
      .values.filter((_, at) => at !== 10)
      .slice(0, 17);
    const [row] = await rig.query<{ answer: string }>(
      `select admit($1::uuid, 60000, $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::integer[], $7::integer[],
         $8::integer[], $9::bigint[], $10::integer[], $11::integer[], $12::uuid[], $13::integer[], $14::bigint[],
         $15::boolean[], $16::integer[], $17::text[], $18::text[]) as answer`,
      [epoch, ...values],
    );
    return row?.answer ?? '';
  };
  const settle = (requestId: string, key: string, account: string) =>
    rig.query<{ done: number[] }>(
      `select settle(array[$1]::uuid[], '{1}', array[now()], array[$4]::uuid[], array[$2]::uuid[], array[$3]::uuid[],
         '{generate}', '{claude}', '{claude}', '{m}', '{m}', '{true}', '{completed}', '{200}', array[null]::text[], '{7}',
         '{0}', '{0}', '{0}', '{3}', '{0}', array[null]::text[], '{false}', '{false}', '{21}', '{1}', '{1}', '{2}',
         '{r}', array[null]::text[]) as done`,
      [requestId, key, account, epoch],
    );

  it('admit and settle with the signatures they know; what they settle is charged to key and teams', async () => {
    const team = await rig.team();
    const [key, account] = [await rig.key({ team, budgets: { total: 100 } }), await rig.account({ max: 2 })];
    const request = ask(key, [account]);
    expect(await admit(request)).toMatch(/^\d{16};1;$/);
    expect(await settle(request.requestId, key, account)).toEqual([{ done: [1, 1] }]);
    expect(await settle(request.requestId, key, account)).toEqual([{ done: [0, 0] }]);
    const used = await rig.query(
      `select total_used from key_state where id = $1 union all select total_used from team_state where id = $2`,
      [key, team],
    );
    expect(used).toEqual([{ total_used: '21' }, { total_used: '21' }]);
  });

  it('admit sessions with the signature before clients had ids of theirs there', async () => {
    const [key, account] = [await rig.key(), await rig.account()];
    const request = { ...ask(key, [account]), clientRequestId: 'not told' };
    const values = encodeBatch([request]).values.slice(0, 22);
    const [row] = await rig.query<{ answer: string }>(
      `select admit_bound($1::uuid, 60000, $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::integer[], $7::integer[],
         $8::integer[], $9::bigint[], $10::integer[], $11::integer[], $12::boolean[], $13::uuid[], $14::integer[],
         $15::bigint[], $16::boolean[], $17::integer[], $18::text[], $19::text[], $20::integer[], $21::bigint[],
         $22::bigint[], true, $23::uuid[]) as answer`,
      [epoch, ...values],
    );
    expect(row?.answer).toMatch(/^\d{16};1;/);
    expect(await settle(request.requestId, key, account)).toEqual([{ done: [1, 1] }]);
  });

  it('bind sessions with the signature before rests had families there', async () => {
    const account = await rig.account();
    const session = v7();
    await rig.query(
      `select bind_sessions(array[$1]::uuid[], array[$2]::uuid[], '{300}'::integer[], array[null]::uuid[],
         '{false}'::boolean[], true)`,
      [session, account],
    );
    const bound = await rig.query('select account_id from bindings where id = $1', [session]);
    expect(bound).toEqual([{ account_id: account }]);
  });

  it.each([
    ['a rate', { requestsPerMinute: 1 }],
    ['a budget', { budgets: { day: 21 } }],
  ])('are told of %s as of a key that is full, which they know', async (_word, limits) => {
    const [key, account] = [await rig.key(limits), await rig.account()];
    const request = ask(key, [account]);
    expect(await admit(request)).toMatch(/^\d{16};1;$/);
    await settle(request.requestId, key, account);
    expect(await admit(ask(key, [account]))).toMatch(/^\d{16};-2;\d*$/);
  });

  it("and of this one end each other's calls", async () => {
    const [key, account] = [await rig.key({ max: 1 }), await rig.account()];
    const lease = leased(
      await scheduler.admit(ask(key, [account], { hold: { nanos: 5n, tokens: 5, unpriced: new Set() } })),
    );
    await settle(lease.requestId, key, account);
    const request = ask(key, [account]);
    expect(await admit(request)).toMatch(/;1;$/);
    await scheduler.settle(settlement({ ...lease, requestId: request.requestId }));
  });
});

/** What a build says that knows no ids of clients at admission and no charges without a cost, where this one says more. */
const asBefore = (db: Queryable): Queryable => ({
  run: (statement, values) => {
    switch (statement.name) {
      case 'admit':
        return db.run({ name: 'admit', text: ADMIT_BEFORE }, values.slice(0, 24));
      case 'settle': {
        const text = statement.text.replace(/, \$34::.*(?=\) as done)/, '');
        return db.run({ name: 'settle', text }, values.slice(0, 33));
      }
      default:
        return db.run(statement, values);
    }
  },
});
const ADMIT_BEFORE = `select admit_bound($1::uuid, $2::integer, $3::uuid[], $4::uuid[], $5::text[], $6::text[],
  $7::integer[], $8::integer[], $9::integer[], $10::bigint[], $11::integer[], $12::integer[], $13::boolean[],
  $14::uuid[], $15::integer[], $16::bigint[], $17::boolean[], $18::integer[], $19::text[], $20::text[], $21::integer[],
  $22::bigint[], $23::bigint[], true, $24::uuid[]) as answer`;

/** Row D10 under load: nobody is sent away while the schema that they stand on is replaced. */
describe('a migration beside replicas of an older build', () => {
  const EVERY_MS = 10;
  /** Longer than admission asks again for locks that it is not given. */
  const READS_FOR_MS = 3_000;
  let rig: SchedulingRig;
  let older: Scheduler;
  let [key, account] = ['', ''];

  beforeEach(async () => {
    rig = await SchedulingRig.create();
    await revertMigrations(rig.url, MIGRATIONS.length - MIGRATIONS.indexOf(ClientIds1763801182500));
    older = await rig.replica({ wrap: asBefore });
    const team = await rig.team({ budgets: { total: 10 ** 12 } });
    [key, account] = [await rig.key({ team, max: 10_000 }), await rig.account({ max: 10_000 })];
  });
  afterEach(async () => {
    await expectQuiet(rig.url);
    await rig.end();
  });

  /** Calls at a steady rate, nobody waiting for anybody. @returns how many there were */
  async function serving(scheduler: Scheduler, meanwhile: () => Promise<void>): Promise<number> {
    let running = true;
    const hold = { nanos: 100n, tokens: 10, unpriced: new Set<string>() };
    const call = async (): Promise<string> => {
      try {
        const lease = leased(await scheduler.admit(ask(key, [account], { hold })));
        await scheduler.settle(settlement(lease));
        return 'settled';
      } catch (error) {
        return `${String(error)} ${String((error as Error).cause)}`;
      }
    };
    const calls: Promise<string>[] = [];
    const load = (async () => {
      for (; running; await sleep(EVERY_MS)) calls.push(call());
    })();
    await sleep(200);
    await meanwhile();
    await sleep(200);
    running = false;
    await load;
    const ends = await Promise.all(calls);
    expect([...new Set(ends)]).toEqual(['settled']);
    return ends.length;
  }
  const booked = async (): Promise<number> => (await rig.query('select from ledger')).length;

  it('fails no call of theirs, nor of the newer build that serves beside them afterwards', async () => {
    let after = 0;
    const before = await serving(older, async () => {
      expect(await runMigrations(rig.url)).toContain('ClientIds1763801182500');
      after = await serving(await rig.replica(), () => sleep(200));
    });
    expect(await booked()).toBe(before + after);
  });

  it('gives way to them while somebody reads for long what it is to lock, and is done soon after', async () => {
    const reader = new pg.Client(rig.url);
    await reader.connect();
    await reader.query('begin');
    await reader.query('select from open_calls');
    try {
      const calls = await serving(older, async () => {
        let done = false;
        const migrated = runMigrations(rig.url).then(() => (done = true));
        await sleep(READS_FOR_MS);
        expect(done).toBe(false);
        await reader.query('commit');
        await migrated;
      });
      expect(await booked()).toBe(calls);
    } finally {
      await reader.end();
    }
  });
});
