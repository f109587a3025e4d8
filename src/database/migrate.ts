import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { dataSourceOptions } from './data-source.ts';
import { withSessionSettings } from './session-settings.ts';

/** One number for all replicas of all versions: whoever holds this advisory lock may migrate. */
const MIGRATION_LOCK = 7_305_229_411;
const WAIT_FOR_SERVER_MS = 30_000;

/**
 * Runs what is pending, all in one transaction, on the connection that holds the advisory lock; replicas that boot
 * together therefore run each migration once. A migration waits at most 5 s for a table that is in use, so that it
 * never stands in the way of running calls for longer.
 *
 * @returns names of the migrations that ran
 */
export async function runMigrations(url: string): Promise<readonly string[]> {
  return underLock(url, async (executor) =>
    (await executor.executePendingMigrations()).map(({ name }) => name),
  );
}

/**
 * Undoes the newest `steps` migrations.
 *
 * @returns names of the migrations that were undone, newest first
 */
export async function revertMigrations(url: string, steps: number): Promise<readonly string[]> {
  return underLock(url, async (executor) => {
    const undone: string[] = [];
    for (let step = 0; step < steps; step += 1) {
      const newest = (await executor.getExecutedMigrations()).sort((a, b) => b.timestamp - a.timestamp)[0];
      if (newest === undefined) break;
      await executor.undoLastMigration();
      undone.push(newest.name);
    }
    return undone;
  });
}

async function underLock<T>(url: string, work: (executor: MigrationExecutor) => Promise<T>): Promise<T> {
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
    await runner.query(`set lock_timeout = '5s'`);
    const executor = new MigrationExecutor(source, runner);
    executor.transaction = 'all';
    return await work(executor);
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
