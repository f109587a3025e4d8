import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { makeRootPlace, ROOT_PLACE } from './postgres-binaries.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { PostgresUser } from './postgres-user.ts';

/**
 * A Postgres cluster on disk: `<dataDir>/postgres/` holds `pgdata`, the superuser's `password` and the server's `log`.
 * It is built under another name and renamed when it is whole, so a folder of this name is always a finished cluster.
 */
export interface ClusterFolder {
  /** Absolute, links resolved. */
  readonly path: string;
  readonly pgdata: string;
  readonly log: string;
  readonly password: string;
}

const DRAFT = 'postgres.new-';
const DRAFT_IS_OLD_MS = 10 * 60_000;

/** Who owns the cluster in `dataDir`; undefined when there is none yet. */
export async function ownerOfCluster(dataDir: string): Promise<{ uid: number; gid: number } | undefined> {
  return stat(join(dataDir, 'postgres', 'pgdata')).catch(() => undefined);
}

export interface MakingOptions {
  /** Whether what was written is on the disk before the cluster is used. */
  readonly sync: boolean;
  /** Asked once `initdb` runs. */
  readonly meanwhile?: (() => void) | undefined;
}

/** Opens the cluster in `dataDir`, making it first (about a second) when there is none. */
export async function openCluster(
  dataDir: string,
  user: PostgresUser,
  binaries: PostgresBinaries,
  making: MakingOptions,
): Promise<ClusterFolder> {
  const place = join(dataDir, 'postgres');
  await makeDataDir(dataDir, user);
  await removeOldDrafts(dataDir);
  if ((await lstat(place).catch(() => undefined)) === undefined) {
    await makeCluster(dataDir, place, user, binaries, making);
  }
  const path = await realpath(place);
  if (user.isOther && !(await user.canReach(join(path, 'pgdata')))) {
    throw new Error(
      `The user ${user.name} cannot reach the database in ${path}. Let others walk (not read) the folders above it, ` +
        'start as the user who made it, or set DATABASE_URL.',
    );
  }
  const password = await readFile(join(path, 'password'), 'utf8').catch(() => {
    throw new Error(
      `The database in ${path} was made by another user. Start as that user, or set DATABASE_URL.`,
    );
  });
  return { path, pgdata: join(path, 'pgdata'), log: join(path, 'log'), password };
}

/**
 * Others may walk through the data folder (but not list it) only where another user has to. A folder with something in
 * it keeps its permissions: it may be more than ours.
 */
async function makeDataDir(dataDir: string, user: PostgresUser): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
    if ((await readdir(dataDir)).length > 0) return;
    const { uid } = await stat(dataDir);
    if (uid === process.getuid?.()) await chmod(dataDir, user.isOther ? 0o711 : 0o700);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new Error(
      `The data folder ${dataDir} cannot be used (${code}). Set RELAY_DATA_DIR to another, or set DATABASE_URL.`,
    );
  }
}

async function removeOldDrafts(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(DRAFT)) continue;
    const draft = join(dataDir, name);
    const found = await stat(draft).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > DRAFT_IS_OLD_MS) {
      await rm(draft, { recursive: true, force: true });
    }
  }
}

async function makeCluster(
  dataDir: string,
  place: string,
  user: PostgresUser,
  binaries: PostgresBinaries,
  making: MakingOptions,
): Promise<void> {
  let draft = await mkdtemp(join(dataDir, DRAFT));
  let elsewhere = false;
  try {
    if (user.isOther) {
      await chown(draft, user.uid, user.gid);
      if (!(await user.canReach(draft))) {
        await rm(draft, { recursive: true });
        draft = await mkdtempForRoot(dataDir, user);
        elsewhere = true;
        await chown(draft, user.uid, user.gid);
      }
    }
    await initialise(draft, user, binaries, making);
    // A second process may have been faster; then its cluster is the one, and ours goes.
    if (elsewhere) await symlink(draft, place);
    else await rename(draft, place);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!isTaken(error)) throw error;
  }
}

/** The data folder is closed to `nobody` (a 0700 home): the cluster lives beside it, and the data folder links there. */
async function mkdtempForRoot(dataDir: string, user: PostgresUser): Promise<string> {
  try {
    await makeRootPlace();
    return await mkdtemp(join(ROOT_PLACE, 'data-'));
  } catch {
    throw new Error(
      `The user ${user.name} cannot reach ${dataDir}, and ${ROOT_PLACE} cannot be made. Set RELAY_DATA_DIR to a folder ` +
        'that others may walk, start as an ordinary user, or set DATABASE_URL.',
    );
  }
}

function isTaken(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOTEMPTY' || code === 'EEXIST';
}

async function initialise(
  folder: string,
  user: PostgresUser,
  binaries: PostgresBinaries,
  { sync, meanwhile }: MakingOptions,
) {
  const password = randomBytes(24).toString('base64url');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
  if (user.isOther) await chown(passwordFile, user.uid, user.gid);
  const log = await open(join(folder, 'log'), 'w', 0o600);
  try {
    const initdb = user.start(
      binaries.initdb,
      [
        `--pgdata=${join(folder, 'pgdata')}`,
        '--username=relay',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        ...(sync ? [] : ['--no-sync']),
      ],
      { signalOnDeath: 'KILL', output: log.fd, cwd: folder },
    );
    const ended = once(initdb, 'exit');
    meanwhile?.();
    const [code] = (await ended) as [number | null];
    if (code !== 0) {
      const said = (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n').slice(-5).join('\n');
      throw new Error(`The embedded Postgres could not make its data folder:\n${said}`);
    }
  } finally {
    await log.close();
  }
}
