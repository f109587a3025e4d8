import { backoffMs } from './backoff.ts';

describe('backoff', () => {
  it('doubles up to the limit and stays between half and all of it', () => {
    expect(backoffMs(0, 50, 2000, () => 0)).toBe(25);
    expect(backoffMs(0, 50, 2000, () => 1)).toBe(50);
    expect(backoffMs(3, 50, 2000, () => 1)).toBe(400);
    expect(backoffMs(6, 50, 2000, () => 1)).toBe(2000);
    expect(backoffMs(10_000, 50, 2000, () => 0)).toBe(1000);
  });
});
