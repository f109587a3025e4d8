import type { Socket } from 'node:net';
import { eventually } from './eventually.ts';
import { openSocket } from './raw-http.ts';

/** HTTP/2 as frames on a socket (RFC 9113, section 4; RFC 7541, section 6.2.2): what no client library would send. */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const CONTINUATION = 9;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload as string, 'latin1');
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

/** Names and values as literals, each as it is. */
export function block(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** A connection of frames; it answers nothing by itself. */
export class RawH2 {
  readonly frames: Frame[] = [];
  closed = false;
  private bytes = Buffer.alloc(0);

  private constructor(readonly socket: Socket) {
    socket.on('data', (piece: Buffer) => this.take(piece));
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async open(url: string): Promise<RawH2> {
    const raw = new RawH2(await openSocket(url));
    raw.socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]));
    return raw;
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  of(type: number, stream?: number): readonly Frame[] {
    return this.frames.filter((one) => one.type === type && (stream === undefined || one.stream === stream));
  }

  /** The first frame of this kind, once it is there. */
  async wait(type: number, stream?: number): Promise<Frame> {
    return eventually(() => {
      const found = this.of(type, stream)[0];
      if (found === undefined) throw new Error(`No frame of type ${type}: ${JSON.stringify(this.frames)}`);
      return Promise.resolve(found);
    });
  }

  private take(piece: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, piece]);
    while (this.bytes.length >= 9) {
      const length = this.bytes.readUIntBE(0, 3);
      if (this.bytes.length < 9 + length) return;
      this.frames.push({
        type: this.bytes[3]!,
        flags: this.bytes[4]!,
        stream: this.bytes.readUInt32BE(5) & 0x7fff_ffff,
        payload: this.bytes.subarray(9, 9 + length),
      });
      this.bytes = this.bytes.subarray(9 + length);
    }
  }
}
