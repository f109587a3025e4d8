import type { IncomingHttpHeaders } from 'node:http';
import { CallError } from './dialect.ts';
import type { HeaderList } from './header-list.ts';

/** What a header's value may hold; anything else would be a way to write headers of one's own. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const QUERY_VALUE = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * The request headers of an allow-list. Everything else stays behind: credentials, cookies, hop-by-hop headers,
 * `accept-encoding`, and what fetch adds by itself.
 * @throws CallError for a value that no header may have.
 */
export function allowedHeaders(headers: IncomingHttpHeaders, allowed: HeaderList): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    if (!allowed.has(name)) continue;
    const value = headers[name];
    if (value === undefined) continue;
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
  if (linesOf(name, rawHeaders ?? []) > 1 || String(headers[name] ?? '').includes(',')) {
    throw new CallError(`${name}: must be given once`);
  }
}

function linesOf(name: string, rawHeaders: readonly string[]): number {
  let lines = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const text = rawHeaders[i]!;
    if (text.length === name.length && text.toLowerCase() === name) lines += 1;
  }
  return lines;
}

/** The parameters named, in this order, as a query string. @throws CallError for a strange value or two of them. */
export function allowedQuery(query: URLSearchParams, names: readonly string[]): string {
  if (query.size === 0) return '';
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
