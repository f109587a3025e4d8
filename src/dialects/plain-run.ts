/** 1 for bytes that stand for themselves inside a JSON string: no quote, no backslash, no control character. */
const PLAIN = new Uint8Array(256).fill(1, 0x20);
PLAIN[0x22] = 0;
PLAIN[0x5c] = 0;

/** Most runs end within so many bytes, and are not worth more than a look at each. */
const SHORT = 32;
/** A view of four bytes at a time is made where at least so many bytes are left; after that it is there. */
const WORTH_A_VIEW = 1024;

const NO_WORDS = new Int32Array(0);

/**
 * Finds where a run of plain bytes ends, one after the other in the same bytes. A request's body is for the greater part
 * such runs, so after its beginning a run is looked through four bytes at a time.
 *
 * State: the bytes looked at last, and the same memory as words of 32 bits, from its first aligned byte on.
 */
export class PlainRun {
  private bytes: Uint8Array | undefined;
  private words: Int32Array = NO_WORDS;
  private aligned = 0;

  /** The index of the first byte that is not plain; `to` when there is none before. */
  end(bytes: Uint8Array, from: number, to: number): number {
    const near = Math.min(to, from + SHORT);
    const end = endByBytes(bytes, from, near);
    if (end < near || end === to) return end;
    if (this.bytes !== bytes) {
      if (to - end < WORTH_A_VIEW) return endByBytes(bytes, end, to);
      this.view(bytes);
    }
    return this.endByWords(bytes, end, to);
  }

  private endByWords(bytes: Uint8Array, from: number, to: number): number {
    const { words, aligned } = this;
    const last = (to - aligned) >> 2;
    let word = (from - aligned + 3) >> 2;
    const begin = Math.min(aligned + 4 * word, to);
    const end = endByBytes(bytes, from, begin);
    // Clamped: the run has no whole word left.
    if (end < begin || begin === to) return end;
    while (word < last && isPlain(words[word]!)) word += 1;
    return endByBytes(bytes, Math.max(begin, aligned + 4 * word), to);
  }

  private view(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.aligned = -bytes.byteOffset & 3;
    const length = Math.max(0, bytes.length - this.aligned) >> 2;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset + this.aligned, length);
  }
}

function endByBytes(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && PLAIN[bytes[i]!] === 1) i += 1;
  return i;
}

/**
 * Whether all four bytes are plain. For n up to 0x80, `(x - n * 0x01010101) & ~x & 0x80808080` is not zero just where a
 * byte of x is less than n (S. E. Anderson, "Bit Twiddling Hacks", "Determine if a word has a byte less than n").
 * Exchanging 0x20 with 0x22 makes of "a control character or a quote" a byte less than 0x21, and a backslash is a byte
 * that is less than 1 once it was compared.
 */
function isPlain(word: number): boolean {
  const exchanged = word ^ 0x02020202;
  const compared = word ^ 0x5c5c5c5c;
  const found = ((exchanged - 0x21212121) & ~exchanged) | ((compared - 0x01010101) & ~compared);
  return (found & 0x80808080) === 0;
}
