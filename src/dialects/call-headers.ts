import type { IncomingHttpHeaders } from 'node:http';
import { CallError } from './dialect.ts';

/** What a header's value may hold; anything else would be a way to write headers of one's own. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const QUERY_VALUE = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * The request headers of an allow-list (lower case; a trailing `*` stands for any ending). Everything else stays
 * behind: credentials, cookies, hop-by-hop headers, `accept-encoding`, and what fetch adds by itself.
 * @throws CallError for a value that no header may have.
 */
export function allowedHeaders(
  headers: IncomingHttpHeaders,
  allowed: readonly string[],
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || !allowed.some((entry) => isAllowed(entry, name))) continue;
    const text = Array.isArray(value) ? value.join(', ') : value;
    if (!VALUE.test(text)) throw new CallError(`${name}: must not hold control characters`);
    kept[name] = text;
  }
  return kept;
}

/** @throws CallError when the header came more than once, or as a list: it has one value. */
export function checkSingle(
  name: string,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[] | undefined,
): void {
  const lines = (rawHeaders ?? []).filter((text, i) => i % 2 === 0 && text.toLowerCase() === name).length;
  if (lines > 1 || String(headers[name] ?? '').includes(',')) {
    throw new CallError(`${name}: must be given once`);
  }
}

/** The parameters named, in this order, as a query string. @throws CallError for a strange value or two of them. */
export function allowedQuery(query: URLSearchParams, names: readonly string[]): string {
  const kept: string[] = [];
  for (const name of names) {
    const values = new Set(query.getAll(name));
    if (values.size === 0) continue;
    const [value = ''] = values;
    if (values.size > 1) throw new CallError(`${name}: must be given once`);
    if (!QUERY_VALUE.test(value)) throw new CallError(`${name}: has a value that is not known`);
    kept.push(`${name}=${value}`);
  }
  return kept.join('&');
}

function isAllowed(entry: string, name: string): boolean {
  return entry.endsWith('*') ? name.startsWith(entry.slice(0, -1)) : name === entry;
}
