import { crc32 } from 'node:zlib';

/**
 * Messages of `application/vnd.amazon.eventstream` (AWS docs, "Event stream encoding"): total length u32 BE, headers'
 * length u32, CRC-32 of those eight bytes, headers, payload, CRC-32 of everything before. A header is its name's length
 * u8, name, type u8 (7 = string), value's length u16, value.
 */

export const EVENT_STREAM = 'application/vnd.amazon.eventstream';

const PRELUDE = 12;
const STRING = 7;

export function eventFrame(type: string, document: object): Buffer {
  return frame(
    { ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' },
    document,
  );
}

/** `name` as in a stream: `throttlingException`. */
export function exceptionFrame(name: string, document: object): Buffer {
  return frame(
    { ':exception-type': name, ':content-type': 'application/json', ':message-type': 'exception' },
    document,
  );
}

/** An error that the service's model does not know. */
export function errorFrame(code: string, message: string): Buffer {
  return frame({ ':error-code': code, ':error-message': message, ':message-type': 'error' });
}

/** Its last checksum is another one. */
export function withBadChecksum(message: Buffer): Buffer {
  const bad = Buffer.from(message);
  bad.writeUInt32BE(~bad.readUInt32BE(bad.length - 4) >>> 0, bad.length - 4);
  return bad;
}

/** It claims four gigabytes; the prelude's own checksum is right. */
export function withGiantLength(message: Buffer): Buffer {
  const giant = Buffer.from(message);
  giant.writeUInt32BE(0xffffffff, 0);
  giant.writeUInt32BE(crc32(giant.subarray(0, 8)), 8);
  return giant;
}

/** Bedrock pads its events to blur their lengths; here the padding depends on the number of the event alone. */
export function padding(n: number): string {
  return 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'.slice(0, 4 + ((n * 7) % 40));
}

function frame(headers: Readonly<Record<string, string>>, document?: object): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => header(name, value)));
  const payload = Buffer.from(document === undefined ? '' : JSON.stringify(document));
  const message = Buffer.alloc(PRELUDE + head.length + payload.length + 4);
  message.writeUInt32BE(message.length, 0);
  message.writeUInt32BE(head.length, 4);
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8);
  head.copy(message, PRELUDE);
  payload.copy(message, PRELUDE + head.length);
  message.writeUInt32BE(crc32(message.subarray(0, -4)), message.length - 4);
  return message;
}

function header(name: string, value: string): Buffer {
  const [key, text] = [Buffer.from(name), Buffer.from(value)];
  const bytes = Buffer.alloc(4 + key.length + text.length);
  bytes.writeUInt8(key.length, 0);
  key.copy(bytes, 1);
  bytes.writeUInt8(STRING, 1 + key.length);
  bytes.writeUInt16BE(text.length, 2 + key.length);
  text.copy(bytes, 4 + key.length);
  return bytes;
}
