import { SseFramer, type SseListener } from '../dialects/sse.ts';
import { MAX_FRAME_BYTES } from './sides.ts';

/** The data of server-sent events as text, from bytes split anywhere; an event that never ends is not given. */
export class SseData implements SseListener {
  private readonly framer = new SseFramer(this);
  private pieces: Buffer[] = [];
  private size = 0;
  private events: string[] = [];

  /** What these bytes complete, in order. @throws Error when an event is larger than any vendor's */
  push(bytes: Uint8Array): readonly string[] {
    this.events = [];
    this.framer.push(bytes);
    return this.events;
  }

  data(bytes: Uint8Array, start: number, end: number): void {
    this.size += end - start;
    if (this.size > MAX_FRAME_BYTES) throw new Error('An event of the answer is too large to be translated');
    this.pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  end(): void {
    this.events.push(Buffer.concat(this.pieces).toString('utf8'));
    this.pieces = [];
    this.size = 0;
  }
}
