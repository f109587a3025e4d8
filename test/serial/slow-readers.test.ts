import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { asking } from '../support/asking.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { admin, ADMIN_TOKEN } from '../support/relay.ts';

const START = fileURLToPath(new URL('../../dist/joined/cli/start.js', import.meta.url));
const READERS = 100;
const ANSWER = '10mb';
const MIB = 1024 * 1024;
const ALLOWED_MIB = 60;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** C4, measured from outside: the relay is a process of its own. */
describe('a hundred readers that take their time', () => {
  let simulator: Simulator;
  let database: TestDatabase;
  let relay: ChildProcess;
  let url: string;

  beforeAll(async () => {
    [simulator, database] = await Promise.all([startSimulator(), createDatabase()]);
    const env = {
      PATH: process.env['PATH'],
      DATABASE_URL: database.url,
      PORT: '0',
      RELAY_ADMIN_TOKEN: ADMIN_TOKEN,
      RELAY_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
      RELAY_LOG_LEVEL: 'warn',
      RELAY_SPOOL_DIR: 'off',
      RELAY_DRAIN_ACCEPT_SECONDS: '0',
      RELAY_DRAIN_SECONDS: '5',
    };
    relay = spawn(process.execPath, [START], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const note = (chunk: Buffer): void => void (output += chunk.toString());
    relay.stdout?.on('data', note);
    relay.stderr?.on('data', note);
    url = await eventually(() => {
      if (relay.exitCode !== null) throw new Error(`The relay ended:\n${output}`);
      const found = /llm-relay listens on (\S+)/.exec(output)?.[1];
      if (found === undefined) throw new Error(`The relay does not listen yet:\n${output}`);
      return found;
    }, 20_000);
  }, 60_000);
  afterAll(async () => {
    relay.kill('SIGTERM');
    if (relay.exitCode === null) await once(relay, 'exit');
    await simulator.close();
    await database.drop();
  });

  const rssMib = (): number => {
    const status = readFileSync(`/proc/${relay.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  };
  const open = (key: string, directives: string): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const one = asking('Claude SSE', key, `[[sim: ${directives}]]`);
      const asked = request(url + one.path, { method: 'POST', headers: one.headers, agent: false });
      asked.on('response', resolve).on('error', reject).end(one.body);
    });

  const onLinux = process.platform === 'linux' ? it : it.skip;

  onLinux(
    `cost less than ${ALLOWED_MIB} MiB, and get every byte`,
    async () => {
      const account = {
        name: 'slow',
        kind: 'claude',
        baseUrl: simulator.url,
        credentials: { apiKey: `sk-ant-sim-${randomUUID()}` },
      };
      expect((await admin(url, 'POST', '/accounts', account)).status).toBe(201);
      const made = await admin(url, 'POST', '/keys', { name: 'slow', scopes: ['claude'], models: ['*'] });
      const { key } = made.body as { key: string };
      // Code is compiled and heaps are grown before anything is weighed.
      for (let calls = 0; calls < 60; calls += 10) {
        await Promise.all(
          Array.from({ length: 10 }, async () => {
            for await (const piece of await open(key, 'large=1mb')) void piece;
          }),
        );
      }
      await pause(500);
      const before = rssMib();
      let most = 0;
      const sampling = setInterval(() => (most = Math.max(most, rssMib())), 50);

      const answers = await Promise.all(Array.from({ length: READERS }, () => open(key, `large=${ANSWER}`)));
      await pause(2_000);
      const stalled = most;
      const sentWhileStalled = simulator.requests
        .slice(-READERS)
        .reduce((sum, { bytesSent }) => sum + bytesSent, 0);
      const sizes = await Promise.all(
        answers.map(async (answer) => {
          let size = 0;
          for await (const piece of answer as AsyncIterable<Buffer>) {
            size += piece.length;
            if (Math.random() < 0.05) await pause(10);
          }
          return size;
        }),
      );
      clearInterval(sampling);

      process.stdout.write(
        `slow readers: ${READERS} x ${ANSWER}; RSS ${before.toFixed(0)} MiB before, ` +
          `+${(stalled - before).toFixed(0)} while they took nothing (the upstream had sent ` +
          `${(sentWhileStalled / MIB).toFixed(0)} MiB), +${(most - before).toFixed(0)} at most\n`,
      );
      expect(most - before).toBeLessThanOrEqual(ALLOWED_MIB);
      expect(Math.min(...sizes)).toBeGreaterThan(10 * MIB);
      await eventually(async () => {
        const [row] = await query<{ whole: number }>(
          database.url,
          `select count(*)::integer as whole from ledger where outcome = 'completed'`,
        );
        expect(row?.whole).toBe(60 + READERS);
      });
      await eventually(() => expectQuiet(database.url));
    },
    120_000,
  );
});
