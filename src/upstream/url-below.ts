/** Accounts are asked at a handful of URLs, again and again. Clients have a say in some: past the bound, all are made anew. */
const MOST_KNOWN = 1_000;
const LONGEST_KNOWN = 500;
const known = new Map<string, URL>();

/**
 * The URL of `path` below an account's base, whose path prefix is kept. `path` begins with a slash and is encoded
 * already. The same URL may be given to many: nobody changes it.
 * @throws Error when anything in path or query would move the origin, leave the prefix or change the path
 */
export function urlBelow(base: string, path: string, query = ''): URL {
  // With the lengths, no other three texts make the same key.
  const key = `${base.length} ${path.length} ${base}${path}${query}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = makeUrl(base, path, query);
  if (key.length > LONGEST_KNOWN) return made;
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, made);
  return made;
}

function makeUrl(base: string, path: string, query: string): URL {
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
