import { randomBytes } from 'node:crypto';
import { readEnv } from '../config/env.ts';
import { runDemo } from '../simulator/demo.ts';
import { startSimulator } from '../simulator/simulator.ts';
import { serve } from './serve.ts';

/**
 * `npm run demo`: the relay on an embedded Postgres of its own (`.data/demo`, so that a real start later finds nothing
 * rehearsed), with the simulator as its upstream. Relays a few calls, shows the ledger, and stays up.
 */
const adminToken = `ra_${randomBytes(32).toString('base64url')}`;

await serve(
  () =>
    readEnv({
      RELAY_DATA_DIR: '.data/demo',
      RELAY_LOG_LEVEL: 'warn',
      RELAY_DRAIN_ACCEPT_SECONDS: '0',
      ...process.env,
      RELAY_ADMIN_TOKEN: adminToken,
      RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
    }),
  async (relay) => {
    const simulator = await startSimulator();
    const print = (line: string): void => void process.stdout.write(line);
    await runDemo({ relayUrl: relay.url, adminToken, simulatorUrl: simulator.url, print });
    return () => simulator.close();
  },
);
