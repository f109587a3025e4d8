import { isDateTime } from './date-time.ts';

describe('a date and time', () => {
  it.each(['2027-01-31T00:00:00Z', '2028-02-29T23:59:59.123Z', '2027-01-31T12:00:00+02:00'])(
    'may be %s',
    (text) => {
      expect(isDateTime(text)).toBe(true);
    },
  );

  it.each([
    '2027-01-31',
    '2027-01-31T00:00:00',
    '2027-02-30T00:00:00Z',
    '2027-13-01T00:00:00Z',
    '2027-01-31T24:30:00Z',
    '2027-01-31T00:00:60Z',
    '0000-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    'tomorrow',
    '',
    0,
    null,
    ['2027-01-31T00:00:00Z'],
  ])('is not %p', (value) => {
    expect(isDateTime(value)).toBe(false);
  });
});
