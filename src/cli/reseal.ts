import 'reflect-metadata';
import { openKeyRing } from '../accounts/key-ring.ts';
import { reseal } from '../accounts/resealing.ts';
import { type Env, readEnv } from '../config/env.ts';
import { startEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { runMigrations } from '../database/migrate.ts';
import { describeFailure } from './departure.ts';

/**
 * `npm run reseal`: seals every stored credential under the newest key of `RELAY_ENCRYPTION_KEYS`. To change the key:
 * put the new one in front of the old one everywhere, restart, run this, then take the old one away.
 */
async function run(url: string, env: Env): Promise<void> {
  await runMigrations(url);
  const { moved, unreadable } = await reseal(url, openKeyRing(env));
  console.log(`credentials sealed under the newest key: ${moved}`);
  if (unreadable.length === 0) return;
  console.error(`credentials that do not open and were left as they are: ${unreadable.length}`);
  console.error(`their accounts: ${unreadable.join(', ')}`);
  process.exitCode = 1;
}

try {
  const env = readEnv(process.env);
  if (env.databaseUrl !== undefined) {
    await run(env.databaseUrl, env);
  } else {
    const postgres = await startEmbeddedPostgres({ dataDir: env.dataDir });
    await run(postgres.url, env).finally(() => postgres.stop());
  }
} catch (error) {
  console.error(describeFailure(error));
  process.exitCode = 1;
}
