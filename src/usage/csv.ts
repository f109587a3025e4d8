/** RFC 4180, made safe for spreadsheets: a text that one would run as a formula gets an apostrophe before it. */
export function toCsv(
  columns: readonly string[],
  rows: readonly Readonly<Record<string, string | number | null>>[],
): string {
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column] ?? ''))];
  return lines.map((cells) => cells.map(cell).join(',') + '\r\n').join('');
}

/** owasp.org/www-community/attacks/CSV_Injection; full-width forms are read like their ASCII twins by some. */
const FORMULA = /^\s*[=+\-@\t\r\n＝＋－＠|%]/u;

function cell(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const inert = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n;\t]|^\s|\s$|^'/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
