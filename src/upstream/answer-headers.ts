/** Fields that concern one connection (RFC 9110, 7.6.1) and cookies, which are never ours to carry. */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'set-cookie2',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const NONE: ReadonlySet<string> = new Set();

/** An upstream's answer headers as one text each, without those of the connection and those it names as such. */
export function answerHeaders(
  raw: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const connection = raw['connection'];
  const named = connection === undefined ? NONE : namedBy(flat(connection));
  const kept: Record<string, string> = {};
  for (const name in raw) {
    const value = raw[name];
    if (value === undefined || DROPPED.has(name) || named.has(name)) continue;
    kept[name] = flat(value);
  }
  return kept;
}

function namedBy(connection: string): ReadonlySet<string> {
  return new Set(connection.toLowerCase().split(/[\s,]+/));
}

function flat(value: string | string[]): string {
  return typeof value === 'string' ? value : value.join(', ');
}
