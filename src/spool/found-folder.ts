import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readRecords } from './record.ts';
import { KEY_END, SEGMENT_SUFFIX } from './spool-folder.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Between a folder's first name and the name of the one who replays it. */
const TAKEN = '~';
const ASIDE = 'aside';
const MOST_ASIDE = 100;

/** A folder that somebody left, or still writes to. */
export interface FoundFolder {
  readonly name: string;
  /** The epoch that it belongs to now: of the one who wrote it, or of the one who has begun to replay it. */
  readonly holder: string;
}

/** A folder's last text of each key, in the order of their first records, and how many places of it were bad. */
export interface FoundTexts {
  readonly texts: ReadonlyMap<string, string>;
  readonly bad: number;
}

/** Every folder under the root; none where there is no root. */
export async function findFolders(root: string): Promise<FoundFolder[]> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.sort().flatMap((name) => {
    const parts = name.split(TAKEN);
    const holder = parts.at(-1) ?? '';
    return parts.length <= 2 && parts.every((part) => UUID.test(part)) ? [{ name, holder }] : [];
  });
}

/** Renames the folder, which only one can; answers its new name, or undefined when somebody else was faster. */
export async function takeFolder(
  root: string,
  { name }: FoundFolder,
  by: string,
): Promise<string | undefined> {
  const taken = `${name.split(TAKEN)[0]}${TAKEN}${by}`;
  if (taken === name) return name;
  try {
    await rename(join(root, name), join(root, taken));
    return taken;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Bad bytes are copied aside, so that they can be looked at when the folder is gone. */
export async function readFolder(root: string, name: string): Promise<FoundTexts> {
  const texts = new Map<string, string>();
  let bad = 0;
  const files = (await readdir(join(root, name))).filter((file) => file.endsWith(SEGMENT_SUFFIX)).sort();
  for (const file of files) {
    const bytes = await readFile(join(root, name, file)).catch(unlessGone);
    if (bytes === undefined) continue;
    const read = readRecords(bytes);
    for (const record of read.texts) {
      const end = record.indexOf(KEY_END);
      texts.set(record.slice(0, end), record.slice(end + KEY_END.length));
    }
    for (const { from, to } of read.bad) {
      bad += 1;
      await setAside(root, `${name}-${file}-${from}`, bytes.subarray(from, to));
    }
  }
  return { texts, bad };
}

/** Its owner was only frozen, and has settled meanwhile what was in it. */
function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

export async function removeFolder(root: string, name: string): Promise<void> {
  await rm(join(root, name), { recursive: true, force: true });
}

/** Keeps what could not be replayed beside the folders; no more than so many pieces. */
export async function setAside(root: string, name: string, bytes: Buffer): Promise<void> {
  const folder = join(root, ASIDE);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length < MOST_ASIDE)
    await writeFile(join(folder, name), bytes, { mode: 0o600 });
}
