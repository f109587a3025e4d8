import { createHash, randomBytes } from 'node:crypto';

/** 256 random bits; shown once, then only its digest is known. */
export function newAdminToken(): string {
  return `ra_${randomBytes(32).toString('base64url')}`;
}

/** A plain digest is enough: what is hashed has more entropy than can be tried. */
export function digestOfToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}
