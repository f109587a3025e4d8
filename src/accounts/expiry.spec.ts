import { millisecondsLeft } from './expiry.ts';

const NOW = Date.UTC(2027, 0, 1);

describe('the time a credential has left', () => {
  it('is read from ISO 8601, epoch seconds and epoch milliseconds alike', () => {
    for (const text of ['2027-01-01T00:01:00Z', String(NOW / 1000 + 60), String(NOW + 60_000)]) {
      expect(millisecondsLeft(text, NOW)).toBe(60_000);
    }
  });

  it('is negative when it has passed', () => {
    expect(millisecondsLeft('2026-12-31T23:59:00Z', NOW)).toBe(-60_000);
  });

  it('is without end when nothing, or nothing readable, is said', () => {
    for (const text of [undefined, '', 'soon']) expect(millisecondsLeft(text, NOW)).toBe(Infinity);
  });
});
