import { EventStreamCodec } from '@smithy/eventstream-codec';
import { crc32 } from 'node:zlib';
import {
  encodeEventMessage,
  EventStreamBroken,
  EventStreamDecoder,
  type EventMessage,
} from './event-stream.ts';

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text),
);
const theirs = (headers: object, body: string): Buffer =>
  Buffer.from(codec.encode({ headers: headers as never, body: Buffer.from(body) }));

const HEADERS = { ':message-type': 'event', ':event-type': 'chunk', ':content-type': 'application/json' };
const BODIES = ['{"bytes":"e30="}', '', 'é🙂'.repeat(300)];
const STREAM = Buffer.concat(
  BODIES.map((body) => theirs(typed(HEADERS), body)).concat(
    theirs(
      {
        a: { type: 'boolean', value: true },
        b: { type: 'integer', value: 7 },
        c: { type: 'timestamp', value: new Date(0) },
        d: { type: 'binary', value: Buffer.from('xyz') },
        e: { type: 'string', value: 'kept' },
      },
      'z',
    ),
  ),
);

function typed(headers: Record<string, string>): object {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, { type: 'string', value }]),
  );
}

const told = (messages: readonly EventMessage[]) =>
  messages.map(({ headers, payload }) => [headers, payload.toString('utf8')]);
const EXPECTED = [...BODIES.map((body) => [HEADERS, body]), [{ e: 'kept' }, 'z']];

describe("AWS' event stream", () => {
  it("is read as AWS' own codec wrote it, split at every offset", () => {
    for (let cut = 0; cut <= STREAM.length; cut += 1) {
      const decoder = new EventStreamDecoder();
      const messages = [...decoder.push(STREAM.subarray(0, cut)), ...decoder.push(STREAM.subarray(cut))];
      expect(told(messages)).toEqual(EXPECTED);
      expect(decoder.atBoundary).toBe(true);
    }
  });

  it('is kept as the bytes it has, however small the pieces it comes in', () => {
    const body = 'x'.repeat(1_000_000);
    const message = theirs(typed(HEADERS), body);
    const decoder = new EventStreamDecoder();
    const before = process.memoryUsage().heapUsed;
    for (let at = 0; at < message.length - 1; at += 1) decoder.push(message.subarray(at, at + 1));
    // A million buffers of a byte are far more than that.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50_000_000);
    expect(told(decoder.push(message.subarray(-1)))).toEqual([[HEADERS, body]]);
  });

  it('is read byte by byte, and stands between two messages only at their ends', () => {
    const decoder = new EventStreamDecoder();
    const messages: EventMessage[] = [];
    let ends = 0;
    for (const byte of STREAM) {
      messages.push(...decoder.push(Buffer.of(byte)));
      if (decoder.atBoundary) ends += 1;
    }
    expect(told(messages)).toEqual(EXPECTED);
    expect(ends).toBe(EXPECTED.length);
  });

  it("is written as AWS' own codec writes it", () => {
    for (const body of BODIES) {
      expect(encodeEventMessage(HEADERS, body).equals(theirs(typed(HEADERS), body))).toBe(true);
    }
  });

  it('is refused with any byte changed, at once and ever after', () => {
    const sound = theirs(typed(HEADERS), '{"bytes":"e30="}');
    for (let at = 0; at < sound.length; at += 1) {
      const decoder = new EventStreamDecoder();
      const bad = Buffer.from(sound);
      bad[at]! ^= 0x40;
      expect(() => decoder.push(Buffer.concat([bad, sound]))).toThrow(EventStreamBroken);
      expect(() => decoder.push(sound)).toThrow(EventStreamBroken);
      expect(decoder.atBoundary).toBe(false);
    }
  });

  it('still gives the sound messages that came before in the same bytes', () => {
    const sound = theirs(typed(HEADERS), '{"bytes":"e30="}');
    const bad = Buffer.from(sound);
    bad[bad.length - 1]! ^= 1;
    const decoder = new EventStreamDecoder();
    expect(told(decoder.push(Buffer.concat([sound, sound, bad, sound])))).toHaveLength(2);
    expect([decoder.atBoundary, decoder.failure]).toEqual([false, expect.any(EventStreamBroken)]);
    expect(() => decoder.push(sound)).toThrow(EventStreamBroken);
  });

  it.each([
    [4_294_967_295, 0],
    [16 * 1024 * 1024 + 1, 0],
    [15, 0],
    [20, 5],
    [400_000, 200_000],
  ])('refuses a message of %d bytes with %d of headers before it is there', (total, headers) => {
    const prelude = Buffer.alloc(12);
    prelude.writeUInt32BE(total, 0);
    prelude.writeUInt32BE(headers, 4);
    prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
    expect(() => new EventStreamDecoder().push(prelude)).toThrow(EventStreamBroken);
  });

  it('refuses headers that run over their end or have an unknown type', () => {
    for (const head of [Buffer.of(5, 0x61), Buffer.of(1, 0x61, 12), Buffer.of(1, 0x61, 7, 0, 9, 0x62)]) {
      const message = Buffer.alloc(16 + head.length);
      message.writeUInt32BE(message.length, 0);
      message.writeUInt32BE(head.length, 4);
      message.writeUInt32BE(crc32(message.subarray(0, 8)), 8);
      head.copy(message, 12);
      message.writeUInt32BE(crc32(message.subarray(0, -4)), message.length - 4);
      expect(() => new EventStreamDecoder().push(message)).toThrow(EventStreamBroken);
    }
  });
});
