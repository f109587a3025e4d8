import type { Env } from '../config/env.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { type Relay, startRelay } from '../main.ts';
import { describeFailure, leaveOnSignals } from './departure.ts';

/**
 * Runs a relay until a signal, and beneath it the embedded Postgres when no DATABASE_URL names another. Whatever
 * `then` starts beside it is ended by the function that it answers.
 *
 * States: starting → serving → leaving (drained, then everything ended in the reverse order) → gone.
 */
export async function serve(
  readEnv: () => Env,
  then: (relay: Relay) => Promise<(() => Promise<void>) | undefined>,
): Promise<void> {
  let postgres: EmbeddedPostgres | undefined;
  let relay: Relay | undefined;
  let endBeside: (() => Promise<void>) | undefined;

  const start = async (): Promise<void> => {
    const env = readEnv();
    if (env.databaseUrl === undefined) {
      postgres = await startEmbeddedPostgres({
        dataDir: env.dataDir,
        tell: (sentence) => console.error(sentence),
      });
    }
    relay = await startRelay({ ...env, databaseUrl: env.databaseUrl ?? postgres?.url });
    endBeside = await then(relay);
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
    await starting;
  } catch (error) {
    // When asked to leave in the middle of a start, its failure is of no interest.
    if (asked) return;
    console.error(describeFailure(error));
    await end().catch(() => undefined);
    process.exit(1);
  }
}
