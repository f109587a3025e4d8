import { NestFactory } from '@nestjs/core';
import { Module, type INestApplicationContext } from '@nestjs/common';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { ConfigModule } from '../../src/config/config.module.ts';
import { readEnv } from '../../src/config/env.ts';
import { dataSourceOptions, endStuckConnections } from '../../src/database/data-source.ts';
import { DatabaseModule } from '../../src/database/database.module.ts';
import { HOT_POOL, LEDGER_POOL } from '../../src/database/hot-pool.ts';
import type { Queryable } from '../../src/database/statement.ts';
import { TelemetryModule } from '../../src/telemetry/telemetry.module.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

@Module({})
class TestRoot {}

describe('the database room', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(() => database.drop());

  const boot = (): Promise<INestApplicationContext> => {
    const env = { ...readEnv({ RELAY_LOG_LEVEL: 'silent' }), databaseUrl: database.url };
    const imports = [ConfigModule.with(env), TelemetryModule, DatabaseModule];
    return NestFactory.createApplicationContext({ module: TestRoot, imports }, { logger: false });
  };

  it('offers TypeORM, a quick pool and a durable one, and closes them all', async () => {
    const app = await boot();
    const commit = { name: 'commit', text: "select current_setting('synchronous_commit') as value" };
    expect(await app.get<Queryable>(HOT_POOL).run(commit, [])).toEqual([{ value: 'off' }]);
    expect(await app.get<Queryable>(LEDGER_POOL).run(commit, [])).toEqual([{ value: 'on' }]);
    const asked = await app.get(DataSource).query<unknown[]>('show statement_timeout');
    expect(asked).toEqual([{ statement_timeout: '30s' }]);
    await app.close();

    const client = new pg.Client(database.url);
    await client.connect();
    const others = `select count(*)::int as others from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    const count = async (): Promise<unknown> =>
      (await client.query<{ others: number }>(others)).rows[0]?.others;
    // A closed connection's server process ends a moment later.
    for (const start = Date.now(); (await count()) !== 0 && Date.now() - start < 5_000;);
    expect(await count()).toBe(0);
    await client.end();
  });

  it('does not hand on an administration connection whose answer never came', async () => {
    const options = dataSourceOptions(database.url);
    const source = new DataSource({
      ...options,
      poolSize: 1,
      extra: { ...options.extra, query_timeout: 300 },
    });
    await source.initialize();
    endStuckConnections(source);
    const pid = async (): Promise<number> =>
      (await source.query<{ pid: number }[]>('select pg_backend_pid() as pid'))[0]?.pid ?? 0;
    const frozen = await pid();
    process.kill(frozen, 'SIGSTOP');
    try {
      await expect(pid()).rejects.toThrow(/timeout/);
      expect(await pid()).not.toBe(frozen);
    } finally {
      process.kill(frozen, 'SIGCONT');
      await source.destroy();
    }
  });
});
