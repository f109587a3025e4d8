import { jest } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { readEnv } from '../../src/config/env.ts';
import { ConfigWatch } from '../../src/database/config-watch.ts';
import { DatabaseUnavailable } from '../../src/database/database-unavailable.ts';
import { HotPool } from '../../src/database/hot-pool.ts';
import type { Queryable, Statement } from '../../src/database/statement.ts';
import { KeyDirectory } from '../../src/keys/key-directory.ts';
import { digestOfSecret, newKeySecret } from '../../src/keys/key-secret.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';

/** Counts what the directory asks, and can hold an answer back until it is told to let go. */
class Watched implements Queryable {
  readonly asked: string[] = [];
  answered = 0;
  hold: Promise<void> | undefined;
  away = false;

  constructor(private readonly pool: HotPool) {}

  async run<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    this.asked.push(statement.name);
    if (this.away) throw new DatabaseUnavailable('connection');
    const rows = await this.pool.run<Row>(statement, values);
    await this.hold;
    this.answered += 1;
    return rows;
  }

  lookups(): number {
    return this.asked.filter((name) => name === 'find-key-by-digest').length;
  }
}

let database: TestDatabase;
let pool: HotPool;
let watched: Watched;
let watch: ConfigWatch;
let directory: KeyDirectory;

beforeEach(async () => {
  database = await createDatabase();
  pool = new HotPool({ url: database.url, name: 'test', max: 4, synchronousCommit: 'off' });
  watched = new Watched(pool);
  const env = readEnv({
    DATABASE_URL: database.url,
    RELAY_CONFIG_HINT: 'off',
    RELAY_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  });
  const log = pino({ level: 'silent' });
  watch = new ConfigWatch(env, pool, log);
  directory = new KeyDirectory(watched, log, watch);
  await watch.refresh();
});
afterEach(async () => {
  await pool.close();
  await database.drop();
});

async function makeKey(): Promise<{ id: string; secret: string }> {
  const [id, secret] = [randomUUID(), newKeySecret()];
  await query(
    database.url,
    `insert into api_keys (id, version, name, scopes, models) values ($1, 1, 'n', '{claude}', '{*}')`,
    [id],
  );
  await addSecret(id, secret);
  return { id, secret };
}

async function addSecret(id: string, secret: string): Promise<void> {
  await query(
    database.url,
    `insert into api_key_secrets (digest, key_id, prefix) values ($1, $2, 'rk_abcdef')`,
    [digestOfSecret(secret), id],
  );
}

async function change(text: string, values: unknown[]): Promise<void> {
  await query(database.url, 'update config_version set version = version + 1');
  await query(database.url, text, values);
}

describe('the directory of keys', () => {
  it('asks once for a key, however many want it', async () => {
    const { secret } = await makeKey();
    const found = await Promise.all(Array.from({ length: 50 }, async () => directory.find(secret)));
    expect(new Set(found).size).toBe(1);
    await directory.find(secret);
    expect(watched.lookups()).toBe(1);
  });

  it('asks once for a stranger, and never for what cannot be a key', async () => {
    const stranger = newKeySecret();
    for (let i = 0; i < 10; i += 1) expect(await directory.find(stranger)).toBeUndefined();
    expect(watched.lookups()).toBe(1);
    for (const garbage of ['', 'rk_', `${stranger}x`, 'x'.repeat(1_000_000), "' or 1=1 --".padEnd(46)]) {
      expect(await directory.find(garbage)).toBeUndefined();
    }
    expect(watched.lookups()).toBe(1);
  });

  it('tells keys apart by the whole secret, not by its beginning', async () => {
    const { id, secret } = await makeKey();
    expect((await directory.find(secret))?.id).toBe(id);
    const last = secret.endsWith('A') ? 'E' : 'A';
    expect(await directory.find(secret.slice(0, -1) + last)).toBeUndefined();
  });

  it('reads only the keys again that changed', async () => {
    const [one, other] = await Promise.all([makeKey(), makeKey()]);
    await Promise.all([directory.find(one.secret), directory.find(other.secret)]);
    await change('update api_keys set version = 2, revoked_at = now() where id = $1', [one.id]);
    await watch.refresh();
    const [revoked, kept] = await Promise.all([directory.find(one.secret), directory.find(other.secret)]);
    expect([revoked && directory.isUsable(revoked), kept && directory.isUsable(kept)]).toEqual([false, true]);
    expect(watched.lookups()).toBe(3);
  });

  it('does not keep what it was reading while the key changed', async () => {
    const { id, secret } = await makeKey();
    let letGo = (): void => undefined;
    watched.hold = new Promise((resolve) => (letGo = resolve));
    const early = directory.find(secret);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await change('update api_keys set version = 2, revoked_at = now() where id = $1', [id]);
    const seen = watch.refresh();
    await new Promise((resolve) => setTimeout(resolve, 200));
    letGo();
    await Promise.all([early, seen]);
    const late = await directory.find(secret);
    expect(late && directory.isUsable(late)).toBe(false);
  });

  it('knows a new secret as soon as the change is seen', async () => {
    const { id } = await makeKey();
    const secret = newKeySecret();
    expect(await directory.find(secret)).toBeUndefined();
    await addSecret(id, secret);
    await change('update api_keys set version = 2 where id = $1', [id]);
    await watch.refresh();
    expect((await directory.find(secret))?.id).toBe(id);
  });

  it('ends a rotated secret by the clock of the database', async () => {
    const { id, secret } = await makeKey();
    await query(
      database.url,
      `update api_key_secrets set expires_at = clock_timestamp() + interval '700 milliseconds' where key_id = $1`,
      [id],
    );
    expect(await directory.find(secret)).toBeDefined();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await directory.find(secret)).toBeUndefined();
    expect(watched.lookups()).toBe(1);
  });

  it('rereads a key by its secret, so that one rotated away is gone', async () => {
    const { id, secret } = await makeKey();
    const key = await directory.find(secret);
    if (key === undefined) throw new Error('not found');
    await query(database.url, 'update api_keys set version = 2, name = $2 where id = $1', [id, 'renamed']);
    const fresh = await directory.reread(key);
    expect(fresh).toMatchObject({ name: 'renamed', version: 2n });
    await query(database.url, 'delete from api_key_secrets where key_id = $1', [id]);
    expect(fresh && (await directory.reread(fresh))).toBeUndefined();
  });

  it('rereads a key once for all who are told at once that it is old', async () => {
    const { id, secret } = await makeKey();
    const key = await directory.find(secret);
    if (key === undefined) throw new Error('not found');
    await query(database.url, 'update api_keys set version = 2 where id = $1', [id]);
    const fresh = await Promise.all(Array.from({ length: 50 }, () => directory.reread(key)));
    expect(fresh.map((one) => one?.version)).toEqual(Array.from({ length: 50 }, () => 2n));
    expect(watched.lookups()).toBe(2);
  });

  it('serves what it knows while the database is away, and says so of the rest', async () => {
    const { secret } = await makeKey();
    await directory.find(secret);
    watched.away = true;
    expect(await directory.find(secret)).toBeDefined();
    await expect(directory.find(newKeySecret())).rejects.toThrow(DatabaseUnavailable);
  });

  it('serves a key in steady use through an outage, however long ago it was first read', async () => {
    const { secret } = await makeKey();
    const real = performance.now.bind(performance);
    let aheadMs = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => real() + aheadMs);
    try {
      for (aheadMs = 0; aheadMs <= 50_000; aheadMs += 5_000) {
        expect(await directory.find(secret)).toBeDefined();
        await eventually(() => expect(watched.answered).toBe(aheadMs >= 30_000 ? 2 : 1));
      }
      watched.away = true;
      for (; aheadMs <= 85_000; aheadMs += 5_000) expect(await directory.find(secret)).toBeDefined();
      // It was read for the last time after half a minute, and is known for no longer than a minute.
      aheadMs = 91_000;
      await expect(directory.find(secret)).rejects.toThrow(DatabaseUnavailable);
    } finally {
      clock.mockRestore();
    }
  });
});
