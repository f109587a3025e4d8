import type { JsonToken } from './json-token.ts';

/**
 * What one dialect has no field for and another vendor needs back in the next turn, carried by the client itself, so
 * that no replica has to remember it: inside the id of a tool call, or in the place of a signature. Made of nothing but
 * what the client was told.
 *
 * Wire form: the prefix, which names the version, and the base64 of a JSON array written in such a way that both consist
 * of letters and digits only. So one form is legal wherever an SDK looks closer: ids are `[A-Za-z0-9_-]`; Gemini's
 * `thoughtSignature` and Converse's `redactedContent` are bytes in JSON, which Go and Java decode by the standard alphabet
 * and Python writes again by the URL's, each with its own mind about padding. Here the three agree.
 */
export const CARRIED_PREFIX = 'rlsig001';

const BYTES = Buffer.from(CARRIED_PREFIX);

/** Of the content of a string as it is written: clients that carry it do not escape letters and digits. */
export function beginsAsCarried({ bytes, start, end }: JsonToken): boolean {
  if (end - start < BYTES.length) return false;
  for (let i = 0; i < BYTES.length; i += 1) if (bytes[start + i] !== BYTES[i]) return false;
  return true;
}
