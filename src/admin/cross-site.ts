import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a browser sent the request on behalf of another site. Tokens are no cookies, so this is a second wall.
 * `Origin: null` (a sandboxed or local page) counts as foreign.
 */
export function isCrossSite(headers: IncomingHttpHeaders): boolean {
  if (headers['sec-fetch-site'] === 'cross-site') return true;
  const { origin, host } = headers;
  if (origin === undefined) return false;
  try {
    return host === undefined || new URL(origin).host !== host.toLowerCase();
  } catch {
    return true;
  }
}
