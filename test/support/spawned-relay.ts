import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';

const START = fileURLToPath(new URL('../../dist/joined/cli/start.js', import.meta.url));

/** The built relay as a process of its own, with all that it ever wrote. */
export interface SpawnedRelay {
  readonly url: string;
  readonly pid: number;
  /** Standard output so far. */
  readonly out: string;
  readonly err: string;
  /** SIGTERM, and the exit code. */
  leave(): Promise<number | null>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Its exit code, once it is gone; null: a signal ended it. */
  readonly ended: Promise<number | null>;
  /** For an entry that listens. */
  tell(message: string): void;
}

/**
 * Only these variables, and nothing of the environment of whoever runs the tests.
 * @param entry the script, where it is another than that of `npm start`
 */
export async function spawnRelay(
  variables: Readonly<Record<string, string>>,
  entry = START,
): Promise<SpawnedRelay> {
  const run = begin(variables, entry);
  const url = await eventually(() => {
    if (run.child.exitCode !== null) return '';
    const listening = /llm-relay listens on (\S+)/.exec(run.out)?.[1];
    if (listening === undefined) throw new Error('The relay does not listen');
    return listening;
  }, 25_000);
  if (url === '') throw new Error(`The relay ended:\n${run.out}${run.err}`);
  return {
    url,
    pid: run.child.pid ?? 0,
    get out() {
      return run.out;
    },
    get err() {
      return run.err;
    },
    leave: async () => {
      run.child.kill('SIGTERM');
      return run.ended;
    },
    kill: async () => {
      run.child.kill('SIGKILL');
      await run.ended;
    },
    ended: run.ended,
    tell: (message) => void run.child.send(message),
  };
}

/** A start that is to fail: its exit code, and all that it wrote. */
export async function failingStart(
  variables: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const run = begin(variables);
  const clock = setTimeout(() => run.child.kill('SIGKILL'), 25_000);
  const code = await run.ended;
  clearTimeout(clock);
  return { code, text: run.out + run.err };
}

function begin(variables: Readonly<Record<string, string>>, entry = START) {
  const env = {
    PATH: process.env['PATH'],
    PORT: '0',
    RELAY_DATA_DIR: join(tmpdir(), 'relay-without-data'),
    RELAY_DRAIN_ACCEPT_SECONDS: '0',
    RELAY_SPOOL_DIR: join(tmpdir(), 'llm-relay-test-spools', randomUUID()),
    ...variables,
  };
  const child: ChildProcess = spawn(process.execPath, [entry], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const run = {
    child,
    out: '',
    err: '',
    // Closed, not only exited: everything that was written has arrived.
    ended: once(child, 'close').then(([code]) => code as number | null),
  };
  child.stdout?.on('data', (piece: Buffer) => (run.out += piece.toString()));
  child.stderr?.on('data', (piece: Buffer) => (run.err += piece.toString()));
  return run;
}
