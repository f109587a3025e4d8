import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';

const MAIN = fileURLToPath(new URL('../../dist/src/simulator/main.js', import.meta.url));

export interface SpawnedSimulator {
  readonly url: string;
  readonly pid: number;
  close(): Promise<void>;
}

/** The built simulator as a process of its own, where the test's own loop must be free to read the clock. */
export async function spawnSimulator(): Promise<SpawnedSimulator> {
  const child = spawn(process.execPath, [MAIN, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let out = '';
  child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
  const url = await eventually(() => {
    const found = /upstreams at (\S+)/.exec(out)?.[1];
    if (found === undefined) throw new Error('The simulator does not listen');
    return found;
  }, 25_000);
  return {
    url,
    pid: child.pid ?? 0,
    close: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
