import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of /proc are 10 ms on every Linux that Node runs on (USER_HZ). */
const TICK_MICROS = 10_000;

/** Microseconds of processor that a process and all below it have used, those that ended included. */
export interface TreeCpu {
  /** Without Postgres. */
  readonly server: number;
  readonly postgres: number;
}

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly micros: number;
}

/** Undefined where there is no /proc. */
export function readTreeCpu(root: number): TreeCpu | undefined {
  const tree = treeBelow(root);
  if (tree.length === 0) return undefined;
  const sum = { server: 0, postgres: 0 };
  for (const one of tree) sum[isPostgres(one) ? 'postgres' : 'server'] += one.micros;
  return sum;
}

/** Resident bytes of a process and all below it, without Postgres; NaN where there is no /proc. */
export function readTreeMemory(root: number): number {
  const server = treeBelow(root).filter((one) => !isPostgres(one));
  if (server.length === 0) return NaN;
  // proc(5): the second field of statm is the resident set, in pages, which have 4 KiB where this runs.
  const pages = server.map(({ pid }) => Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]));
  return pages.reduce((sum, count) => sum + count * 4096, 0);
}

/** The Postgres server that a process started itself; itself where there is no /proc, and where it started none. */
export function postgresBelow(parent: number): number {
  const server = [...readProcesses().values()].find((one) => one.parent === parent && isPostgres(one));
  return server?.pid ?? parent;
}

function isPostgres({ name }: ProcessTimes): boolean {
  return name.startsWith('postgres');
}

function treeBelow(root: number): ProcessTimes[] {
  const processes = readProcesses();
  if (!processes.has(root)) return [];
  return [...processes.values()].filter(({ pid }) => isBelow(processes, pid, root));
}

function isBelow(processes: ReadonlyMap<number, ProcessTimes>, pid: number, root: number): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 0; at = processes.get(at)?.parent) {
    if (at === root) return true;
  }
  return false;
}

function readProcesses(): Map<number, ProcessTimes> {
  const found = new Map<number, ProcessTimes>();
  if (process.platform !== 'linux') return found;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      found.set(Number(entry), readStat(Number(entry), readFileSync(`/proc/${entry}/stat`, 'latin1')));
    } catch {
      // It has ended meanwhile; its time is in its parent's.
    }
  }
  return found;
}

/** proc(5): fields 14 to 17 are utime, stime and those of children that ended and were waited for. */
function readStat(pid: number, stat: string): ProcessTimes {
  const nameEnd = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnd + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return {
    pid,
    parent: Number(fields[1]),
    name: stat.slice(stat.indexOf('(') + 1, nameEnd),
    micros: ticks * TICK_MICROS,
  };
}
