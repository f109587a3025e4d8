import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { query } from './query.ts';

/** A Postgres server on this machine as its processes. Linux only, for it reads /proc. */

export async function postmasterOf(url: string): Promise<number> {
  const [row] = await query<{ folder: string }>(url, `select current_setting('data_directory') as folder`);
  return Number(readFileSync(join(row?.folder ?? '', 'postmaster.pid'), 'utf8').split('\n', 1)[0]);
}

/** The server and all of its processes, children first. */
export function processesOf(postmaster: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => parentOf(pid) === postmaster)
    .map(Number);
  return [...children, postmaster];
}

export function signal(to: readonly number[], name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of to) {
    try {
      process.kill(pid, name);
    } catch {
      // A process of a server that goes down may be gone already.
    }
  }
}

/** Stops the whole server for so long; it goes on whatever happens here. */
export async function freeze(postmaster: number, forMs: number): Promise<void> {
  const frozen = processesOf(postmaster);
  signal(frozen, 'SIGSTOP');
  try {
    await sleep(forMs);
  } finally {
    signal(frozen, 'SIGCONT');
  }
}

/** Undefined: it is gone. */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
