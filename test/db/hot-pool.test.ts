import pg from 'pg';
import { DatabaseUnavailable } from '../../src/database/database-unavailable.ts';
import { HotPool } from '../../src/database/hot-pool.ts';
import type { Statement } from '../../src/database/statement.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const one: Statement = { name: 'one', text: 'select 1 as one' };
const sleepSeconds: Statement = { name: 'sleep', text: 'select pg_sleep($1)' };
const myPid: Statement = { name: 'my-pid', text: 'select pg_backend_pid() as pid' };
const setting: Statement = { name: 'setting', text: 'select current_setting($1) as value' };

describe('the hot pool', () => {
  let database: TestDatabase;
  let pool: HotPool;
  const open: HotPool[] = [];
  const makePool = (changes: Partial<ConstructorParameters<typeof HotPool>[0]> = {}): HotPool => {
    const made = new HotPool({
      url: database.url,
      name: 'test',
      max: 2,
      synchronousCommit: 'off',
      ...changes,
    });
    open.push(made);
    return made;
  };

  beforeAll(async () => {
    database = await createDatabase();
  });
  beforeEach(() => {
    pool = makePool();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((made) => made.close()));
  });
  afterAll(() => database.drop());

  const reasonOf = async (work: Promise<unknown>): Promise<string> => {
    const error: unknown = await work.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    return error instanceof DatabaseUnavailable ? error.reason : `not unavailable: ${String(error)}`;
  };
  const pidOf = async (of: HotPool): Promise<number> =>
    (await of.run<{ pid: number }>(myPid, []))[0]?.pid ?? 0;

  it('runs its connections with the planner and commit settings of admission', async () => {
    const value = async (of: HotPool, name: string): Promise<string | undefined> =>
      (await of.run<{ value: string }>(setting, [name]))[0]?.value;
    expect(await value(pool, 'plan_cache_mode')).toBe('force_generic_plan');
    expect(await value(pool, 'enable_seqscan')).toBe('off');
    expect(await value(pool, 'jit')).toBe('off');
    expect(await value(pool, 'statement_timeout')).toBe('1500ms');
    expect(await value(pool, 'synchronous_commit')).toBe('off');
    expect(await value(makePool({ synchronousCommit: 'on' }), 'synchronous_commit')).toBe('on');
  });

  it('keeps settings that the operator wrote into the URL', async () => {
    const url = new URL(database.url);
    url.searchParams.set('options', '-c work_mem=8MB');
    const own = makePool({ url: url.href });
    expect(await own.run(setting, ['work_mem'])).toEqual([{ value: '8MB' }]);
    expect(await own.run(setting, ['jit'])).toEqual([{ value: 'off' }]);
  });

  it('prepares a statement once for each connection', async () => {
    for (let i = 0; i < 3; i += 1) await pool.run(one, []);
    const prepared: Statement = { name: 'list', text: 'select name from pg_prepared_statements' };
    expect(await pool.run(prepared, [])).toEqual(expect.arrayContaining([{ name: 'one' }]));
  });

  it('gives up on a slow statement and stays usable', async () => {
    expect(await reasonOf(pool.run(sleepSeconds, [3]))).toBe('timeout');
    expect(await pool.run(one, [])).toEqual([{ one: 1 }]);
    expect(pool.stats().queryTimeouts).toBe(1);
  });

  it('D3: gives up on a frozen server by its own clock and throws the connection away', async () => {
    const pid = await pidOf(pool);
    process.kill(pid, 'SIGSTOP');
    try {
      expect(await reasonOf(pool.run(one, []))).toBe('timeout');
      expect(await pidOf(pool)).not.toBe(pid);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  it('D5: refuses when all connections stay busy, without asking the database', async () => {
    const busy = [pool.run(sleepSeconds, [1.2]), pool.run(sleepSeconds, [1.2])];
    expect(await reasonOf(pool.run(one, []))).toBe('pool-full');
    await Promise.all(busy);
    expect(pool.stats()).toMatchObject({ poolTimeouts: 1, breakerOpen: false });
    expect(await pool.run(one, [])).toEqual([{ one: 1 }]);
  });

  it('waits on where it was its own event loop that stood still', async () => {
    const single = makePool({ max: 1 });
    await single.run(one, []);
    const busy = single.run(sleepSeconds, [0.2]);
    const behind = reasonOf(single.run(one, []));
    await new Promise((resolve) => setTimeout(resolve, 50));
    // Between reading and the timers, so that these come first when it goes on.
    await new Promise((resolve) => setImmediate(resolve));
    const until = performance.now() + 700;
    while (performance.now() < until);
    expect(await behind).toBe('not unavailable: undefined');
    await busy;
    expect(single.stats()).toMatchObject({ poolTimeouts: 0, failures: 0 });
  });

  it('survives the killing of idle and of busy connections', async () => {
    const admin = new pg.Client(database.url);
    await admin.connect();
    try {
      const terminate = async (pid: number) => admin.query('select pg_terminate_backend($1, 5000)', [pid]);
      await terminate(await pidOf(pool));
      expect(await pool.run(one, [])).toEqual([{ one: 1 }]);

      const pid = await pidOf(pool);
      const busy = reasonOf(pool.run(sleepSeconds, [1.4]));
      await terminate(pid);
      expect(await busy).toBe('connection');
      expect(await pool.run(one, [])).toEqual([{ one: 1 }]);
    } finally {
      await admin.end();
    }
  });

  it('tells once of a connection that ended while nobody used it, and keeps it no longer', async () => {
    const told: Error[] = [];
    const single = makePool({ max: 1, onError: (error) => told.push(error) });
    const pid = await pidOf(single);
    expect(single.stats()).toMatchObject({ connections: 1, idle: 1 });
    await pool.run({ name: 'end', text: 'select pg_terminate_backend($1, 5000)' }, [pid]);
    await eventually(() => expect(told).toHaveLength(1));
    expect(single.stats()).toMatchObject({ connections: 0, idle: 0 });
    expect(await pidOf(single)).not.toBe(pid);
    expect(told).toHaveLength(1);
  });

  it('does not use a connection again whose end came with its last answer', async () => {
    const single = makePool({ max: 1 });
    const pid = await pidOf(single);
    await pool.run(one, []);
    const last = single.run(one, []);
    const ended = pool.run({ name: 'end', text: 'select pg_sleep(0.1), pg_terminate_backend($1)' }, [pid]);
    await new Promise((resolve) => setImmediate(resolve));
    // Both are sent. What comes meanwhile is read at once.
    const until = performance.now() + 400;
    while (performance.now() < until);
    expect(await last).toEqual([{ one: 1 }]);
    expect(await single.run(one, [])).toEqual([{ one: 1 }]);
    expect(single.stats()).toMatchObject({ failures: 0 });
    await ended;
  });

  it('closes at once what nobody uses', async () => {
    const closed = new HotPool({ url: database.url, name: 'test', max: 2, synchronousCommit: 'off' });
    await closed.run(one, []);
    await closed.close();
    expect(closed.stats()).toMatchObject({ connections: 0 });
  });

  it('tells a database that is not there, and asks it only once a second after five failures', async () => {
    const gone = new URL(database.url);
    gone.port = '1';
    const down = makePool({ url: gone.href });
    for (let i = 0; i < 5; i += 1) expect(await reasonOf(down.run(one, []))).toBe('connection');
    expect(await reasonOf(down.run(one, []))).toBe('breaker');
    expect(down.stats().breakerOpen).toBe(true);
  });

  it('D8: treats a read-only database as one that is down, and takes a new connection', async () => {
    const pid = await pidOf(pool);
    await pool.run({ name: 'demote', text: 'set default_transaction_read_only = on' }, []);
    const write: Statement = {
      name: 'write',
      text: "insert into settings (name, value) values ('a', 'b') on conflict do nothing",
    };
    expect(await reasonOf(pool.run(write, []))).toBe('read-only');
    expect(await pidOf(pool)).not.toBe(pid);
    expect(await pool.run(write, [])).toEqual([]);
  });

  it.each([
    ['40P01', 3],
    ['40001', 3],
    ['55P03', 3],
    ['23505', 1],
  ])('D6: sends a statement that failed with %s at most %i times', async (code, times) => {
    const admin = new pg.Client(database.url);
    await admin.connect();
    await admin.query('create sequence tries');
    await admin.query(`create function fail() returns void language plpgsql as $$
      begin perform nextval('tries'); raise exception using errcode = '${code}'; end $$`);
    await expect(pool.run({ name: 'fail', text: 'select fail()' }, [])).rejects.toMatchObject({ code });
    const { rows } = await admin.query<{ last: string }>('select last_value as last from tries');
    await admin.query('drop function fail; drop sequence tries');
    await admin.end();
    expect(Number(rows[0]?.last)).toBe(times);
  });

  it('goes on when a migration changed what a prepared statement returns', async () => {
    const admin = new pg.Client(database.url);
    await admin.connect();
    await admin.query('create table shape (a integer)');
    const read: Statement = { name: 'read-shape', text: 'select * from shape' };
    await pool.run(read, []);
    await admin.query('alter table shape add column b text');
    await admin.end();
    expect(await pool.run(read, [])).toEqual([]);
  });
});
