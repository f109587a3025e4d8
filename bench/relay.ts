import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Child, end, pidOf } from './child.ts';

const START = fileURLToPath(new URL('../joined/cli/start.js', import.meta.url));
const SCOPES = ['claude', 'openai', 'gemini'];
const READY_MS = 60_000;
const SETTLED_MS = 15_000;

export interface RelayChild extends Child {
  /** API keys: the one of the account at the upstream, and the one of the account at Bedrock's. */
  readonly keys: Readonly<Record<'usual' | 'bedrock', string>>;
  /** Attempts in the ledger, by outcome, once there are `expected` of them or no more come. */
  ledger(expected: number): Promise<Record<string, number>>;
}

export interface RelayOptions {
  /** Where its CPU profile is written when it ends. */
  readonly profileFolder?: string | undefined;
  /** `cli/start.js` of the build that is run; this one's when absent. */
  readonly start?: string;
  /** Processes that serve; 1 when absent. */
  readonly workers?: number;
}

/** What `npm start` runs in another checkout, which may be too old to join what it compiles. */
export function startOf(checkout: string): string {
  const joined = resolve(checkout, 'dist/joined/cli/start.js');
  return existsSync(joined) ? joined : resolve(checkout, 'dist/src/cli/start.js');
}

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
  { profileFolder, start = START, workers = 1 }: RelayOptions,
): Promise<{ readonly child: ChildProcess; readonly port: number; readonly token: string }> {
  const token = `ra_${randomBytes(24).toString('base64url')}`;
  const profiling =
    profileFolder === undefined
      ? []
      : ['--cpu-prof', '--cpu-prof-dir', profileFolder, '--cpu-prof-name', 'relay.cpuprofile'];
  const logPath = join(folder, 'log');
  const log = await open(logPath, 'w');
  const child = spawn(process.execPath, [...profiling, '--max-semi-space-size=32', start], {
    stdio: ['ignore', log.fd, 'inherit'],
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      RELAY_DATA_DIR: join(folder, 'data'),
      RELAY_ADMIN_TOKEN: token,
      RELAY_METRICS_TOKEN: randomBytes(24).toString('base64url'),
      RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8',
      RELAY_DRAIN_ACCEPT_SECONDS: '0',
      RELAY_WORKERS: String(workers),
    },
  });
  await log.close();
  try {
    const port = await untilListening(logPath, () => child.exitCode === null && child.signalCode === null);
    return { child, port, token };
  } catch (error) {
    await end(child, 'SIGTERM');
    throw error;
  }
}

/** A relay with one account at `upstream`, one at `bedrock`, and a key for each. */
export async function startRelay(
  ports: Readonly<Record<'upstream' | 'bedrock', number>>,
  options: RelayOptions = {},
): Promise<RelayChild> {
  const folder = await relayFolder();
  const { child, port, token } = await launchRelay(folder, options);
  const stop = async (): Promise<void> => {
    await end(child, 'SIGTERM');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const admin = new AdminApi(`http://127.0.0.1:${port}/admin/v1`, token);
    const usual = await admin.account(ports.upstream, {
      kind: 'claude',
      credentials: { apiKey: 'sk-ant-bench' },
    });
    const credentials = { region: 'us-east-1', apiKey: 'ABSK-bench-bench-bench' };
    const bedrock = await admin.account(ports.bedrock, { kind: 'bedrock', credentials });
    return {
      pid: pidOf(child),
      port,
      keys: { usual: await admin.key(usual), bedrock: await admin.key(bedrock) },
      ledger: (expected) => admin.ledger(expected),
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

class AdminApi {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** Answers its id. */
  async account(
    port: number,
    more: { readonly kind: string; readonly credentials: object },
  ): Promise<string> {
    const made = await this.create('accounts', {
      name: more.kind,
      baseUrl: `http://127.0.0.1:${port}`,
      ...more,
    });
    return String(made['id']);
  }

  /** Of a key that only this account serves: the key itself. */
  async key(account: string): Promise<string> {
    const made = await this.create('keys', {
      name: account,
      scopes: SCOPES,
      models: ['*'],
      accounts: [account],
    });
    return String(made['key']);
  }

  private create(resource: string, body: object): Promise<Record<string, unknown>> {
    return this.ask(`/${resource}`, { method: 'POST', body: JSON.stringify(body) });
  }

  async ledger(expected: number): Promise<Record<string, number>> {
    for (const until = Date.now() + SETTLED_MS; Date.now() < until; await sleep(100)) {
      const counts = Object.values(await this.attempts());
      if (counts.reduce((sum, count) => sum + count, 0) >= expected) break;
    }
    // A row too many would come after the last one that is due.
    await sleep(300);
    return this.attempts();
  }

  private async attempts(): Promise<Record<string, number>> {
    const to = new Date(Date.now() + 60_000).toISOString();
    const { items } = (await this.ask(`/usage?groupBy=outcome&to=${to}`)) as {
      items: { outcome: string; attempts: number }[];
    };
    return Object.fromEntries(items.map(({ outcome, attempts }) => [outcome, attempts]));
  }

  private async ask(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
    const answer = await fetch(this.url + path, { ...init, headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }
}
