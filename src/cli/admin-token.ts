import 'reflect-metadata';
import { makeAdminToken } from '../admin/make-admin-token.ts';
import { readMigrationEnv } from '../config/env.ts';
import { startEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { runMigrations } from '../database/migrate.ts';
import { FolderInUse } from '../database/postmaster.ts';
import { findRunningPostgres } from '../database/running-postgres.ts';
import { describeFailure } from './departure.ts';

/**
 * `npm run admin-token -- [name]`: makes one more administrator's token and prints it, the only time it is shown. Works
 * beside a running relay, and without one.
 */
const name = process.argv[2] ?? 'npm run admin-token';

async function make(url: string): Promise<void> {
  await runMigrations(url);
  console.log(await makeAdminToken(url, name));
}

async function makeInDataFolder(dataDir: string): Promise<void> {
  try {
    const postgres = await startEmbeddedPostgres({ dataDir });
    await make(postgres.url).finally(() => postgres.stop());
  } catch (error) {
    if (!(error instanceof FolderInUse)) throw error;
    const url = await findRunningPostgres(dataDir);
    if (url === undefined) throw error;
    await make(url);
  }
}

try {
  if (!/^[\x20-\x7e]{1,100}$/.test(name)) throw new Error('The name must be 1 to 100 printable characters');
  const env = readMigrationEnv(process.env);
  await (env.databaseUrl === undefined ? makeInDataFolder(env.dataDir) : make(env.databaseUrl));
} catch (error) {
  console.error(describeFailure(error));
  process.exitCode = 1;
}
