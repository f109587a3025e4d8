import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { dataSourceOptions } from './data-source.ts';
import { withSessionSettings } from './session-settings.ts';

/** One number for all replicas of all versions: whoever holds this advisory lock may migrate. */
const MIGRATION_LOCK = 7_305_229_411;
const WAIT_FOR_SERVER_MS = 30_000;

/** The server gives up a lock that it was not given in time (`lock_not_available`). */
const NOT_IN_TIME = '55P03';
/** Half of what admission waits for a lock before it asks again, three times in all (`HotPool`). */
const LOCK_MS = 250;
/**
 * From so long on a try waits for longer: the server ends an autovacuum that is in the way only after
 * `deadlock_timeout`, a second unless changed; admission outlives that, too.
 */
const HURRY_AFTER_MS = 10_000;
const LATER_LOCK_MS = 1_200;
const LONGEST_PAUSE_MS = 2_000;
/** Longer than any report of ours may take. */
const GIVE_UP_AFTER_MS = 60_000;

/**
 * Runs what is pending, all in one transaction, on the connection that holds the advisory lock; replicas that boot
 * together therefore run each migration once. Whoever asks for a table that is locked stands behind the migration that
 * waits for it. So it waits a moment only, gives everything back where somebody reads for longer, and tries again.
 *
 * @returns names of the migrations that ran
 */
export async function runMigrations(url: string): Promise<readonly string[]> {
  return underLock(url, async (executor, runner) => {
    const ran = await patiently(runner, () => executor.executePendingMigrations());
    return ran.map(({ name }) => name);
  });
}

/**
 * Undoes the newest `steps` migrations.
 *
 * @returns names of the migrations that were undone, newest first
 */
export async function revertMigrations(url: string, steps: number): Promise<readonly string[]> {
  return underLock(url, async (executor, runner) => {
    const undone: string[] = [];
    for (let step = 0; step < steps; step += 1) {
      const newest = (await executor.getExecutedMigrations()).sort((a, b) => b.timestamp - a.timestamp)[0];
      if (newest === undefined) break;
      await patiently(runner, () => executor.undoLastMigration());
      undone.push(newest.name);
    }
    return undone;
  });
}

/** Each try is a transaction of its own, of which nothing is left where it fails; TypeORM prints what it failed at. */
async function patiently<T>(runner: QueryRunner, attempt: () => Promise<T>): Promise<T> {
  const started = performance.now();
  for (let pauseMs = LOCK_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const waited = performance.now() - started;
    await runner.query(`set lock_timeout = ${waited < HURRY_AFTER_MS ? LOCK_MS : LATER_LOCK_MS}`);
    try {
      return await attempt();
    } catch (error) {
      if ((error as { code?: string }).code !== NOT_IN_TIME || waited > GIVE_UP_AFTER_MS) throw error;
    }
    await sleep(pauseMs);
  }
}

async function underLock<T>(
  url: string,
  work: (executor: MigrationExecutor, runner: QueryRunner) => Promise<T>,
): Promise<T> {
  const settings = { application_name: 'llm-relay migrate', statement_timeout: '0', lock_timeout: '5min' };
  const source = new DataSource({
    ...dataSourceOptions(url),
    url: withSessionSettings(url, settings),
    poolSize: 1,
    // Migrations may take long: no limit of ours on an answer.
    extra: { connectionTimeoutMillis: 5_000, keepAlive: true },
  });
  await connect(source);
  let runner: QueryRunner | undefined;
  try {
    runner = source.createQueryRunner();
    // Waits with the long lock_timeout for another replica's whole run.
    await runner.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const executor = new MigrationExecutor(source, runner);
    executor.transaction = 'all';
    return await work(executor, runner);
  } finally {
    // The advisory lock ends with its connection.
    await runner?.release();
    await source.destroy();
  }
}

/** A server that is still starting is waited for; a wrong password or name is told at once. */
async function connect(source: DataSource): Promise<void> {
  for (const started = performance.now(); ; await sleep(250)) {
    try {
      await source.initialize();
      return;
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      const starting = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ECONNRESET', '57P03'].includes(code);
      if (!starting || performance.now() - started > WAIT_FOR_SERVER_MS) throw error;
    }
  }
}
