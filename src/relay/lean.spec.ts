import type { Headroom } from '../upstream/headroom.ts';
import { leanFor } from './lean.ts';

const one = (of: Headroom['of'], remaining: number, limit?: number, resetMs?: number): Headroom => ({
  of,
  remaining,
  limit,
  resetMs,
});

describe('an account', () => {
  it.each([
    ['two requests are left', one('requests', 2, 50, 30_000), 30_000],
    ['three are', one('requests', 3, 50, 30_000), undefined],
    ['less than 2 % of many requests are', one('requests', 199, 10_000, 30_000), 30_000],
    ['2 % are', one('requests', 200, 10_000, 30_000), undefined],
    ['fewer tokens are left than such a call has', one('tokens', 999, 10_000, 30_000), 30_000],
    ['fewer input tokens are', one('input', 999, 10_000, 30_000), 30_000],
    ['as many are', one('input', 1_000, 10_000, 30_000), undefined],
    ['few tokens to answer with are left, but no small part', one('output', 200, 10_000, 30_000), undefined],
    ['a small part of them is', one('output', 199, 10_000, 30_000), 30_000],
    ['99 % of a window are used', one('share', 0.01, 1, 30_000), 30_000],
    ['97 % are', one('share', 0.03, 1, 30_000), undefined],
  ])('is near a limit, or not, when %s', (_, headroom, expected) => {
    expect(leanFor([one('requests', 1_000, 1_000, 1_000), headroom], 1_000)).toBe(expected);
  });

  it('is near it until its reset, held between a second and a quarter of an hour', () => {
    expect(leanFor([one('requests', 0, 50, 0)], 0)).toBe(1_000);
    expect(leanFor([one('share', 0, 1, 86_400_000)], 0)).toBe(900_000);
    expect(leanFor([one('requests', 0)], 0)).toBe(10_000);
    expect(leanFor([one('requests', 0, 50, 5_000), one('tokens', 0, 50, 50_000)], 0)).toBe(50_000);
    expect(leanFor([], 0)).toBeUndefined();
  });
});
