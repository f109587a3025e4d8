import { crc32 } from 'node:zlib';

/**
 * AWS' binary event stream (application/vnd.amazon.eventstream; AWS docs, "Amazon Transcribe: event stream encoding",
 * the same for Bedrock): total length u32 BE, headers' length u32, CRC-32 of those eight bytes, headers, payload,
 * CRC-32 of everything before. A header is name length u8, name, type u8, value; a string's (7) and bytes' (6) value has a
 * u16 length before it.
 */

export interface EventMessage {
  /** Headers whose value is a string; the others are checked and passed over. */
  readonly headers: Readonly<Record<string, string>>;
  /** A view of the bytes it came in: whoever keeps it, copies it. */
  readonly payload: Buffer;
}

/** The stream is not what it says it is; nothing behind it can be trusted. */
export class EventStreamBroken extends Error {}

/** Sixteen MiB, as AWS' own decoders allow; a longer claim is refused before anything is kept for it. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

const PRELUDE_BYTES = 12;
const CRC_BYTES = 4;
const LEAST_BYTES = PRELUDE_BYTES + CRC_BYTES;
const MAX_HEADER_BYTES = 128 * 1024;
const NONE = Buffer.alloc(0);
const STRING = 7;
const BYTES = 6;
/** Sizes of the values of fixed length, by type: true, false, byte, short, integer, long, …, timestamp, uuid. */
const FIXED: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 };

/**
 * Takes a stream apart into messages. It keeps the bytes of the one message that is still incomplete, in one piece
 * however small they came; a length that is claimed but has not arrived costs nothing.
 *
 * States: in a prelude → in a message, whose prelude is checked → in the next prelude; broken, for good. Sound messages
 * that came before the breakage in the same bytes are still given.
 */
export class EventStreamDecoder {
  /** As it came, and then full; or with room for more behind what is held, which is this decoder's own. */
  private bytes: Buffer = NONE;
  private held = 0;
  /** Total length of the message being read; 0 = its prelude is not there yet. */
  private total = 0;
  /** Messages of a stream have the same few headers again and again: the last ones, as they came and as they read. */
  private lastHead: Buffer = NONE;
  private lastHeaders: Readonly<Record<string, string>> = {};
  /** Set for good once the stream is broken. */
  failure: EventStreamBroken | undefined;
  /** Bytes of the messages given so far. */
  soundBytes = 0;

  constructor(private readonly limit = MAX_MESSAGE_BYTES) {}

  /** The bytes so far end with a whole message, or there are none. */
  get atBoundary(): boolean {
    return this.failure === undefined && this.held === 0;
  }

  /** Messages that these bytes complete. @throws EventStreamBroken when the first is not sound, and ever after */
  push(bytes: Uint8Array): EventMessage[] {
    if (this.failure !== undefined) throw this.failure;
    this.keep(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    const messages: EventMessage[] = [];
    try {
      for (let next = this.next(); next !== undefined; next = this.next()) messages.push(next);
    } catch (error) {
      this.failure = error as EventStreamBroken;
      this.bytes = NONE;
      if (messages.length === 0) throw error;
    }
    return messages;
  }

  private keep(chunk: Buffer): void {
    const held = this.held + chunk.length;
    if (this.held === 0) this.bytes = chunk;
    else {
      if (held > this.bytes.length) {
        const larger = Buffer.allocUnsafe(Math.max(held, 2 * this.held));
        this.bytes.copy(larger, 0, 0, this.held);
        this.bytes = larger;
      }
      chunk.copy(this.bytes, this.held);
    }
    this.held = held;
  }

  private next(): EventMessage | undefined {
    if (this.total === 0) {
      if (this.held < PRELUDE_BYTES) return undefined;
      this.total = this.totalOf(this.bytes);
    }
    if (this.held < this.total) return undefined;
    const message = this.read(this.bytes, this.total);
    this.held -= this.total;
    this.bytes = this.held === 0 ? NONE : this.bytes.subarray(this.total, this.total + this.held);
    this.soundBytes += this.total;
    this.total = 0;
    return message;
  }

  private read(bytes: Buffer, total: number): EventMessage {
    const end = total - CRC_BYTES;
    if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) {
      throw new EventStreamBroken('The checksum of a message is wrong');
    }
    const headersEnd = PRELUDE_BYTES + bytes.readUInt32BE(4);
    const head = bytes.subarray(PRELUDE_BYTES, headersEnd);
    if (!head.equals(this.lastHead)) {
      this.lastHeaders = readHeaders(head);
      this.lastHead = Buffer.from(head);
    }
    return { headers: this.lastHeaders, payload: bytes.subarray(headersEnd, end) };
  }

  private totalOf(bytes: Buffer): number {
    const total = bytes.readUInt32BE(0);
    const headers = bytes.readUInt32BE(4);
    if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8)) {
      throw new EventStreamBroken('The checksum of a message prelude is wrong');
    }
    if (total > this.limit || total < LEAST_BYTES + headers || headers > MAX_HEADER_BYTES) {
      throw new EventStreamBroken('The length of a message is not possible');
    }
    return total;
  }
}

/** One message with string headers, both checksums in place. */
export function encodeEventMessage(
  headers: Readonly<Record<string, string>>,
  payload: Uint8Array | string,
): Buffer {
  const body = Buffer.from(payload as Uint8Array);
  const head = Buffer.concat(
    Object.entries(headers).map(([name, value]) => {
      const [key, text] = [Buffer.from(name), Buffer.from(value)];
      const length = Buffer.alloc(3);
      length.writeUInt8(STRING, 0);
      length.writeUInt16BE(text.length, 1);
      return Buffer.concat([Buffer.of(key.length), key, length, text]);
    }),
  );
  const message = Buffer.alloc(LEAST_BYTES + head.length + body.length);
  message.writeUInt32BE(message.length, 0);
  message.writeUInt32BE(head.length, 4);
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8);
  head.copy(message, PRELUDE_BYTES);
  body.copy(message, PRELUDE_BYTES + head.length);
  message.writeUInt32BE(crc32(message.subarray(0, -CRC_BYTES)), message.length - CRC_BYTES);
  return message;
}

function readHeaders(bytes: Buffer): Record<string, string> {
  const headers: Record<string, string> = {};
  let at = 0;
  const take = (size: number): Buffer => {
    if (at + size > bytes.length) throw new EventStreamBroken('The headers of a message are cut short');
    at += size;
    return bytes.subarray(at - size, at);
  };
  while (at < bytes.length) {
    const name = take(take(1)[0]!).toString('utf8');
    const type = take(1)[0]!;
    if (type === STRING || type === BYTES) {
      const value = take(take(2).readUInt16BE(0));
      if (type === STRING) headers[name] = value.toString('utf8');
      continue;
    }
    const size = FIXED[type];
    if (size === undefined) throw new EventStreamBroken('A message has a header of an unknown type');
    take(size);
  }
  return headers;
}
