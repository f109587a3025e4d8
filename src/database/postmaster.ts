import { execFile } from 'node:child_process';
import { readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterFolder } from './cluster-folder.ts';

export class FolderInUse extends Error {
  constructor(cluster: ClusterFolder) {
    super(
      `Another relay already uses the database in ${cluster.path}. ` +
        'Stop it, or give this one another RELAY_DATA_DIR.',
    );
  }
}

/** What `postmaster.pid` says: process id on line 1, state on line 8 (Postgres' miscadmin.h, LOCK_FILE_LINE_*). */
export interface PidFile {
  readonly pid: number;
  readonly ready: boolean;
}

export async function readPidFile(cluster: ClusterFolder): Promise<PidFile | undefined> {
  const text = await readFile(pidFile(cluster), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  return Number.isInteger(pid) && pid > 0 ? { pid, ready: lines[7]?.trim() === 'ready' } : undefined;
}

/** Notes who watches over the Postgres of this folder, for {@link clearTheWay} of a later start. */
export async function noteSupervisor(cluster: ClusterFolder): Promise<void> {
  await writeFile(supervisorFile(cluster), String(process.pid), { mode: 0o600 });
}

/**
 * Makes sure that nothing runs in the folder. A Postgres whose supervisor lives is left alone. One whose supervisor
 * died is stopped. A process id that now belongs to something else is forgotten; Postgres itself still refuses to start
 * while children of a dead postmaster hold its shared memory.
 *
 * @throws Error when another relay uses the folder.
 */
export async function clearTheWay(cluster: ClusterFolder): Promise<void> {
  const found = await readPidFile(cluster);
  if (found === undefined || !isAlive(found.pid)) return;
  const facts = await describe(found.pid);
  if (facts === undefined || !(await isPostgresOf(cluster, found.pid, facts))) {
    await rm(pidFile(cluster), { force: true });
    return;
  }
  // A server that starts at this very moment gets its note a few milliseconds after its pid file.
  for (let look = 0; look < 5; look += 1, await sleep(100)) {
    const supervisor = Number(await readFile(supervisorFile(cluster), 'utf8').catch(() => '0'));
    if (supervisor > 0 && facts.parent === supervisor && isAlive(supervisor)) throw new FolderInUse(cluster);
    if (!isAlive(found.pid)) return;
  }
  await stopProcess(found.pid, () => !isAlive(found.pid));
}

/** Asks in three degrees: fast shutdown, immediate shutdown, kill. */
export async function stopProcess(pid: number, gone: () => boolean): Promise<void> {
  const degrees = [
    ['SIGINT', 10_000],
    ['SIGQUIT', 6_000],
    ['SIGKILL', 5_000],
  ] as const;
  for (const [signal, patience] of degrees) {
    if (gone()) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    for (let waited = 0; waited < patience && !gone(); waited += 10) await sleep(10);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function supervisorFile(cluster: ClusterFolder): string {
  return join(cluster.path, 'supervisor.pid');
}

function pidFile(cluster: ClusterFolder): string {
  return join(cluster.pgdata, 'postmaster.pid');
}

interface ProcessFacts {
  readonly parent: number;
  readonly command: string;
}

async function describe(pid: number): Promise<ProcessFacts | undefined> {
  if (process.platform === 'linux') {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const parent = /^PPid:\s*(\d+)/m.exec(status)?.[1];
    return parent === undefined ? undefined : { parent: Number(parent), command };
  }
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'ppid=,args=', '-p', String(pid)], (error, stdout) => {
      const [, parent, command] = /^\s*(\d+)\s+(.*)/s.exec(stdout) ?? [];
      resolve(
        error !== null || parent === undefined
          ? undefined
          : { parent: Number(parent), command: command ?? '' },
      );
    });
  });
}

/** The postmaster keeps its arguments and sits in its data folder; the folder may have been moved since. */
async function isPostgresOf(cluster: ClusterFolder, pid: number, facts: ProcessFacts): Promise<boolean> {
  if (facts.command.includes('postgres') && facts.command.includes(cluster.pgdata)) return true;
  return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === cluster.pgdata;
}
