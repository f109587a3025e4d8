import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Fault } from './faults.ts';

/** What the model says, decided by the request alone: the same request gets the same words, tokens and ids. */

const SENTENCES = [
  'Café au lait at seven, the river was quiet — 川は静かだった — and nobody spoke 🙂 until the bell rang.',
  'Naïve questions deserve exact answers: water boils at 100 °C, 水は百度で沸く, unless the mountain is high ⛰️.',
  'The ledger says 42 €, the receipt says 42 €, and so the señora closed the book 📒 with a smile.',
  'Ångström by ångström the lens was ground; größer, kleiner, genau 🔭, until Jupiter had four moons.',
  'One train left at noon, another at one; встретились они у реки 🚆 exactly where the sum had said.',
];
const THOUGHT = 'The question is short. An even, friendly answer — не слишком длинный — will do.';
const FILLER = 'All work and no play makes a long answer. ';

export function digestOf(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

/** An identifier in a vendor's manner, letters and digits only. */
export function idFrom(prefix: string, length: number, ...parts: readonly string[]): string {
  const letters = createHash('sha512')
    .update(parts.join('\0'))
    .digest('base64')
    .replace(/[^A-Za-z0-9]/g, '');
  return prefix + letters.slice(0, length);
}

export interface Spoken {
  /** In pieces as a stream tells them; made as they are taken, so that a huge text is never whole in memory. */
  readonly deltas: Iterable<string>;
  readonly tokens: number;
  /** The text did not fit into the tokens asked for. */
  readonly cutShort: boolean;
  readonly stopSequence: string | undefined;
}

/** The visible text. Tokens are words; a huge text counts a token for every four bytes. */
export function speak(
  fault: Fault,
  digest: string,
  text: string | undefined,
  limit: number,
  stops: readonly string[] = [],
): Spoken {
  if (fault.large !== undefined) {
    const tokens = Math.ceil(fault.large / 4);
    return { deltas: filler(fault.large), tokens, cutShort: false, stopSequence: undefined };
  }
  let said = fault.say ?? text ?? (fault.deltas === undefined ? sentence(digest) : numbered(fault.deltas));
  if (fault.marker !== undefined && fault.say === undefined) said += ` [${fault.marker}]`;
  const stop = stops.map((s) => [s, said.indexOf(s)] as const).find(([s, at]) => s !== '' && at >= 0);
  if (stop !== undefined) said = said.slice(0, stop[1]);
  const words = wordsOf(said);
  const cutShort = words.length > limit;
  if (cutShort) said = words.slice(0, limit).join('');
  return {
    deltas: fault.deltas === undefined ? inTwos(wordsOf(said)) : evenly(said, fault.deltas),
    tokens: Math.min(Math.max(words.length, 1), limit),
    cutShort,
    stopSequence: stop?.[0],
  };
}

export function think(fault: Fault): string {
  return fault.thinking ?? THOUGHT;
}

/** Words with the white space before them; joined they are the text again. */
export function wordsOf(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

/** A token for every four UTF-8 bytes, rounded up; an input has at least one. */
export function tokensIn(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4));
}

/** Text cut into `count` pieces (fewer when it has fewer characters), never inside a character. */
export function evenly(text: string, count: number): string[] {
  const letters = [...text];
  const parts = Math.max(1, Math.min(count, letters.length));
  const at = (part: number): number => Math.floor((part * letters.length) / parts);
  return Array.from({ length: parts }, (_, part) => letters.slice(at(part), at(part + 1)).join(''));
}

/** A value that fits a JSON schema well enough for a tool's input or a structured answer. */
export function sample(schema: unknown, hint: string, depth = 0): unknown {
  const s = (typeof schema === 'object' && schema !== null ? schema : {}) as Record<string, unknown>;
  if (s['const'] !== undefined) return s['const'];
  if (s['default'] !== undefined) return s['default'];
  if (Array.isArray(s['enum'])) return s['enum'][0];
  const either = s['anyOf'] ?? s['oneOf'];
  if (Array.isArray(either)) return sample(either[0], hint, depth + 1);
  const type = String(Array.isArray(s['type']) ? s['type'][0] : (s['type'] ?? 'object')).toLowerCase();
  if (type === 'string') return hint;
  if (type === 'integer' || type === 'number') return typeof s['minimum'] === 'number' ? s['minimum'] : 7;
  if (type === 'boolean') return true;
  if (type === 'null') return null;
  if (depth > 8) return {};
  if (type === 'array') return [sample(s['items'] ?? { type: 'string' }, hint, depth + 1)];
  const properties = Object.entries((s['properties'] ?? {}) as Record<string, unknown>);
  return Object.fromEntries(
    properties.map(([name, value]) => [name, sample(value, `${hint} ${name}`, depth + 1)]),
  );
}

/** A signature over what was thought; it is valid for exactly this text (or for none, when it was not shown). */
export function signed(seed: string, digest: string, text: string): string {
  const payload = Buffer.from(digestOf(text).slice(0, 32) + digestOf(digest, 'salt').slice(0, 32), 'hex');
  return Buffer.concat([payload, mac(seed, payload)]).toString('base64');
}

export function signatureFits(seed: string, signature: unknown, text: string): boolean {
  if (typeof signature !== 'string') return false;
  const bytes = Buffer.from(signature, 'base64');
  if (bytes.length !== 64 || bytes.toString('base64') !== signature) return false;
  const payload = bytes.subarray(0, 32);
  return (
    timingSafeEqual(bytes.subarray(32), mac(seed, payload)) &&
    payload.toString('hex', 0, 16) === digestOf(text).slice(0, 32)
  );
}

function mac(seed: string, payload: Buffer): Buffer {
  return createHmac('sha256', `signature ${seed}`).update(payload).digest();
}

function sentence(digest: string): string {
  return SENTENCES[Number.parseInt(digest.slice(0, 8), 16) % SENTENCES.length] ?? '';
}

function numbered(count: number): string {
  return Array.from({ length: count }, (_, n) => `w${n}`).join(' ');
}

function inTwos(words: readonly string[]): string[] {
  const parts: string[] = [];
  for (let at = 0; at < words.length; at += 2) parts.push(words.slice(at, at + 2).join(''));
  return parts;
}

function* filler(bytes: number): Generator<string> {
  const piece = FILLER.repeat(400);
  for (let left = bytes; left > 0; left -= piece.length)
    yield left >= piece.length ? piece : piece.slice(0, left);
}
