/**
 * The URL of `path` below an account's base, whose path prefix is kept. `path` begins with a slash and is encoded
 * already.
 * @throws Error when anything in path or query would move the origin, leave the prefix or change the path
 */
export function urlBelow(base: string, path: string, query = ''): URL {
  const { origin, pathname } = new URL(base);
  const prefix = pathname.replace(/\/+$/, '');
  const url = new URL(origin);
  url.pathname = prefix + path;
  url.search = query;
  if (url.origin !== origin || url.pathname !== prefix + path || url.hash !== '') {
    throw new Error('An upstream path must stay below its base as it is written');
  }
  return url;
}

/** One path segment; what could end it or walk out of it is encoded or refused. @throws Error for `.`, `..` and '' */
export function pathSegment(text: string): string {
  if (text === '' || text === '.' || text === '..') throw new Error('A path segment must have a name');
  return encodeURIComponent(text);
}
