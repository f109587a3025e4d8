import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { v7 } from 'uuid';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.ts';
import { HotPool } from '../src/database/hot-pool.ts';
import { runMigrations } from '../src/database/migrate.ts';
import type { Queryable } from '../src/database/statement.ts';
import { type Filled, fillLedger, type LedgerSize } from './full-ledger.ts';
import { admissionsOf, type Cost, least, pairs, pidOf, type Shape } from './pair-cost.ts';
import { tellPlans } from './plans.ts';

/**
 * `node dist/bench/year.js` after `npm run build && npx tsc -p tsconfig.bench.json`: a database that has served for a
 * year. How its reports are read (`--plans whole` for all of each plan), and what an admission and its settlement cost
 * on it beside an empty one, by batch size, in turns and in one run. Ten million rows take 25 GB in the temporary
 * folder; with `--folder` they stay there for the next run.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    months: { type: 'string', default: '12' },
    keys: { type: 'string', default: '100000' },
    accounts: { type: 'string', default: '1000' },
    plans: { type: 'string', default: 'short' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    batches: { type: 'string', default: '1,8,32' },
    folder: { type: 'string' },
  },
});

const FULL: LedgerSize = {
  rows: Number(options.rows),
  months: Number(options.months),
  keys: Number(options.keys),
  accounts: Number(options.accounts),
};
const EMPTY: LedgerSize = { rows: 0, months: 1, keys: 1_000, accounts: 10 };

interface Database extends Filled {
  readonly url: string;
}

const ends: (() => Promise<unknown>)[] = [];

/** Made unless an earlier run left it there. */
async function database(admin: string, name: string, size: LedgerSize): Promise<Database> {
  const url = at(admin, name);
  const found = await withSql(admin, (sql) =>
    sql.query('select from pg_database where datname = $1', [name]),
  );
  if (found.rowCount === 0) await make(admin, name, size);
  else await runMigrations(url);
  return withSql(url, async (sql) => {
    const ids = async (table: string): Promise<string[]> =>
      (await sql.query<{ id: string }>(`select id from ${table} order by id`)).rows.map(({ id }) => id);
    return { url, keys: await ids('api_keys'), accounts: await ids('accounts') };
  });
}

/** Under another name until it is whole. */
async function make(admin: string, name: string, size: LedgerSize): Promise<void> {
  const draft = `${name}_draft`;
  await withSql(admin, async (sql) => {
    await sql.query(`drop database if exists ${draft} with (force)`);
    await sql.query(`create database ${draft}`);
  });
  await runMigrations(at(admin, draft));
  await fillLedger(at(admin, draft), size, (sentence) => console.log(`  ${name}: ${sentence}`));
  await withSql(admin, (sql) => sql.query(`alter database ${draft} rename to ${name}`));
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

async function shape(
  name: string,
  { url, ...filled }: Database,
  keys: number,
  accounts: number,
): Promise<Shape> {
  const pool = (synchronousCommit: 'on' | 'off'): Queryable => {
    const made = new HotPool({ url, name: 'bench', max: 1, synchronousCommit });
    ends.push(() => made.close());
    return made;
  };
  const [hot, ledger] = [pool('off'), pool('on')];
  return {
    name,
    admissions: await admissionsOf(hot, v7()),
    ledger,
    admitting: await pidOf(hot),
    settling: await pidOf(ledger),
    keys: spread(filled.keys, keys),
    candidates: spread(filled.accounts, accounts).map((accountId) => ({
      accountId,
      version: 1n,
      tier: 0,
      modelFamily: 'model',
    })),
    bound: false,
  };
}

/** So many of them, from all over. */
function spread(ids: readonly string[], many: number): readonly string[] {
  return Array.from({ length: many }, (_, at) => ids[Math.floor((at * ids.length) / many)] ?? '');
}

async function comparePairs(shapes: readonly Shape[], batch: number): Promise<void> {
  const costs = new Map<Shape, Cost[]>(shapes.map((one) => [one, []]));
  for (const one of shapes) await pairs(one, batch, 300);
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const one of shapes) costs.get(one)?.push(await pairs(one, batch, Number(options.seconds) * 1_000));
  }
  const figures = (one: Shape): number[] => {
    const list = costs.get(one) ?? [];
    return [({ wall }: Cost) => wall, ({ admit }: Cost) => admit, ({ settle }: Cost) => settle].map((of) =>
      least(list, of),
    );
  };
  const basis = figures(shapes[0] as Shape);
  console.log(
    `\nbatches of ${batch}, µs a pair:                 wall    admit   settle   × empty: admit   settle`,
  );
  for (const one of shapes) {
    const told = figures(one);
    const ratios = told
      .slice(1)
      .map((figure, at) => (figure / (basis[at + 1] ?? NaN)).toFixed(2).padStart(8));
    const plain = told.map((figure) => figure.toFixed(0).padStart(8)).join(' ');
    console.log(`  ${one.name.padEnd(38)} ${plain}         ${ratios.join(' ')}`);
  }
}

const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'llm-relay-year-'));
try {
  const postgres = await startEmbeddedPostgres({
    dataDir: folder,
    settings: { max_wal_size: '8GB', checkpoint_timeout: '30min' },
  });
  ends.push(() => postgres.stop());
  const empty = await database(postgres.url, 'empty_ledger', EMPTY);
  const full = await database(postgres.url, 'full_ledger', FULL);
  console.log(`\nreports, ${FULL.rows} rows, ${FULL.keys} keys, ${FULL.accounts} accounts:`);
  if (options.plans !== 'none') {
    await tellPlans(full.url, full, options.plans === 'whole', (line) => console.log(`  ${line}`));
  }
  const [keys, accounts] = [full.keys.length, full.accounts.length];
  const shapes = [
    await shape('empty, 1000 keys, 10 accounts', empty, 1_000, 10),
    await shape('empty, 10 keys, 10 accounts', empty, 10, 10),
    await shape('full, 10 keys, 10 accounts', full, 10, 10),
    await shape('full, 1000 keys, 10 accounts', full, 1_000, 10),
    await shape(`full, ${keys} keys, 10 accounts`, full, keys, 10),
    await shape(`full, ${keys} keys, ${accounts} accounts`, full, keys, accounts),
  ];
  for (const batch of options.batches.split(',').filter(Boolean).map(Number))
    await comparePairs(shapes, batch);
} finally {
  for (const end of ends.reverse()) await end();
  if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
}
