import { ProblemError } from '../errors/problem-error.ts';
import { decodeCursor, encodeCursor, MICROSECOND, pageOf, UUID } from './page.ts';

const ID = '01890a5d-ac96-774b-bcce-b302099a8057';

describe('a page of a list', () => {
  it('ends with a cursor only when more rows are there', () => {
    const cursorOf = (row: number): string => encodeCursor(String(row));
    expect(pageOf([1, 2, 3], 2, cursorOf, (row) => row * 10)).toEqual({
      items: [10, 20],
      nextCursor: encodeCursor('2'),
    });
    expect(pageOf([1, 2], 2, cursorOf, (row) => row).nextCursor).toBeNull();
    expect(pageOf([], 2, cursorOf, (row) => row)).toEqual({ items: [], nextCursor: null });
  });

  it('reads its own cursors', () => {
    const values = ['2026-02-28T23:59:59.123456Z', ID];
    expect(decodeCursor(encodeCursor(...values), MICROSECOND, UUID)).toEqual(values);
    expect(decodeCursor(undefined, UUID)).toBeUndefined();
  });

  it('refuses every other cursor, naming the field', () => {
    const forged = [
      '',
      '!',
      'null',
      encodeCursor(),
      encodeCursor(ID, ID),
      encodeCursor("'; drop table api_keys; --"),
      Buffer.from(JSON.stringify([7])).toString('base64url'),
    ];
    for (const cursor of forged) {
      expect(() => decodeCursor(cursor, UUID)).toThrow(ProblemError);
    }
    for (const time of [
      '2026-02-30T00:00:00.000000Z',
      '2026-13-01T00:00:00.000000Z',
      '2026-01-01T25:00:00.000000Z',
    ]) {
      expect(() => decodeCursor(encodeCursor(time), MICROSECOND)).toThrow(/cursor/);
    }
  });
});
