import { bareRetryAfter, untilReset } from './retry-after.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const DAY = 86_400_000;

describe('a bare retry-after', () => {
  it.each([
    ['30', 30_000],
    [' 30 ', 30_000],
    ['1.5', 1_500],
    ['0', 1_000],
    ['-1', 1_000],
    ['1000000000', 3_600_000],
    ['99999999999999999999', 3_600_000],
    ['Sun, 22 Nov 2026 12:00:45 GMT', 45_000],
    ['Sunday, 22-Nov-26 12:00:45 GMT', 45_000],
    ['Sun Nov 22 12:00:45 2026', 45_000],
    ['Mon, 23 Nov 2026 12:00:00 GMT', 3_600_000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 1_000],
    ['junk', undefined],
    ['junk 1', undefined],
    ['', undefined],
    ['1e9', undefined],
    ['0x10', undefined],
    ['Infinity', undefined],
    ['NaN', undefined],
    ['12, 30', undefined],
    ['Sun, 99 Nov 2026 12:00:45 GMT', undefined],
  ])('of "%s" is a wait of %s ms', (value, ms) => {
    expect(bareRetryAfter({ 'retry-after': value }, NOW)).toBe(ms);
  });

  it('gives way to retry-after-ms', () => {
    expect(bareRetryAfter({ 'retry-after': '30', 'retry-after-ms': '2500' }, NOW)).toBe(2_500);
    expect(bareRetryAfter({ 'retry-after': '30', 'retry-after-ms': '7200000' }, NOW)).toBe(3_600_000);
    expect(bareRetryAfter({ 'retry-after': '30', 'retry-after-ms': 'soon' }, NOW)).toBe(30_000);
    expect(bareRetryAfter({}, NOW)).toBeUndefined();
  });
});

describe('an explicit reset', () => {
  it.each([
    [String(NOW / 1000 + 90), 90_000],
    [String(NOW + 90_500), 90_500],
    [String(NOW / 1000 + 90.25), 90_250],
    ['60', 60_000],
    ['22s', 22_000],
    ['0.4s', 1_000],
    ['22.5s', 22_500],
    ['6m0s', 360_000],
    ['1h2m3s', 3_723_000],
    ['1500ms', 1_500],
    ['120ms', 1_000],
    ['7d', 7 * DAY],
    ['2026-11-22T12:01:30Z', 90_000],
    ['2026-11-22T14:01:30.5+02:00', 90_500],
    ['Sun, 22 Nov 2026 12:00:45 GMT', 45_000],
    ['2026-12-01T00:00:00Z', 8.5 * DAY],
    ['2036-01-01T00:00:00Z', 32 * DAY],
    [String(NOW / 1000 - 5), 1_000],
    ['2020-01-01T00:00:00Z', 1_000],
    ['-1', 1_000],
    ['99999999999999999999', 32 * DAY],
    ['2026-11-22', undefined],
    ['2026-13-45T99:00:00Z', undefined],
    ['tomorrow', undefined],
    ['22 s', undefined],
    ['s', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of "%s" is %s ms away', (value, ms) => {
    expect(untilReset(value, NOW)).toBe(ms);
  });
});
