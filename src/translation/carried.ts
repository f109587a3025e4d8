import { CARRIED_PREFIX } from '../dialects/carried-prefix.ts';
import type { Mint, Signature } from './neutral.ts';

/** Thoughts that must come back before a tool call (Anthropic, Bedrock), or the seal on the call itself (Gemini). */
export type Carried =
  | { readonly kind: 'call'; readonly signature: Signature }
  | { readonly kind: 'thinking'; readonly text: string; readonly signature?: Signature }
  | { readonly kind: 'redacted'; readonly data: Signature };

const MINTS: Readonly<Record<string, Mint>> = { a: 'anthropic', g: 'google', o: 'openai', b: 'bedrock' };
const LETTERS: Readonly<Record<Mint, string>> = { anthropic: 'a', google: 'g', openai: 'o', bedrock: 'b' };

/** Written as `\u` escapes: beyond ASCII, and what base64 would need its last two characters for. */
const ESCAPED = /[>?~\x7f-\uffff]/g;

/** Something of ours, whole or broken, that stands in a signature's or an id's place. */
export function isCarried(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(CARRIED_PREFIX);
}

/** A tool call's id with everything that must come back with it; the id itself when there is nothing. */
export function packToolId(id: string, carried: readonly Carried[]): string {
  return carried.length === 0 ? id : pack(['i', id, ...carried.map(row)]);
}

/**
 * An id that Anthropic would take from its client: some servers give their calls others (Kimi: `functions.f:0`) and want
 * them back as they were.
 */
export function safeToolId(id: string): string {
  return /^[A-Za-z0-9_-]+$/.test(id) ? id : pack(['i', id]);
}

/** The upstream's own id and what came with it; an id that carries nothing, or nothing readable, is itself. */
export function unpackToolId(id: string): { readonly id: string; readonly carried: readonly Carried[] } {
  const [kind, own, ...rows] = unpack(id) ?? [];
  if (kind !== 'i' || typeof own !== 'string') return { id, carried: [] };
  return { id: own, carried: rows.flatMap((one) => carriedOf(one) ?? []) };
}

/** A foreign vendor's signature in the place of one; `native` is the vendor whose field it is, whose own pass as is. */
export function packSignature(signature: Signature, native: Mint): string {
  if (signature.minted === native) return signature.value;
  return pack(['s', LETTERS[signature.minted], signature.value]);
}

/** What stands in a signature's place; one that is not packed is the native vendor's. Undefined: packed, but broken. */
export function unpackSignature(value: string, native: Mint): Signature | undefined {
  if (!isCarried(value)) return { minted: native, value };
  const [kind, letter, own] = unpack(value) ?? [];
  return kind === 's' ? signatureOf(letter, own) : undefined;
}

/**
 * Several carried things in the place of one signature (thoughts before a call, in Gemini's thoughtSignature). None at
 * all is a mark as well: another vendor's model made this, and sealed nothing.
 */
export function packCarried(carried: readonly Carried[]): string {
  return pack(['c', ...carried.map(row)]);
}

/** Undefined: not packed by {@link packCarried}. */
export function unpackCarried(value: string): readonly Carried[] | undefined {
  const [kind, ...rows] = unpack(value) ?? [];
  return kind === 'c' ? rows.flatMap((one) => carriedOf(one) ?? []) : undefined;
}

function row(carried: Carried): readonly string[] {
  switch (carried.kind) {
    case 'call':
      return ['c', LETTERS[carried.signature.minted], carried.signature.value];
    case 'thinking': {
      const { signature } = carried;
      return ['t', carried.text, ...(signature ? [LETTERS[signature.minted], signature.value] : [])];
    }
    case 'redacted':
      return ['r', LETTERS[carried.data.minted], carried.data.value];
  }
}

function carriedOf(value: unknown): Carried | undefined {
  if (!Array.isArray(value)) return undefined;
  const [kind, ...rest] = value as unknown[];
  if (kind === 't') {
    const [text, letter, own] = rest;
    if (typeof text !== 'string') return undefined;
    const signature = signatureOf(letter, own);
    return { kind: 'thinking', text, ...(signature && { signature }) };
  }
  const signature = signatureOf(rest[0], rest[1]);
  if (signature === undefined) return undefined;
  if (kind === 'c') return { kind: 'call', signature };
  return kind === 'r' ? { kind: 'redacted', data: signature } : undefined;
}

function signatureOf(letter: unknown, value: unknown): Signature | undefined {
  const minted = typeof letter === 'string' && Object.hasOwn(MINTS, letter) ? MINTS[letter] : undefined;
  return minted !== undefined && typeof value === 'string' ? { minted, value } : undefined;
}

function pack(row: readonly unknown[]): string {
  const text = JSON.stringify(row).replace(ESCAPED, escape);
  // three bytes make four characters; white space at the end keeps base64 from padding
  const padded = text.padEnd(Math.ceil(text.length / 3) * 3);
  return CARRIED_PREFIX + Buffer.from(padded, 'latin1').toString('base64');
}

function escape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** More than this was never packed: one answer does not think so often between two of its calls. */
const MOST_CARRIED = 10_000;

function unpack(value: string): unknown[] | undefined {
  if (!isCarried(value)) return undefined;
  try {
    const row: unknown = JSON.parse(
      Buffer.from(value.slice(CARRIED_PREFIX.length), 'base64').toString('latin1'),
    );
    return Array.isArray(row) && row.length <= MOST_CARRIED ? row : undefined;
  } catch {
    return undefined;
  }
}
