/**
 * Arrays as Postgres reads them (manual, 8.15.6 "Array Input and Output Syntax"), written here at a fraction of what
 * node-postgres takes, which replaces what must be escaped in every element one by one.
 */

/** What needs no quotes. */
export type Plain = string | number | bigint | boolean | null | undefined;

/** Of ids, numbers, times and truths, none of which needs quotes. */
export function plainArray(values: readonly Plain[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** Of any texts: what stands between quotes is taken as it is, but for quotes and backslashes. */
export function textArray(values: readonly (string | null)[]): string {
  if (values.length > 0 && values.every(isPlainText)) return `{"${values.join('","')}"}`;
  return `{${values.map(quoted).join(',')}}`;
}

/**
 * Of texts that `JSON.stringify` made: since they have no control characters and no lone surrogates, JSON quotes them
 * just as Postgres wants them, and much faster than a replacement does.
 */
export function jsonArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : JSON.stringify(value))).join(',')}}`;
}

function isPlainText(value: string | null): boolean {
  return value !== null && !value.includes('"') && !value.includes('\\');
}

function quoted(value: string | null): string {
  if (value === null) return 'NULL';
  return isPlainText(value) ? `"${value}"` : `"${value.replace(/["\\]/g, '\\$&')}"`;
}
