import { isoTime } from './iso-time.ts';

describe('the time of a line', () => {
  it('is that of its millisecond, within a second, past its end and when the clock is set back', () => {
    const begin = Date.UTC(2026, 11, 31, 23, 59, 59);
    let now = begin;
    const time = isoTime(() => now);
    for (const ms of [0, 7, 7, 42, 999, 1_000, 1_001, 61_000, 3, -1, -86_400_000]) {
      now = begin + ms;
      expect(time()).toBe(`,"time":"${new Date(now).toISOString()}"`);
    }
  });
});
