import type { RequestHandler } from 'express';

/**
 * Makes of any request target one that the router can read, before anything is routed:
 * - the absolute form, `http://any.host/v1/messages`, is its path: whatever the relay is called by, there is one
 *   (RFC 9112, section 3.2.2);
 * - a path that cannot be decoded names no route and is cut to its first segment, whose door then says so in its own
 *   dialect. The router itself would fail on it before any door is asked.
 */
export const readableTarget: RequestHandler = (request, _response, next) => {
  request.url = readable(request.url);
  next();
};

export function readable(target: string): string {
  const inOrigin = target.replace(/^https?:\/\/[^/?#]*/i, '');
  const url = inOrigin === '' || inOrigin.startsWith('?') ? `/${inOrigin}` : inOrigin;
  const path = url.split(/[?#]/, 1)[0] ?? '';
  if (isDecodable(path)) return url;
  const first = /^\/[^/]*/.exec(path)?.[0] ?? '/';
  return isDecodable(first) ? first : '/';
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
