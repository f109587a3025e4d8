import { readMigrationEnv } from '../config/env.ts';
import { startEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { revertMigrations, runMigrations } from '../database/migrate.ts';
import { describeFailure } from './departure.ts';

/** `npm run migrate`: brings the database up to date and ends; with `--down`, undoes the newest migration. */

async function migrate(url: string): Promise<void> {
  if (process.argv.includes('--down')) {
    const name = await revertMigrations(url, 1);
    console.log(name.length === 0 ? 'there is nothing to undo' : `undone: ${name.join(', ')}`);
    return;
  }
  const ran = await runMigrations(url);
  console.log(ran.length === 0 ? 'the database is up to date' : `migrated: ${ran.join(', ')}`);
}

try {
  const env = readMigrationEnv(process.env);
  if (env.databaseUrl !== undefined) {
    await migrate(env.databaseUrl);
  } else {
    const postgres = await startEmbeddedPostgres({ dataDir: env.dataDir });
    await migrate(postgres.url).finally(() => postgres.stop());
  }
} catch (error) {
  console.error(describeFailure(error));
  process.exitCode = 1;
}
