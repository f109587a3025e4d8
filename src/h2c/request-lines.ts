/** What a request over HTTP/2 is as one of HTTP/1.1. */
export interface RequestLines {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn; the body's framing and `connection: close` among them. */
  readonly headers: readonly string[];
  /** Bytes of the body as told; undefined = until its end. */
  readonly length: number | undefined;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const PATH = /^\/[\x21-\x7e]*$/;
const LENGTH = /^\d{1,15}$/;
/** They belong to one hop of HTTP/1.1 and make a request malformed here (RFC 9113, section 8.2.2). */
const OF_THE_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/**
 * @param raw names and values in turn, as they came
 * @param ended the request has no body
 * @returns undefined when the request is malformed (RFC 9113, section 8.1.1), or is CONNECT, which leads nowhere: nothing
 * that a reader of HTTP/1.1 could take for a line, a length or a request of its own gets past
 */
export function requestLines(raw: readonly string[], ended: boolean): RequestLines | undefined {
  const pseudo = new Map<string, string>();
  const headers: string[] = [];
  const lengths: string[] = [];
  const hosts: string[] = [];
  const cookies: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name, value] = [raw[at]!, raw[at + 1]!];
    if (!VALUE.test(value)) return undefined;
    if (name.startsWith(':')) {
      if (pseudo.has(name)) return undefined;
      pseudo.set(name, value);
      continue;
    }
    if (!NAME.test(name) || OF_THE_HOP.has(name)) return undefined;
    if (name === 'host') hosts.push(value);
    else if (name === 'content-length') lengths.push(value);
    else if (name === 'cookie') cookies.push(value);
    else if (name !== 'te') headers.push(name, value);
    else if (value !== 'trailers') return undefined;
  }
  const [method = '', path = ''] = [pseudo.get(':method'), pseudo.get(':path')];
  const [host, ...others] = [...(pseudo.has(':authority') ? [pseudo.get(':authority')!] : []), ...hosts];
  const [length, ...further] = lengths;
  const isPath = PATH.test(path) || (path === '*' && method === 'OPTIONS');
  if (!TOKEN.test(method) || method === 'CONNECT' || !isPath) return undefined;
  if (others.some((other) => other.toLowerCase() !== host?.toLowerCase())) return undefined;
  if (further.length > 0 || (length !== undefined && !LENGTH.test(length))) return undefined;
  if (ended && length !== undefined && Number(length) !== 0) return undefined;
  return {
    method,
    path,
    length: length === undefined ? undefined : Number(length),
    headers: [
      ...(host === undefined ? [] : ['host', host]),
      ...headers,
      ...(cookies.length === 0 ? [] : ['cookie', cookies.join('; ')]),
      ...(length !== undefined ? ['content-length', length] : ended ? [] : ['transfer-encoding', 'chunked']),
      'connection',
      'close',
    ],
  };
}

/** An answer's headers for HTTP/2, without those of the hop; a name that comes twice has a list. */
export function answerHeaders(raw: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name, value] = [raw[at]!.toLowerCase(), raw[at + 1]!];
    if (OF_THE_HOP.has(name)) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}
