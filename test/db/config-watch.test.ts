import { jest } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { readEnv, type Env } from '../../src/config/env.ts';
import { ConfigChanges } from '../../src/database/config-changes.ts';
import { ConfigWatch } from '../../src/database/config-watch.ts';
import { dataSourceOptions } from '../../src/database/data-source.ts';
import { HotPool } from '../../src/database/hot-pool.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const NEVER = '86400000';

describe('changes of settings', () => {
  let database: TestDatabase;
  let source: DataSource;
  let changes: ConfigChanges;
  let pool: HotPool;
  const watches: ConfigWatch[] = [];

  beforeEach(async () => {
    database = await createDatabase();
    source = await new DataSource(dataSourceOptions(database.url)).initialize();
    changes = new ConfigChanges(source);
    pool = new HotPool({ url: database.url, name: 'test', max: 2, synchronousCommit: 'off' });
  });
  afterEach(async () => {
    for (const watch of watches.splice(0)) await watch.beforeApplicationShutdown();
    await Promise.all([pool.close(), source.destroy()]);
    await database.drop();
  });

  const makeWatch = (settings: Record<string, string>): ConfigWatch => {
    const env: Env = readEnv({ RELAY_CONFIG_POLL_MS: NEVER, ...settings });
    const watch = new ConfigWatch({ ...env, databaseUrl: database.url }, pool, pino({ level: 'silent' }));
    watches.push(watch);
    return watch;
  };
  const change = (id = 'x'): Promise<bigint> =>
    changes.write(
      { actor: 'test', action: 'create', resource: 'thing', resourceId: id },
      async (_tx, version) => version,
    );
  const until = async (met: () => boolean): Promise<void> => {
    for (const start = Date.now(); !met(); await new Promise((wake) => setTimeout(wake, 10))) {
      if (Date.now() - start > 10_000) throw new Error('waited for too long');
    }
  };

  it('arrive by the hint, with the version that was known before', async () => {
    const watch = makeWatch({});
    const from: bigint[] = [];
    watch.onChange(async (version) => void from.push(version));
    await watch.onApplicationBootstrap();
    await change();
    await until(() => from.length === 2);
    await change();
    await until(() => from.length === 3);
    expect(from).toEqual([0n, 1n, 2n]);
  });

  it('arrive by the poll when the hint is off', async () => {
    const watch = makeWatch({ RELAY_CONFIG_HINT: 'off', RELAY_CONFIG_POLL_MS: '50' });
    const from: bigint[] = [];
    watch.onChange(async (version) => void from.push(version));
    await watch.onApplicationBootstrap();
    await change();
    await until(() => from.length === 2);
    const { rowCount } = await listeners();
    expect(rowCount).toBe(0);
  });

  it('arrive again by the hint after its connection was cut', async () => {
    const watch = makeWatch({});
    const from: bigint[] = [];
    watch.onChange(async (version) => void from.push(version));
    await watch.onApplicationBootstrap();
    await until(() => from.length === 1);
    let cut = 0;
    for (const start = Date.now(); cut === 0 && Date.now() - start < 10_000;) {
      const { rows } = await listeners();
      for (const { pid } of rows) {
        await source.query('select pg_terminate_backend($1, 5000)', [pid]);
        cut += 1;
      }
    }
    await change();
    await until(() => from.length === 2);
    expect(cut).toBe(1);
  });

  it('are taken in by a refresh before it resolves, even when it was asked for in the middle of another', async () => {
    const watch = makeWatch({ RELAY_CONFIG_HINT: 'off' });
    let version = 0n;
    let running = 0;
    let overlapped = false;
    watch.onChange(async () => {
      running += 1;
      overlapped ||= running > 1;
      const [row] = await source.query<{ version: string }[]>('select version from config_version');
      await new Promise((wake) => setTimeout(wake, 20));
      version = BigInt(row?.version ?? 0);
      running -= 1;
    });
    const seen = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const first = watch.refresh();
        const written = await change();
        await watch.refresh();
        const had = version;
        await first;
        return had >= written;
      }),
    );
    expect(seen).toEqual(seen.map(() => true));
    expect(overlapped).toBe(false);
  });

  it('are offered again, from the same version, to a listener that failed, and to it alone', async () => {
    const watch = makeWatch({ RELAY_CONFIG_HINT: 'off' });
    const asked: bigint[] = [];
    const other = jest.fn(async (_from: bigint) => undefined);
    watch.onChange(async (from) => {
      asked.push(from);
      if (asked.length === 2) throw new Error('not now');
    });
    watch.onChange(other);
    await watch.refresh();
    await change();
    await watch.refresh();
    await watch.refresh();
    await watch.refresh();
    expect(asked).toEqual([0n, 1n, 1n]);
    expect(other.mock.calls).toEqual([[0n], [1n]]);
  });

  it('leave one audit row each, and versions in the order of their commits', async () => {
    const versions = await Promise.all(Array.from({ length: 10 }, (_, i) => change(`thing-${i}`)));
    expect([...versions].sort((a, b) => Number(a - b))).toEqual(
      Array.from({ length: 10 }, (_, i) => BigInt(i + 2)),
    );
    const rows = await source.query<{ resource_id: string }[]>(
      'select resource_id from audit_log order by at',
    );
    const order = versions
      .map((version, i) => ({ version, id: `thing-${i}` }))
      .sort((a, b) => Number(a.version - b.version));
    expect(rows.map((row) => row.resource_id)).toEqual(order.map(({ id }) => id));
  });

  it('keep what was before and what the work made, and keep nothing when the work fails', async () => {
    const entry = { actor: 'alice', action: 'update', resource: 'thing', resourceId: '1', before: { n: 1n } };
    await changes.write({ ...entry, after: (made) => ({ n: made }) }, async (_tx, version) => version);
    const failing = changes.write(entry, async () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    const rows = await source.query<unknown[]>('select actor, action, before, after from audit_log');
    expect(rows).toEqual([{ actor: 'alice', action: 'update', before: { n: '1' }, after: { n: '2' } }]);
    expect(await source.query<unknown[]>('select version from config_version')).toEqual([{ version: '2' }]);
  });

  async function listeners(): Promise<pg.QueryResult<{ pid: number }>> {
    const client = new pg.Client(database.url);
    await client.connect();
    try {
      return await client.query<{ pid: number }>(
        `select pid from pg_stat_activity
         where datname = current_database() and application_name = 'llm-relay hint' and query like 'listen%'`,
      );
    } finally {
      await client.end();
    }
  }
});
