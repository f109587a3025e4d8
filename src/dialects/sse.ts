/**
 * Takes server-sent events apart, byte by byte, without keeping any: the data of an event is handed on in the pieces
 * it came in. Lines end with LF, CR or CR LF, which may be split; several data lines are joined by LF; comments and
 * other fields are passed over; a byte order mark at the start is dropped; an event ends at a blank line, and one
 * that is unfinished when the bytes stop never ends (HTML standard, section "Server-sent events").
 *
 * States: at the start of a line; in a field's name, as far as it may still be `data`; after the colon, where one
 * space is dropped; in the value of `data`; in a line that is passed over. Beside it: whether the last byte was a CR
 * whose LF may still come, and whether the event has data yet.
 */
export interface SseListener {
  /** A piece of the event's data: `bytes[start..end)`, valid only during the call. */
  data(bytes: Uint8Array, start: number, end: number): void;
  /** The blank line after an event that had data. */
  end(): void;
}

const LF = 0x0a;
const CR = 0x0d;
const DATA = [0x64, 0x61, 0x74, 0x61];
const MARK = [0xef, 0xbb, 0xbf];
const JOINT = new Uint8Array([LF]);

const LINE = 0;
const FIELD = 1;
const COLON = 2;
const VALUE = 3;
const SKIP = 4;

export class SseFramer {
  private readonly listener: SseListener;
  private state = LINE;
  /** Bytes of the byte order mark seen at the start; 3 once it is over. */
  private mark = 0;
  private matched = 0;
  private dataLines = 0;
  private filled = false;
  private blank = true;
  private afterCr = false;
  private pairs = false;

  constructor(listener: SseListener) {
    this.listener = listener;
  }

  /**
   * The bytes so far end with a blank line, or there are none. After a CR the question is open where lines ended with
   * CR LF before: the LF is still to come.
   */
  get atBoundary(): boolean {
    return this.blank && !(this.afterCr && this.pairs);
  }

  push(chunk: Uint8Array): void {
    const length = chunk.length;
    let i = this.mark < 3 ? this.dropMark(chunk) : 0;
    while (i < length) {
      const b = chunk[i]!;
      switch (this.state) {
        case LINE:
          if (this.afterCr) {
            this.afterCr = false;
            if (b === LF) {
              this.pairs = true;
              i += 1;
              continue;
            }
          }
          if (b === LF || b === CR) {
            this.endEvent();
            this.afterCr = b === CR;
            i += 1;
            continue;
          }
          this.blank = false;
          this.matched = 0;
          this.state = b === DATA[0] ? FIELD : SKIP;
          continue;
        case FIELD:
          if (this.matched < 4 && b === DATA[this.matched]) {
            this.matched += 1;
            i += 1;
          } else if (this.matched === 4 && (b === 0x3a || b === LF || b === CR)) {
            this.beginData();
            this.state = b === 0x3a ? COLON : VALUE;
            if (b === 0x3a) i += 1;
          } else {
            this.state = SKIP;
          }
          continue;
        case COLON:
          if (b === 0x20) i += 1;
          this.state = VALUE;
          continue;
        default: {
          let end = i;
          while (end < length && chunk[end] !== LF && chunk[end] !== CR) end += 1;
          if (this.state === VALUE && end > i) {
            this.filled = true;
            this.listener.data(chunk, i, end);
          }
          if (end < length) {
            this.state = LINE;
            this.afterCr = chunk[end] === CR;
          }
          i = end + 1;
        }
      }
    }
  }

  private beginData(): void {
    if (this.dataLines > 0) this.listener.data(JOINT, 0, 1);
    this.dataLines += 1;
  }

  private endEvent(): void {
    this.blank = true;
    const filled = this.filled;
    this.dataLines = 0;
    this.filled = false;
    if (filled) this.listener.end();
  }

  private dropMark(chunk: Uint8Array): number {
    let i = 0;
    while (i < chunk.length && this.mark < 3) {
      if (chunk[i] !== MARK[this.mark]) {
        if (this.mark > 0) {
          this.state = SKIP; // a line of garbage, not a mark
          this.blank = false;
        }
        this.mark = 3;
        return i;
      }
      this.blank = false;
      this.mark += 1;
      i += 1;
    }
    if (this.mark === 3) this.blank = true;
    return i;
  }
}
