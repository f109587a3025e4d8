/**
 * Where a client puts its key, on every door alike. Read from the raw headers: Node keeps only the first of several
 * `Authorization` lines, and a second, different key must not go unseen.
 */
export type Presented =
  | { readonly found: 'key'; readonly secret: string }
  | { readonly found: 'none' }
  /** Two different credentials in one request. */
  | { readonly found: 'conflict' }
  /** An AWS signature or Basic credentials: no identity here. */
  | { readonly found: 'foreign' };

const PLAIN = new Set(['x-api-key', 'x-goog-api-key', 'api-key']);
/** Names of any other length are none of ours, and are not looked at in lower case. */
const LENGTHS = new Set([...PLAIN, 'authorization'].map(({ length }) => length));

/** @param rawHeaders names and values in turn, as Node has them. @param url path and query, as on the request line. */
export function presentedKey(rawHeaders: readonly string[], url: string): Presented {
  const secrets = new Set<string>();
  const see = (value: string): void => {
    const secret = value.trim();
    if (secret !== '') secrets.add(secret);
  };
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const raw = rawHeaders[i] ?? '';
    if (!LENGTHS.has(raw.length)) continue;
    const name = raw.toLowerCase();
    const value = rawHeaders[i + 1] ?? '';
    if (PLAIN.has(name)) see(value);
    if (name !== 'authorization') continue;
    if (/^\s*(AWS4-|Basic\b)/i.test(value)) return { found: 'foreign' };
    // Another scheme is a credential all the same: it is seen, and matches no key.
    see(/^\s*Bearer(?:\s+(.*))?$/i.exec(value)?.[1] ?? (/^\s*Bearer\s*$/i.test(value) ? '' : value));
  }
  const question = url.indexOf('?');
  if (question >= 0) new URLSearchParams(url.slice(question + 1)).getAll('key').forEach(see);

  const [secret] = secrets;
  if (secret === undefined) return { found: 'none' };
  return secrets.size === 1 ? { found: 'key', secret } : { found: 'conflict' };
}
