import type { Secret } from '../upstream/account.ts';
import { signInsOf } from '../upstream/proxy-url.ts';

/** Fields of credentials that open something by themselves; ids, addresses and times do not. */
const SECRET_FIELD = /(key|token|secret)$/i;
/** Headers with something in them that was not among the fields: a session's token that was found elsewhere. */
const SECRET_HEADER = /(key|token|authorization)$/i;
/** Shorter ones would be found in any text. */
const SHORTEST = 8;
const ASTERISK = 0x2a;
const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);

/**
 * Hides an account's own secrets where its upstream quotes them, as errors do with the key that they refuse. Every
 * byte of it becomes an asterisk, so that lengths, frames and JSON stay as they were; nothing else is touched.
 *
 * State: the end of what passed, unless that was a line's. A secret that comes in two pieces is seen with the second,
 * which is hidden; a client may have its beginning, never the whole.
 */
export class SecretMask {
  private readonly texts: readonly string[];
  private readonly secrets: readonly Buffer[];
  private readonly longest: number;
  private tail = NOTHING;

  /** @param signed the headers that the request went out with */
  constructor({ values, proxyUrl }: Secret, signed: Readonly<Record<string, string>> = {}) {
    const texts = [
      ...named(values, SECRET_FIELD),
      ...named(signed, SECRET_HEADER).map((value) => value.replace(/^Bearer /, '')),
      ...(proxyUrl === undefined ? [] : signInsOf(proxyUrl)),
    ];
    this.texts = [...new Set(texts)].filter(({ length }) => length >= SHORTEST);
    this.secrets = this.texts.map((text) => Buffer.from(text));
    this.longest = Math.max(0, ...this.secrets.map(({ length }) => length));
  }

  /** The chunk itself where it holds no secret, else a copy. Chunks are given in their order. */
  bytes(chunk: Buffer): Buffer {
    const split = this.tail.length === 0 ? 0 : this.splitEnd(chunk);
    let masked = split === 0 ? chunk : Buffer.from(chunk).fill(ASTERISK, 0, split);
    for (const secret of this.secrets) masked = hide(masked, secret);
    this.remember(chunk);
    return masked;
  }

  headers(headers: Readonly<Record<string, string>>): Record<string, string> {
    const masked: Record<string, string> = {};
    for (const [name, value] of Object.entries(headers)) {
      masked[name] = this.texts.reduce(
        (text, secret) => text.replaceAll(secret, '*'.repeat(secret.length)),
        value,
      );
    }
    return masked;
  }

  /** How far into the chunk a secret reaches that began before it. */
  private splitEnd(chunk: Buffer): number {
    const seam = Buffer.concat([this.tail, chunk.subarray(0, this.longest - 1)]);
    let end = 0;
    for (const secret of this.secrets) {
      const at = seam.indexOf(secret);
      if (at >= 0 && at < this.tail.length) end = Math.max(end, at + secret.length - this.tail.length);
    }
    return end;
  }

  private remember(chunk: Buffer): void {
    if (chunk.length === 0 || this.longest === 0) return;
    if (chunk[chunk.length - 1] === LINE_FEED) {
      this.tail = NOTHING;
      return;
    }
    const kept = this.longest - 1;
    const end = chunk.length >= kept ? chunk : Buffer.concat([this.tail, chunk]);
    this.tail = Buffer.from(end.subarray(Math.max(0, end.length - kept)));
  }
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
