import { randomFillSync } from 'node:crypto';

/** What one id takes of the random bytes: 4 for the counter's beginning, 6 for itself. */
const ID_BYTES = 10;
/** Asking the system for so many ids' bytes at once costs little more than asking for one's. */
const IDS_AT_ONCE = 256;

const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Ids of uuidv7 in the order in which they are asked for, within one millisecond too (RFC 9562, 6.2, method 1: a
 * counter that begins at random in each).
 *
 * State: random bytes that no id has had yet; millisecond (and how it is written) and counter of the last id.
 */
export class RequestIds {
  private readonly random = Buffer.alloc(ID_BYTES * IDS_AT_ONCE);
  private taken = this.random.length;
  private msecs = 0;
  private written = '';
  private seq = 0;

  constructor(private readonly now: () => number = Date.now) {}

  next(): string {
    const { random } = this;
    const at = this.fresh();
    const now = this.now();
    if (now > this.msecs) {
      this.msecs = now;
      const digits = now.toString(16).padStart(12, '0');
      this.written = `${digits.slice(0, 8)}-${digits.slice(8)}-`;
      // The highest bit is left for counting: no millisecond has so many calls that it comes back to 0.
      this.seq = random.readUInt32BE(at) >>> 1;
    } else {
      // A clock that was set back makes no id below the last one.
      this.seq += 1;
    }
    return this.written + this.counted() + this.tail(at + 4);
  }

  /** Version, variant and the upper 26 bits of the counter; the other 6 stand in the tail. */
  private counted(): string {
    const { seq } = this;
    const version = hex(0x70 | (seq >>> 28)) + hex(seq >>> 20);
    const variant = hex(0x80 | ((seq >>> 14) & 0x3f)) + hex(seq >>> 6);
    return `${version}-${variant}-`;
  }

  private tail(at: number): string {
    const { random, seq } = this;
    let text = hex((seq << 2) | ((random[at] ?? 0) & 0x03));
    for (let place = at + 1; place < at + 6; place += 1) text += hex(random[place] ?? 0);
    return text;
  }

  /** Where the next id's random bytes begin. */
  private fresh(): number {
    if (this.taken === this.random.length) {
      randomFillSync(this.random);
      this.taken = 0;
    }
    const at = this.taken;
    this.taken += ID_BYTES;
    return at;
  }
}

/** The lowest byte as it is written. */
function hex(number: number): string {
  return BYTES[number & 0xff] ?? '';
}
