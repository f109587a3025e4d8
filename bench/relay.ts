import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AdminApi, type Keys } from './admin-api.ts';
import { type Child, end, pidOf } from './child.ts';
import { type Admissions, readAdmissions } from './admissions.ts';

const START = fileURLToPath(new URL('../joined/cli/start.js', import.meta.url));
const READY_MS = 60_000;

export interface RelayChild extends Child {
  readonly keys: Keys;
  /** Attempts in the ledger, by outcome, once there are `expected` of them or no more come. */
  ledger(expected: number): Promise<Record<string, number>>;
  admissions(): Promise<Admissions>;
}

export interface RelayOptions {
  /** Where its CPU profile is written when it ends. */
  readonly profileFolder?: string | undefined;
  /** `cli/start.js` of the build that is run; this one's when absent. */
  readonly start?: string;
  /** Processes that serve; 1 when absent. */
  readonly workers?: number;
  /** A Postgres that it shares with others, in place of its own, and what they have to have in common. */
  readonly database?: { readonly url: string; readonly encryptionKeys: string; readonly token: string };
}

/** A relay that listens, and what opens its REST API and its metrics. */
export interface Launched {
  readonly child: ChildProcess;
  readonly port: number;
  readonly token: string;
  readonly metricsToken: string;
}

/** What `npm start` runs in another checkout, which may be too old to join what it compiles. */
export function startOf(checkout: string): string {
  const joined = resolve(checkout, 'dist/joined/cli/start.js');
  return existsSync(joined) ? joined : resolve(checkout, 'dist/src/cli/start.js');
}

/** The options of `npm start` and of the image. */
const AS_SHIPPED = ['--max-semi-space-size=32', '--use-largepages=silent'];

/** Where one relay keeps its data and its log. */
export async function relayFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'llm-relay-bench-'));
  // Postgres may have to run as another user, who must be able to walk here.
  await chmod(folder, 0o711);
  return folder;
}

/**
 * llm-relay as it is shipped: `npm start` without npm, the embedded Postgres in the folder, logs to a file, metrics on,
 * every other setting as it is by default, but for the wait before draining. Resolves when it listens.
 */
export async function launchRelay(
  folder: string,
  { profileFolder, start = START, workers = 1, database }: RelayOptions,
): Promise<Launched> {
  const token = database?.token ?? newAdminToken();
  const metricsToken = randomBytes(24).toString('base64url');
  const profiling =
    profileFolder === undefined
      ? []
      : ['--cpu-prof', '--cpu-prof-dir', profileFolder, '--cpu-prof-name', 'relay.cpuprofile'];
  const logPath = join(folder, 'log');
  const log = await open(logPath, 'w');
  const child = spawn(process.execPath, [...profiling, ...AS_SHIPPED, start], {
    stdio: ['ignore', log.fd, 'inherit'],
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      RELAY_DATA_DIR: join(folder, 'data'),
      RELAY_ADMIN_TOKEN: token,
      RELAY_METRICS_TOKEN: metricsToken,
      RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
      RELAY_DRAIN_ACCEPT_SECONDS: '0',
      RELAY_WORKERS: String(workers),
      ...(database && { DATABASE_URL: database.url, RELAY_ENCRYPTION_KEYS: database.encryptionKeys }),
    },
  });
  await log.close();
  try {
    const port = await untilListening(logPath, () => child.exitCode === null && child.signalCode === null);
    return { child, port, token, metricsToken };
  } catch (error) {
    await end(child, 'SIGTERM');
    throw error;
  }
}

export function newAdminToken(): string {
  return `ra_${randomBytes(24).toString('base64url')}`;
}

/** A relay with one account at `upstream`, one at `bedrock`, and a key for each. */
export async function startRelay(
  ports: Readonly<Record<'upstream' | 'bedrock', number>>,
  options: RelayOptions = {},
): Promise<RelayChild> {
  const folder = await relayFolder();
  const { child, port, token, metricsToken } = await launchRelay(folder, options);
  const stop = async (): Promise<void> => {
    await end(child, 'SIGTERM');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const admin = new AdminApi(port, token);
    return {
      pid: pidOf(child),
      port,
      keys: await admin.furnish(ports),
      ledger: (expected) => admin.ledger(expected),
      admissions: () => readAdmissions(port, metricsToken),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The port that the relay tells among its log lines once it serves. */
async function untilListening(logPath: string, lives: () => boolean): Promise<number> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await sleep(20)) {
    if (!lives()) throw new Error('the relay ended before it listened');
    const [, port] = /^llm-relay listens on \S+:(\d+)$/m.exec(await readFile(logPath, 'utf8')) ?? [];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`the relay did not listen within ${READY_MS / 1000} s`);
}
