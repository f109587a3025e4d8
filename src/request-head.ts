import type { RequestListener } from 'node:http';

/**
 * More headers than any client sends. Node bounds the bytes of a head, but would drop the headers beyond its own count
 * in silence: a second credential, or an encoding, must not go unseen behind them.
 */
const MOST_HEADERS = 1_000;

/** Looks at every head before anything is routed. The server's own `maxHeadersCount` must be 0 (none is dropped). */
export function withSoundHead(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (request.rawHeaders.length > 2 * MOST_HEADERS) {
      response.writeHead(431, { connection: 'close' }).end();
      return;
    }
    request.url = readableTarget(request.url ?? '/');
    listener(request, response);
  };
}

/**
 * A request target that the router can read:
 * - the absolute form, `http://any.host/v1/messages`, is its path: whatever the relay is called by, there is one
 *   (RFC 9112, section 3.2.2);
 * - a path that cannot be decoded names no route and is cut to its first segment, whose door then says so in its own
 *   dialect. The router itself would fail on it before any door is asked.
 */
export function readableTarget(target: string): string {
  // As nearly every client writes it: nothing to take off, nothing to decode.
  if (target.startsWith('/') && !target.includes('%')) return target;
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
