import { isISO8601, ValidateBy } from 'class-validator';

/** RFC 3339 with its zone; between the years 1900 and 2999, a day that exists. */
export function isDateTime(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    /^(19|2\d)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value) &&
    isISO8601(value, { strict: true }) &&
    !Number.isNaN(Date.parse(value))
  );
}

export const IsDateTime = () =>
  ValidateBy({
    name: 'isDateTime',
    validator: {
      validate: isDateTime,
      defaultMessage: () => 'must be a date and time with its zone, such as 2027-01-31T00:00:00Z',
    },
  });
