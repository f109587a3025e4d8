import { readdirSync } from 'node:fs';
import pg from 'pg';
import { MIGRATIONS } from '../../src/database/data-source.ts';
import { revertMigrations, runMigrations } from '../../src/database/migrate.ts';
import { createDatabase, createEmptyDatabase, type TestDatabase } from '../support/database.ts';
import { plantLedgerRow } from '../support/ledger-rows.ts';
import { query } from '../support/query.ts';

/** The ledger is made by the first two, and keeps its first columns. */
const FIRST_WITH_LEDGER = 2;

describe('migrations', () => {
  const databases: TestDatabase[] = [];
  afterEach(async () => {
    for (const database of databases.splice(0)) await database.drop();
  });
  const fresh = async (make: () => Promise<TestDatabase>): Promise<string> => {
    const database = await make();
    databases.push(database);
    return database.url;
  };

  it('lists every file of the migrations folder, in order', () => {
    const files = readdirSync(new URL('../../migrations/', import.meta.url)).filter((name) =>
      name.endsWith('.ts'),
    );
    const stamps = MIGRATIONS.map(({ name }) => /\d{13}$/.exec(name)?.[0]);
    expect(stamps).toEqual(files.map((name) => name.slice(0, 13)).sort());
  });

  it('go up, down to nothing, and up again', async () => {
    const url = await fresh(createEmptyDatabase);
    expect(await runMigrations(url)).toEqual(MIGRATIONS.map(({ name }) => name));
    const made = await objects(url);
    expect(made).toContain('ledger');

    await revertMigrations(url, MIGRATIONS.length);
    // What is left is TypeORM's own list of what ran.
    expect(await objects(url)).toEqual([expect.stringMatching(/^PK_/), 'migrations', 'migrations_id_seq']);

    await runMigrations(url);
    expect(await objects(url)).toEqual(made);
  });

  it('can be taken back one by one, and attempts are still written', async () => {
    const url = await fresh(createDatabase);
    await query(url, 'select ensure_ledger_partitions()');
    for (let left = MIGRATIONS.length; left > FIRST_WITH_LEDGER; left -= 1) {
      await revertMigrations(url, 1);
      await plantLedgerRow(url, {});
    }
  });

  it('run once when two replicas boot on an empty database', async () => {
    const url = await fresh(createEmptyDatabase);
    const ran = await Promise.all([runMigrations(url), runMigrations(url), runMigrations(url)]);
    expect(ran.flat()).toEqual(MIGRATIONS.map(({ name }) => name));
  });

  it('have nothing to do on a copy of the template', async () => {
    const url = await fresh(createDatabase);
    expect(await runMigrations(url)).toEqual([]);
  });
});

/** Tables, indexes, sequences, functions and types of the public schema, extensions' own left out. */
async function objects(url: string): Promise<string[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(`
      select relname as name from pg_class where relnamespace = 'public'::regnamespace
      union all select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace
      union all select typname from pg_type
        where typnamespace = 'public'::regnamespace and typrelid = 0 and typelem = 0`);
    return rows.map(({ name }) => name).sort();
  } finally {
    await client.end();
  }
}
