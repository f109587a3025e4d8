import { readEnv } from '../config/env.ts';
import { serve } from './serve.ts';

/** `npm start`: the relay, and beneath it the embedded Postgres when no DATABASE_URL names another. */
await serve(
  () => readEnv(process.env),
  async (relay) => {
    if (relay.firstAdminToken !== undefined) {
      console.log(`The first administrator's token, shown only now: ${relay.firstAdminToken}`);
    }
    console.log(`llm-relay listens on ${relay.url}`);
    return undefined;
  },
);
