import { closeSync, fdatasync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { open, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** What a folder of the spool asks of the disk. */
export interface SpoolFiles {
  /** With what is above it. @throws EEXIST when it is there already: the one who makes it holds it */
  makeFolder(path: string): void;
  /** A new file to append to; answers its descriptor. */
  create(path: string): number;
  /** Answers how many bytes were taken: fewer than asked when the disk is full. */
  write(file: number, bytes: Buffer, length: number): number;
  truncate(file: number, size: number): void;
  /** Resolves when what was written survives a loss of power. */
  sync(file: number): Promise<void>;
  /** The names in the folder survive, too. */
  syncFolder(path: string): Promise<void>;
  close(file: number): void;
  /** Is silent about what is not there. */
  remove(path: string): Promise<void>;
  /** An empty one. */
  removeFolder(path: string): Promise<void>;
}

const syncData = promisify(fdatasync);

export const SPOOL_FILES: SpoolFiles = {
  makeFolder(path) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    mkdirSync(path, { mode: 0o700 });
  },
  create: (path) => openSync(path, 'ax', 0o600),
  write: (file, bytes, length) => writeSync(file, bytes, 0, length),
  truncate: (file, size) => ftruncateSync(file, size),
  sync: (file) => syncData(file),
  async syncFolder(path) {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  },
  close: (file) => closeSync(file),
  remove: (path) => rm(path, { force: true }),
  removeFolder: (path) => rmdir(path),
};
