import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The address of the embedded Postgres that another process runs in this data folder; undefined when none answers to
 * its files. Line 4 of `postmaster.pid` is the port (Postgres' miscadmin.h, LOCK_FILE_LINE_PORT).
 */
export async function findRunningPostgres(dataDir: string): Promise<string | undefined> {
  const folder = join(dataDir, 'postgres');
  try {
    const lines = (await readFile(join(folder, 'pgdata', 'postmaster.pid'), 'utf8')).split('\n');
    const password = await readFile(join(folder, 'password'), 'utf8');
    const port = Number(lines[3]);
    if (!Number.isInteger(port) || port <= 0) return undefined;
    return `postgres://relay:${password}@127.0.0.1:${port}/postgres`;
  } catch {
    return undefined;
  }
}
