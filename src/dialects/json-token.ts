export type ScalarKind = 'string' | 'number' | 'boolean' | 'null';

/** The token at hand, valid only during the call that hands it over. */
export interface JsonToken {
  /** Its bytes are `bytes[start..end)`: a string's content without the quotes, escapes as written. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** It was split and too long to carry: `bytes` holds its first 4 KiB. */
  readonly long: boolean;
  /** A string with a backslash in it. */
  readonly escaped: boolean;
  /** UTF-8 bytes that a string has once decoded. */
  readonly decodedBytes: number;
  /** Where it began (its quote, for a string), as an index into what was pushed then. */
  readonly at: number;
}

/** `at` is the index of the byte in what is being pushed; `offset` counts from the start of the document. */
export interface JsonListener {
  name(token: JsonToken): void;
  /** `end` is the index after the token, its closing quote included. */
  scalar(kind: ScalarKind, token: JsonToken, end: number): void;
  open(array: boolean, at: number, offset: number): void;
  close(at: number, array: boolean, offset: number): void;
}

/** The text of a name or a string; the beginning of it when the token was too long to carry. */
export function tokenText(token: JsonToken): string {
  const { bytes, start, end } = token;
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8', start, end);
  if (!token.escaped) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text; // cut inside an escape
  }
}
