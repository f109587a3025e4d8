import { readEnv, type Env } from '../config/env.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../database/embedded-postgres.ts';
import { startRelay, type Relay } from '../main.ts';
import { describeFailure, leaveOnSignals } from './departure.ts';

/** `npm start`: the relay, and beneath it the embedded Postgres when no DATABASE_URL names another. */

let postgres: EmbeddedPostgres | undefined;
let relay: Relay | undefined;

async function start(env: Env): Promise<void> {
  if (env.databaseUrl === undefined) {
    postgres = await startEmbeddedPostgres({
      dataDir: env.dataDir,
      tell: (sentence) => console.error(sentence),
    });
  }
  relay = await startRelay({ ...env, databaseUrl: env.databaseUrl ?? postgres?.url });
  if (relay.firstAdminToken !== undefined) {
    console.log(`The first administrator's token, shown only now: ${relay.firstAdminToken}`);
  }
  console.log(`llm-relay listens on ${relay.url}`);
}

async function end(): Promise<void> {
  await relay?.close();
  // After the relay: what it had to write is written.
  await postgres?.stop();
}

const starting = Promise.resolve().then(() => start(readEnv(process.env)));
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
  if (!asked) {
    console.error(describeFailure(error));
    await end().catch(() => undefined);
    process.exit(1);
  }
}
