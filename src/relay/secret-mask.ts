import type { Secret } from '../upstream/account.ts';
import { signInsOf } from '../upstream/proxy-url.ts';

/** Fields of credentials that open something by themselves; ids, addresses and times do not. */
const SECRET_FIELD = /(key|token|secret)$/i;
/** Headers with something in them that was not among the fields: a session's token that was found elsewhere. */
const SECRET_HEADER = /(key|token|authorization)$/i;
/** Shorter ones would be found in any text. */
const SHORTEST = 8;
/**
 * As much of a secret's beginning as may be told before it is known for one: `sk-` ends many a chunk by chance, and no
 * byte of an answer should wait for that.
 */
const MOST_TOLD = 3;
const ASTERISK = 0x2a;
const NOTHING = Buffer.alloc(0);

/**
 * Hides an account's own secrets where its upstream quotes them, as errors do with the key that they refuse. Every
 * byte of it becomes an asterisk, so that lengths, frames and JSON stay as they were; nothing else is touched.
 *
 * State: what the bytes ended with, where that may be the beginning of a secret. But for its first few bytes it is held
 * until the next chunk tells whether it is one: a client that gets a key's beginning in one piece, and its end in stars,
 * has most of the key.
 */
export class SecretMask {
  private readonly hidden: Hidden;
  /** Its first {@link MOST_TOLD} bytes are told. */
  private begun = NOTHING;

  /** @param signed the headers that the request went out with */
  constructor(secret: Secret, signed: Readonly<Record<string, string>> = {}) {
    const fields = fieldsOf(secret);
    const further = named(signed, SECRET_HEADER)
      .map((value) => value.replace(/^Bearer /, ''))
      .filter((text) => !fields.texts.includes(text));
    this.hidden = further.length === 0 ? fields : hiddenOf([...fields.texts, ...further]);
  }

  /** Of what came so far, what can be told; the chunk itself where it holds no secret. Chunks are given in their order. */
  bytes(chunk: Buffer): Buffer {
    const told = Math.min(this.begun.length, MOST_TOLD);
    const came = this.begun.length === 0 ? chunk : Buffer.concat([this.begun, chunk]);
    let masked = came;
    for (const secret of this.hidden.bytes) masked = hide(masked, secret);
    let length = 0;
    for (const secret of this.hidden.bytes) length = Math.max(length, begunAtEnd(masked, secret));
    this.begun = length === 0 ? NOTHING : Buffer.from(masked.subarray(masked.length - length));
    const held = Math.max(0, length - MOST_TOLD);
    return told === 0 && held === 0 ? masked : masked.subarray(told, masked.length - held);
  }

  /** What was held, at the end of the bytes: a secret that was cut off is hidden as far as it came. */
  end(): Buffer {
    const held = this.begun.subarray(MOST_TOLD);
    const { length } = this.begun;
    this.begun = NOTHING;
    return length < SHORTEST ? held : Buffer.alloc(held.length, ASTERISK);
  }

  /** The same object where none of them holds a secret. */
  headers(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    let masked: Record<string, string> | undefined;
    for (const secret of this.hidden.texts) {
      for (const name in headers) {
        const text = masked?.[name] ?? headers[name] ?? '';
        if (text.includes(secret)) {
          masked ??= { ...headers };
          masked[name] = text.replaceAll(secret, '*'.repeat(secret.length));
        }
      }
    }
    return masked ?? headers;
  }
}

/** What is hidden, in both of its forms. */
interface Hidden {
  readonly texts: readonly string[];
  readonly bytes: readonly Buffer[];
}

/** By credentials, which are replaced and never changed: every answer of an account is looked through for the same. */
const known = new WeakMap<Secret, Hidden>();

function fieldsOf(secret: Secret): Hidden {
  const found = known.get(secret);
  if (found !== undefined) return found;
  const { values, proxyUrl } = secret;
  const signIns = proxyUrl === undefined ? [] : signInsOf(proxyUrl);
  const hidden = hiddenOf([...named(values, SECRET_FIELD), ...signIns]);
  known.set(secret, hidden);
  return hidden;
}

function hiddenOf(texts: readonly string[]): Hidden {
  const long = [...new Set(texts)].filter(({ length }) => length >= SHORTEST);
  return { texts: long, bytes: long.map((text) => Buffer.from(text)) };
}

function named(fields: Readonly<Record<string, string>>, name: RegExp): readonly string[] {
  return Object.entries(fields)
    .filter(([field]) => name.test(field))
    .map(([, value]) => value);
}

function hide(bytes: Buffer, secret: Buffer): Buffer {
  let at = bytes.indexOf(secret);
  if (at < 0) return bytes;
  const masked = Buffer.from(bytes);
  for (; at >= 0; at = masked.indexOf(secret, at)) masked.fill(ASTERISK, at, at + secret.length);
  return masked;
}

/** Length of the secret's beginning that the bytes end with; the whole of it is none. */
function begunAtEnd(bytes: Buffer, secret: Buffer): number {
  const from = Math.max(0, bytes.length - secret.length + 1);
  for (let at = bytes.indexOf(secret[0]!, from); at >= 0; at = bytes.indexOf(secret[0]!, at + 1)) {
    const length = bytes.length - at;
    if (secret.compare(bytes, at, bytes.length, 0, length) === 0) return length;
  }
  return 0;
}
