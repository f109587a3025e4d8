import pg from 'pg';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.ts';
import { runMigrations } from '../src/database/migrate.ts';
import { type Filled, fillLedger, type LedgerSize } from './full-ledger.ts';

export interface LedgerDatabase extends Filled {
  readonly url: string;
}

/** An empty database beside one that has served for long, on one Postgres. */
export interface Ledgers {
  readonly empty: LedgerDatabase;
  readonly full: LedgerDatabase;
  /** Of the full one. */
  readonly size: LedgerSize;
  stop(): Promise<void>;
}

const EMPTY: LedgerSize = { rows: 0, months: 1, keys: 1_000, accounts: 10 };

/** Each is made unless an earlier run left it in the folder. @param tell takes a sentence for each step that takes long */
export async function openLedgers(
  folder: string,
  size: LedgerSize,
  tell: (sentence: string) => void,
): Promise<Ledgers> {
  const postgres = await startEmbeddedPostgres({
    dataDir: folder,
    settings: { max_wal_size: '8GB', checkpoint_timeout: '30min' },
  });
  try {
    const empty = await database(postgres.url, 'empty_ledger', EMPTY, tell);
    const full = await database(postgres.url, 'full_ledger', size, tell);
    const rows = await rowsOf(full.url);
    return {
      empty,
      full,
      size: { ...size, rows, keys: full.keys.length, accounts: full.accounts.length },
      stop: () => postgres.stop(),
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

async function database(
  admin: string,
  name: string,
  size: LedgerSize,
  tell: (sentence: string) => void,
): Promise<LedgerDatabase> {
  const url = at(admin, name);
  const found = await withSql(admin, (sql) =>
    sql.query('select from pg_database where datname = $1', [name]),
  );
  if (found.rowCount === 0) await make(admin, name, size, tell);
  else await runMigrations(url);
  return withSql(url, async (sql) => {
    const ids = async (table: string): Promise<string[]> =>
      (await sql.query<{ id: string }>(`select id from ${table} order by id`)).rows.map(({ id }) => id);
    return { url, keys: await ids('api_keys'), accounts: await ids('accounts') };
  });
}

/** Under another name until it is whole. */
async function make(
  admin: string,
  name: string,
  size: LedgerSize,
  tell: (sentence: string) => void,
): Promise<void> {
  const draft = `${name}_draft`;
  await withSql(admin, async (sql) => {
    await sql.query(`drop database if exists ${draft} with (force)`);
    await sql.query(`create database ${draft}`);
  });
  await runMigrations(at(admin, draft));
  await fillLedger(at(admin, draft), size, (sentence) => tell(`${name}: ${sentence}`));
  await withSql(admin, (sql) => sql.query(`alter database ${draft} rename to ${name}`));
}

/** About how many it has, as Postgres keeps them for its plans. */
async function rowsOf(url: string): Promise<number> {
  const { rows } = await withSql(url, (sql) =>
    sql.query<{ rows: string }>(
      `select coalesce(sum(c.reltuples) filter (where c.reltuples > 0), 0)::bigint as rows
         from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'ledger'::regclass`,
    ),
  );
  return Number(rows[0]?.rows ?? 0);
}

function at(admin: string, name: string): string {
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return url.href;
}

async function withSql<T>(url: string, work: (sql: pg.Client) => Promise<T>): Promise<T> {
  const sql = new pg.Client(url);
  await sql.connect();
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}
