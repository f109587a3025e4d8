import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Env } from '../config/env.ts';
import { checkValue, writeCheckValue, type Database } from './credentials.repository.ts';
import { generateKeyRingText, parseKeyRing, seal, SealBroken, unseal, type KeyRing } from './sealing.ts';

/** Injection token of the {@link KeyRing}, proven against the database before anything else may use it. */
export const KEY_RING = Symbol('KeyRing');

const FILE = 'encryption-keys';
const CHECK_TEXT = Buffer.from('llm-relay');
const CHECK_PLACE = { table: 'settings', column: 'value', row: 'encryption-check', version: 1 };

/**
 * The ring of `RELAY_ENCRYPTION_KEYS`; absent, the one kept in the data directory, made at the first start. (The
 * environment refuses an absent setting beside `DATABASE_URL`: a key that only one replica has opens nothing.)
 * @throws Error naming the setting.
 */
export function openKeyRing(env: Pick<Env, 'encryptionKeys' | 'dataDir'>): KeyRing {
  return parseKeyRing(env.encryptionKeys ?? generatedKeys(env.dataDir));
}

/** Linked into place whole, so that of two processes starting at once both read the same key. */
function generatedKeys(dataDir: string): string {
  const path = join(dataDir, FILE);
  const known = readIfThere(path);
  if (known !== undefined) return known;
  mkdirSync(dataDir, { recursive: true });
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, `${generateKeyRingText('generated-1')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readFileSync(path, 'utf8');
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Holds the ring against the check value that the first start sealed into `settings`. Two replicas starting on an
 * empty database both offer one; the first to commit is the one that both are held against.
 * @throws Error when the ring is not the one this database was sealed with.
 */
export async function proveKeyRing(ring: KeyRing, database: Database): Promise<void> {
  const value = await checkValue(database, JSON.stringify(sealCheck(ring)));
  try {
    if (unseal(ring, CHECK_PLACE, openCheck(value)).equals(CHECK_TEXT)) return;
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw new Error(
      `RELAY_ENCRYPTION_KEYS (or the file ${FILE} in the data directory) does not fit this database: ` +
        `${error.message}. Start with the keys its credentials were sealed with.`,
    );
  }
  throw new Error('The encryption check value in settings is not one of ours');
}

/** Moves the check value under the newest key, once nothing else is sealed under an older one. */
export async function resealCheck(ring: KeyRing, database: Database): Promise<void> {
  await writeCheckValue(database, JSON.stringify(sealCheck(ring)));
}

function sealCheck(ring: KeyRing): { keyId: string; sealed: string } {
  const { keyId, bytes } = seal(ring, CHECK_PLACE, CHECK_TEXT);
  return { keyId, sealed: bytes.toString('base64') };
}

function openCheck(value: string): { keyId: string; bytes: Buffer } {
  const record = JSON.parse(value) as { keyId: string; sealed: string };
  return { keyId: record.keyId, bytes: Buffer.from(record.sealed, 'base64') };
}
