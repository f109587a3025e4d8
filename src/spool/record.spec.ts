import { MOST_RECORD_BYTES, readRecords, writeRecord } from './record.ts';

const scratch = Buffer.alloc(MOST_RECORD_BYTES);
const recordOf = (text: string): Buffer => Buffer.from(scratch.subarray(0, writeRecord(scratch, 0, text)));

const TEXTS = ['first', 'zweiter Satz, größer', '', '{"cost":"12","of":"🙂"}'];
const SEGMENT = Buffer.concat(TEXTS.map(recordOf));
const LAST = recordOf(TEXTS[3] ?? '');
const BEFORE = SEGMENT.length - LAST.length;

describe('records of a segment', () => {
  it('are read as they were written', () => {
    expect(readRecords(SEGMENT)).toEqual({ texts: TEXTS, bad: [] });
    expect(readRecords(Buffer.alloc(0))).toEqual({ texts: [], bad: [] });
  });

  it('are refused when they are too long, and whole up to that', () => {
    expect(writeRecord(scratch, 0, 'x'.repeat(MOST_RECORD_BYTES))).toBe(0);
    const longest = '€'.repeat(Math.floor((MOST_RECORD_BYTES - 10) / 3));
    expect(readRecords(recordOf(longest))).toEqual({ texts: [longest], bad: [] });
  });

  it('D13: before a record that was cut at any byte are all read, and the rest is told as bad', () => {
    for (let kept = 0; kept < LAST.length; kept += 1) {
      const bad = kept === 0 ? [] : [{ from: BEFORE, to: BEFORE + kept }];
      expect(readRecords(SEGMENT.subarray(0, BEFORE + kept))).toEqual({ texts: TEXTS.slice(0, 3), bad });
    }
  });

  it('D13: before and behind a record with any bit flipped are all read, and it is told as bad', () => {
    const second = recordOf(TEXTS[1] ?? '');
    const from = recordOf(TEXTS[0] ?? '').length;
    const to = from + second.length;
    for (let bit = from * 8; bit < to * 8; bit += 1) {
      const flipped = Buffer.from(SEGMENT);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(readRecords(flipped)).toEqual({ texts: [TEXTS[0], TEXTS[2], TEXTS[3]], bad: [{ from, to }] });
    }
  });

  it('are found behind rubbish that looks like the beginning of one', () => {
    const rubbish = Buffer.from([
      0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x02, 0, 0, 0, 1, 2, 3, 4, 5,
    ]);
    expect(readRecords(Buffer.concat([rubbish, SEGMENT, rubbish]))).toEqual({
      texts: TEXTS,
      bad: [
        { from: 0, to: rubbish.length },
        { from: rubbish.length + SEGMENT.length, to: 2 * rubbish.length + SEGMENT.length },
      ],
    });
  });
});
