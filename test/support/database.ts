import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  readonly url: string;
  /** Closes what is still connected, too. */
  drop(): Promise<void>;
}

/** A database of one's own, with all migrations run (25–50 ms). */
export async function createDatabase(): Promise<TestDatabase> {
  return create(`template ${variable('TEST_DATABASE_TEMPLATE')}`);
}

/** A database without any table. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return create('');
}

async function create(from: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asAdmin(`create database ${name} ${from}`);
  const url = new URL(variable('TEST_DATABASE_ADMIN_URL'));
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => drop(name) };
}

/** Row I10: what the server counted goes with the database, so it is written down for the end of the run. */
async function drop(name: string): Promise<void> {
  // A connection tells what it counted when it ends.
  await asAdmin('select pg_terminate_backend(pid, 2000) from pg_stat_activity where datname = $1', [name]);
  await asAdmin(
    `insert into ended_databases (run, file, deadlocks)
      select $1, $2, deadlocks from pg_stat_database where datname = $3`,
    [variable('TEST_RUN'), expect.getState().testPath, name],
  );
  await asAdmin(`drop database if exists ${name} with (force)`);
}

async function asAdmin(statement: string, values: unknown[] = []): Promise<void> {
  const admin = new pg.Client(variable('TEST_DATABASE_ADMIN_URL'));
  await admin.connect();
  try {
    await admin.query(statement, values);
  } finally {
    await admin.end();
  }
}

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined)
    throw new Error(`${name} is not set: run this file through Jest with its global setup`);
  return value;
}
