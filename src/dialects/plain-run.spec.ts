import { PlainRun } from './plain-run.ts';

const endOf = (bytes: Uint8Array, from = 0, to = bytes.length): number => new PlainRun().end(bytes, from, to);

/** So many letters at a given place in memory, which need not be one of four bytes' alignment. */
function letters(length: number, offset = 0): Uint8Array {
  return new Uint8Array(new ArrayBuffer(offset + length), offset).fill(0x61);
}

describe('the end of a run of plain bytes', () => {
  it.each([1, 33, 1_500])('is found for each of the 256 bytes, %i bytes away', (away) => {
    const plain: number[] = [];
    for (let byte = 0; byte < 256; byte += 1) {
      const bytes = letters(4_000);
      bytes[away] = byte;
      const end = endOf(bytes);
      expect([away, bytes.length]).toContain(end);
      if (end === bytes.length) plain.push(byte);
    }
    const expected = Array.from({ length: 224 }, (_, index) => index + 0x20);
    expect(plain).toEqual(expected.filter((byte) => byte !== 0x22 && byte !== 0x5c));
  });

  it('is found wherever it stands, in memory of any alignment', () => {
    for (let offset = 0; offset < 5; offset += 1) {
      for (let from = 0; from < 5; from += 1) {
        for (let at = from; at < 1_400; at += at < 60 || at > 1_340 ? 1 : 37) {
          const bytes = letters(1_400, offset);
          bytes[at] = 0x22;
          expect([offset, from, at, endOf(bytes, from)]).toEqual([offset, from, at, at]);
        }
      }
    }
  });

  it('is never beyond what may be looked at', () => {
    const bytes = letters(3_000, 1);
    for (let to = 2_000; to < 2_010; to += 1) expect(endOf(bytes, 3, to)).toBe(to);
    expect(endOf(bytes, 5, 5)).toBe(5);
  });

  it('is never beyond it just after the first looks either, where a view of these bytes is there', () => {
    for (let offset = 0; offset < 4; offset += 1) {
      const run = new PlainRun();
      const bytes = letters(4_000, offset);
      expect(run.end(bytes, 0, 4_000)).toBe(4_000);
      for (let from = 0; from < 8; from += 1) {
        for (let to = from; to < from + 80; to += 1) expect(run.end(bytes, from, to)).toBe(to);
      }
    }
  });

  it('is found run after run, in these bytes and then in others', () => {
    const run = new PlainRun();
    for (const step of [7, 41, 130]) {
      const bytes = letters(5_000, step & 3);
      const marks: number[] = [];
      for (let at = step; at < bytes.length; at += step) marks.push(at);
      for (const at of marks) bytes[at] = 0x5c;
      const found: number[] = [];
      for (let at = run.end(bytes, 0, bytes.length); at < bytes.length;) {
        found.push(at);
        at = run.end(bytes, at + 1, bytes.length);
      }
      expect(found).toEqual(marks);
    }
  });

  it('ends at none of the bytes from 0x80 up, whatever stands beside them', () => {
    for (let byte = 0x80; byte < 256; byte += 1) {
      const bytes = letters(2_000).fill(byte, 40, 80).fill(0x20, 90, 100).fill(0x23, 100, 110);
      expect(endOf(bytes)).toBe(2_000);
    }
  });
});
