import { hash, randomBytes } from 'node:crypto';

/** A key as the client holds it: `rk_` and 256 random bits in base64url. Only its digest is ever stored. */
export function newKeySecret(): string {
  return `rk_${randomBytes(32).toString('base64url')}`;
}

/** 32 bytes; a plain digest is enough for a secret of 256 random bits. */
export function digestOfSecret(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** The same as text: what a key is looked up by. */
export function hexDigestOfSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}

/** What may be shown of a key afterwards: its first nine characters. */
export function prefixOfSecret(secret: string): string {
  return secret.slice(0, 9);
}

/** False for what cannot be a key of ours, so that it costs no statement. */
export function looksLikeKey(secret: string): boolean {
  return secret.length === 46 && /^rk_[A-Za-z0-9_-]{43}$/.test(secret);
}
