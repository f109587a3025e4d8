/**
 * Row I10: no deadlock over a whole run. Each test database is gone before the run ends, and what the server counted of
 * it as well; `drop` in `database.ts` writes that down in the server's first database, run by run.
 */
import pg from 'pg';

export async function expectDatabases(adminUrl) {
  await ask(
    adminUrl,
    'create table if not exists ended_databases (run uuid not null, file text, deadlocks bigint not null)',
  );
}

/** @throws Error naming the files whose databases had deadlocks */
export async function expectNoDeadlock(adminUrl, run) {
  const rows = await ask(
    adminUrl,
    `select file, sum(deadlocks)::integer as deadlocks, count(*)::integer as databases
      from ended_databases where run = $1 group by file order by file`,
    [run],
  );
  const sum = (of) => rows.reduce((all, row) => all + row[of], 0);
  process.stdout.write(`${sum('deadlocks')} deadlocks in ${sum('databases')} databases of the tests\n`);
  const guilty = rows.filter(({ deadlocks }) => deadlocks > 0);
  if (guilty.length === 0) return;
  throw new Error(`Deadlocks: ${guilty.map(({ file, deadlocks }) => `${deadlocks} in ${file}`).join(', ')}`);
}

async function ask(url, statement, values = []) {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(statement, values)).rows;
  } finally {
    await client.end();
  }
}
