import { fileURLToPath } from 'node:url';
import type { Env } from '../config/env.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { describeFailure, leaveOnSignals } from './departure.ts';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
/** Postgres allows 100 unless told otherwise; each process that serves has 16 at most, and one that listens. */
const CONNECTIONS = 100;
const CONNECTIONS_OF_A_WORKER = 20;

/** A relay in this process, or workers below it. */
export interface Serving {
  readonly url: string;
  readonly firstAdminToken: string | undefined;
  /** Rejects when it serves no more and cannot help it. */
  readonly lost?: Promise<never>;
  close(): Promise<void>;
  hurry(): void;
}

/**
 * Runs a relay until a signal, and beneath it the embedded Postgres when no DATABASE_URL names another. Whatever
 * `then` starts beside it is ended by the function that it answers.
 *
 * States: starting → serving → leaving (drained, then everything ended in the reverse order) → gone.
 */
export async function serve(
  readEnv: () => Env,
  then: (relay: Serving) => Promise<(() => Promise<void>) | undefined>,
): Promise<void> {
  let postgres: EmbeddedPostgres | undefined;
  let relay: Serving | undefined;
  let endBeside: (() => Promise<void>) | undefined;

  const start = async (): Promise<Serving> => {
    const env = readEnv();
    let begin: Promise<Begin> | undefined;
    const readIn = (): Promise<Begin> => (begin ??= env.workers === 1 ? oneProcess() : workers());
    if (env.databaseUrl === undefined) {
      postgres = await startEmbeddedPostgres({
        dataDir: env.dataDir,
        tell: (sentence) => console.error(sentence),
        // Reading the application in takes longer than Postgres' start, keeps this thread, and needs no Postgres.
        meanwhile: () => void readIn().catch(() => undefined),
        settings: {
          max_connections: CONNECTIONS + (env.workers > 1 ? env.workers * CONNECTIONS_OF_A_WORKER : 0),
        },
      });
    }
    const serveOn = await readIn();
    relay = await serveOn({ ...env, databaseUrl: env.databaseUrl ?? postgres?.url });
    endBeside = await then(relay);
    return relay;
  };
  const end = async (): Promise<void> => {
    await relay?.close();
    await endBeside?.();
    // After the relay: what it had to write is written.
    await postgres?.stop();
  };

  const starting = Promise.resolve().then(start);
  let asked = false;
  leaveOnSignals({
    async leave() {
      asked = true;
      await starting.catch(() => undefined);
      await end();
    },
    hurry: () => relay?.hurry(),
  });
  try {
    await (
      await starting
    ).lost;
  } catch (error) {
    // When asked to leave in the middle of a start, its failure is of no interest.
    if (asked) return;
    console.error(describeFailure(error));
    await end().catch(() => undefined);
    process.exit(1);
  }
}

/** How a database is served, once the modules are read in that do it. */
type Begin = (env: Env) => Promise<Serving>;

async function oneProcess(): Promise<Begin> {
  return (await import('../main.ts')).startRelay;
}

/** Several workers find a database that was migrated once, before the first of them. */
async function workers(): Promise<Begin> {
  const [{ runMigrations }, { Workers }, { createLogger }] = await Promise.all([
    import('../database/migrate.ts'),
    import('../workers/workers.ts'),
    import('../telemetry/logger.ts'),
  ]);
  return async (env) => {
    if (env.databaseUrl !== undefined) await runMigrations(env.databaseUrl);
    return Workers.start(env, WORKER, createLogger(env.logLevel));
  };
}
