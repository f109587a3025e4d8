import { untilPacificMidnight } from './pacific-midnight.ts';

describe('the next Pacific midnight', () => {
  it.each([
    ['in winter', '2026-11-22T12:00:00Z', '2026-11-23T08:00:00Z'],
    ['in summer', '2026-07-01T12:00:00.250Z', '2026-07-02T07:00:00Z'],
    ['a moment before', '2026-07-02T06:59:59.999Z', '2026-07-02T07:00:00Z'],
    ['at midnight itself is a day away', '2026-07-02T07:00:00Z', '2026-07-03T07:00:00Z'],
    ['after clocks go back', '2026-11-01T08:30:00Z', '2026-11-02T08:00:00Z'],
    ['before clocks go forward', '2026-03-08T09:00:00Z', '2026-03-09T07:00:00Z'],
  ])('%s', (_title, now, midnight) => {
    expect(untilPacificMidnight(Date.parse(now))).toBe(Date.parse(midnight) - Date.parse(now));
  });
});
