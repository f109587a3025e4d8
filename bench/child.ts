import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A process that the bench started and that it ends. */
export interface Child {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts one of the bench's own servers, which tells its port by its first line. */
export async function startServer(
  name: 'upstream' | 'bare-proxy' | 'bedrock-upstream',
  ...args: string[]
): Promise<Child> {
  const path = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { pid: pidOf(child), port: Number(line), stop: () => end(child, 'SIGTERM') };
}

export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error(`${child.spawnfile} did not start`);
  return child.pid;
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
