import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

/** What one id takes of the random bytes. */
const ID_BYTES = 16;
/** Asking the system for so many ids' bytes at once costs little more than asking for one's. */
const IDS_AT_ONCE = 256;

/**
 * Ids of uuidv7 in the order in which they are asked for, within one millisecond too (RFC 9562, 6.2, method 1: a
 * counter that begins at random in each).
 *
 * State: random bytes that no id has had yet; millisecond and counter of the last id.
 */
export class RequestIds {
  private readonly random = Buffer.alloc(ID_BYTES * IDS_AT_ONCE);
  private taken = this.random.length;
  private msecs = 0;
  private seq = 0;

  constructor(private readonly now: () => number = Date.now) {}

  next(): string {
    const random = this.fresh();
    const now = this.now();
    if (now > this.msecs) {
      this.msecs = now;
      // The highest bit is left for counting: no millisecond has so many calls that it comes back to 0.
      this.seq = random.readUInt32BE(6) >>> 1;
    } else {
      // A clock that was set back makes no id below the last one.
      this.seq += 1;
    }
    return v7({ random, msecs: this.msecs, seq: this.seq });
  }

  private fresh(): Buffer {
    if (this.taken === this.random.length) {
      randomFillSync(this.random);
      this.taken = 0;
    }
    const bytes = this.random.subarray(this.taken, this.taken + ID_BYTES);
    this.taken += ID_BYTES;
    return bytes;
  }
}
