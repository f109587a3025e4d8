import type { IncomingMessage } from 'node:http';

/** The raw path, as it came; never decoded, never rebuilt from Host. */
export function rawPathOf(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

const NO_QUERY = new URLSearchParams();

/** To be read, not changed: requests without any share one. */
export function queryOf(request: IncomingMessage): URLSearchParams {
  const url = request.url ?? '/';
  const start = url.indexOf('?');
  return start < 0 ? NO_QUERY : new URLSearchParams(url.slice(start + 1));
}
