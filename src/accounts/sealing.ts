import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomBytes,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';

/**
 * Secrets at rest: AES-256-GCM with a random 96-bit nonce. A sealed value opens only under the key that its record
 * names and only in the place it was sealed for (associated data), so that a value copied to another row, column or
 * version does not open. A value that does not open is an error; there is no way around it that returns anything.
 */

/** Where a sealed value stands. `version` ties it to one edition of the row, so that an old one cannot be put back. */
export interface SealedPlace {
  readonly table: string;
  readonly column: string;
  readonly row: string;
  readonly version: number;
}

export interface Sealed {
  readonly keyId: string;
  /** Format byte, nonce (12), ciphertext, tag (16). */
  readonly bytes: Buffer;
}

/** Keys by id; new values are sealed under `newest`, old ones open under whichever key they name. */
export interface KeyRing {
  readonly newest: string;
  readonly keys: ReadonlyMap<string, KeyObject>;
}

/** The value cannot be opened: the key is not in the ring, is another one, or the record was altered or moved. */
export class SealBroken extends Error {}

const SETTING = 'RELAY_ENCRYPTION_KEYS';
const FORMAT = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 32 random bytes hold about 30 different ones; fewer than 9 does not happen by chance. */
const LEAST_DISTINCT_BYTES = 9;

/**
 * Reads `id:base64-32-bytes` pairs, newest first, separated by commas.
 * @throws Error naming the setting and the position of the wrong entry, never a value.
 */
export function parseKeyRing(text: string): KeyRing {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const keys = new Map<string, KeyObject>();
  let newest: string | undefined;
  entries.forEach((entry, index) => {
    const wrong = (problem: string): Error => new Error(`${SETTING}: entry ${index + 1} ${problem}`);
    const colon = entry.indexOf(':');
    const id = entry.slice(0, Math.max(colon, 0));
    if (!/^[A-Za-z0-9._-]{1,32}$/.test(id)) {
      throw wrong('must be id:base64, the id being 1 to 32 letters, digits, dots, dashes or underscores');
    }
    const encoded = entry.slice(colon + 1);
    const bytes = Buffer.from(encoded, 'base64');
    if (!/^[A-Za-z0-9+/]{43}=?$/.test(encoded) || bytes.length !== KEY_BYTES) {
      throw wrong('must hold the base64 of exactly 32 bytes');
    }
    // 32 random bytes are all printable once in 10^13 times.
    const typed = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
    if (typed || new Set(bytes).size < LEAST_DISTINCT_BYTES) {
      throw wrong('looks like a placeholder, not random bytes');
    }
    if (keys.has(id)) throw wrong('repeats the id of another entry');
    for (const other of keys.values()) {
      if (timingSafeEqual(other.export(), bytes)) throw wrong('repeats the key of another entry');
    }
    keys.set(id, createSecretKey(bytes));
    newest ??= id;
  });
  if (newest === undefined) throw new Error(`${SETTING} must hold at least one id:base64 pair`);
  return Object.freeze({ newest, keys });
}

/** A new setting with one fresh key. */
export function generateKeyRingText(id: string): string {
  return `${id}:${randomBytes(KEY_BYTES).toString('base64')}`;
}

export function seal(ring: KeyRing, place: SealedPlace, plaintext: Buffer): Sealed {
  const keyId = ring.newest;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(ring, keyId), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(place, keyId));
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { keyId, bytes: Buffer.concat([Buffer.of(FORMAT), nonce, body, cipher.getAuthTag()]) };
}

/** @throws SealBroken */
export function unseal(ring: KeyRing, place: SealedPlace, sealed: Sealed): Buffer {
  const { bytes, keyId } = sealed;
  const where = `${place.table}.${place.column} of ${place.row}`;
  const key = keyOf(ring, keyId);
  if (bytes[0] !== FORMAT || bytes.length < 1 + NONCE_BYTES + TAG_BYTES) {
    throw new SealBroken(`${where} does not hold a sealed value`);
  }
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(place, keyId));
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  try {
    const body = bytes.subarray(1 + NONCE_BYTES, bytes.length - TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch {
    throw new SealBroken(
      `${where} does not open under key ${keyId}: altered, moved, or sealed under another key`,
    );
  }
}

function keyOf(ring: KeyRing, id: string): KeyObject {
  const key = ring.keys.get(id);
  if (key === undefined) throw new SealBroken(`${SETTING} does not hold the key ${id}`);
  return key;
}

/** A JSON array: its quoting keeps two different places from ever making the same bytes. */
function associatedData(place: SealedPlace, keyId: string): Buffer {
  return Buffer.from(JSON.stringify([place.table, place.column, place.row, place.version, keyId]));
}
