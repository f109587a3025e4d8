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

/** An upstream's answer headers as one text each, without those of the connection and those it names as such. */
export function answerHeaders(
  raw: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const named = new Set(
    flat(raw['connection'] ?? '')
      .toLowerCase()
      .split(/[\s,]+/),
  );
  const kept: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(raw)) {
    if (value === undefined || DROPPED.has(name) || named.has(name)) continue;
    kept[name] = flat(value);
  }
  return kept;
}

function flat(value: string | string[]): string {
  return typeof value === 'string' ? value : value.join(', ');
}
