import { crc32 } from 'node:zlib';

/**
 * A record in a segment: mark (2 bytes, none of which occurs in UTF-8), CRC-32 of all that follows (4, little endian),
 * length of the text (4, likewise), text. What was torn or flipped is known by its sum, and the next sound
 * record is found by its mark.
 */
const MARK = 0xfeff;
const MARK_BYTES = Buffer.from([0xff, 0xfe]);
const SUM_AT = 2;
const LENGTH_AT = 6;
const TEXT_AT = 10;

/** A settlement has about 700 bytes. */
export const MOST_RECORD_BYTES = 16 * 1024;

/** Half-open range of bytes that hold no sound record. */
export interface BadBytes {
  readonly from: number;
  readonly to: number;
}

export interface ReadRecords {
  readonly texts: readonly string[];
  readonly bad: readonly BadBytes[];
}

/** Writes one record into the buffer, which has {@link MOST_RECORD_BYTES} there; answers its size, or 0 when the text is too long. */
export function writeRecord(into: Buffer, at: number, text: string): number {
  // A UTF-16 unit takes three bytes at most, so that a text that fits has not been cut.
  if (text.length * 3 > MOST_RECORD_BYTES - TEXT_AT) return 0;
  const length = into.write(text, at + TEXT_AT, 'utf8');
  into.writeUInt16LE(MARK, at);
  into.writeUInt32LE(length, at + LENGTH_AT);
  into.writeUInt32LE(sumOf(into, at, length), at + SUM_AT);
  return TEXT_AT + length;
}

/** Every sound record, in order, and what stands between them. */
export function readRecords(bytes: Buffer): ReadRecords {
  const texts: string[] = [];
  const bad: BadBytes[] = [];
  let end = 0;
  for (let at = nextMark(bytes, 0); at >= 0;) {
    const length = lengthAt(bytes, at);
    if (length === undefined) {
      at = nextMark(bytes, at + 1);
      continue;
    }
    if (at > end) bad.push({ from: end, to: at });
    texts.push(bytes.toString('utf8', at + TEXT_AT, at + TEXT_AT + length));
    end = at + TEXT_AT + length;
    at = nextMark(bytes, end);
  }
  if (end < bytes.length) bad.push({ from: end, to: bytes.length });
  return { texts, bad };
}

/** Of the text of the record that begins here; undefined: no sound record does. */
function lengthAt(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at < TEXT_AT) return undefined;
  const length = bytes.readUInt32LE(at + LENGTH_AT);
  if (length > MOST_RECORD_BYTES - TEXT_AT || at + TEXT_AT + length > bytes.length) return undefined;
  return bytes.readUInt32LE(at + SUM_AT) === sumOf(bytes, at, length) ? length : undefined;
}

function sumOf(bytes: Buffer, at: number, length: number): number {
  return crc32(bytes.subarray(at + LENGTH_AT, at + TEXT_AT + length));
}

function nextMark(bytes: Buffer, from: number): number {
  return bytes.indexOf(MARK_BYTES, from);
}
