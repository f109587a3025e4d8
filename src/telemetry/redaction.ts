/**
 * What may stand in a log line. Two nets: fields are judged by name before the line is written (`censor`), and the
 * written line is searched for what looks like a credential, whatever field it came in (`scrubLine`).
 */

export const REDACTED = '[redacted]';

/** Compared without case, `-` and `_`. */
const SECRET_NAMES = new Set([
  'accesskeyid',
  'accesstoken',
  'apikey',
  'authorization',
  'authtoken',
  'awssecretaccesskey',
  'clientsecret',
  'cookie',
  'credential',
  'credentials',
  'idtoken',
  'password',
  'proxyauthorization',
  'proxyurl',
  'refreshtoken',
  'secret',
  'secretaccesskey',
  'sessiontoken',
  'setcookie',
  'token',
  'xapikey',
  'xgoogapikey',
]);

/** What people say to models, and what may carry it. */
const CONTENT_NAMES = new Set(['body', 'contents', 'messages', 'prompt', 'rawbody', 'systeminstruction']);

const ADDRESS_NAMES = new Set(['url', 'originalurl', 'path', 'href']);
const QUERY_NAMES = new Set(['query', 'querystring', 'search']);

/** What a field's name says of its value. */
type Bearing = 'hidden' | 'address' | 'plain';

/** By name, so that each of the few names of our lines is looked at once; of made-up ones no more than that are kept. */
const bearings = new Map<string, Bearing>();
const MOST_BEARINGS = 1_000;

const MAX_DEPTH = 6;
const MAX_TEXT = 4096;

/** `fields`, or a copy of them, in which no secret, body or query string stands; bounded in depth and length. */
export function censor(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return isPlain(fields) ? fields : censorObject(fields, 0);
}

/** Short texts and numbers under names that say nothing of them, as in nearly all lines: a copy would be the same. */
function isPlain(fields: Readonly<Record<string, unknown>>): boolean {
  for (const name in fields) {
    if (bearingOf(name) !== 'plain') return false;
    const value = fields[name];
    switch (typeof value) {
      case 'string':
        if (value.length > MAX_TEXT) return false;
        break;
      case 'number':
      case 'boolean':
      case 'undefined':
        break;
      default:
        if (value !== null) return false;
    }
  }
  return true;
}

function censorObject(fields: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const bearing = bearingOf(name);
    if (bearing === 'hidden') {
      if (value !== undefined && value !== null) out[name] = REDACTED;
    } else if (bearing === 'address' && (typeof value === 'string' || value instanceof URL)) {
      out[name] = withoutQuery(String(value));
    } else {
      out[name] = censorValue(value, depth);
    }
  }
  return out;
}

function bearingOf(name: string): Bearing {
  const known = bearings.get(name);
  if (known !== undefined) return known;
  const plain = name.toLowerCase().replace(/[-_]/g, '');
  const isHidden = SECRET_NAMES.has(plain) || CONTENT_NAMES.has(plain) || QUERY_NAMES.has(plain);
  const bearing = isHidden ? 'hidden' : ADDRESS_NAMES.has(plain) ? 'address' : 'plain';
  if (bearings.size < MOST_BEARINGS) bearings.set(name, bearing);
  return bearing;
}

function censorValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
    case 'bigint':
      return value.toString();
    case 'object':
      if (value === null || value instanceof Date) return value;
      if (value instanceof Error) return describeError(value);
      if (value instanceof URL) return withoutQuery(value.href);
      if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
      if (depth >= MAX_DEPTH) return '[deep]';
      if (Array.isArray(value)) return value.slice(0, 100).map((item) => censorValue(item, depth + 1));
      return censorObject(value as Record<string, unknown>, depth + 1);
    default:
      return value;
  }
}

/**
 * An error by allow-list: its own words and where it was made. Errors of HTTP and SQL clients carry whole requests
 * (headers, parameters) in further fields.
 */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error).slice(0, MAX_TEXT) };
  const code: unknown = Reflect.get(error, 'code');
  return {
    type: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    message: error.message.slice(0, MAX_TEXT),
    stack: error.stack?.slice(0, MAX_TEXT),
    ...(error.cause instanceof Error ? { cause: error.cause.message.slice(0, MAX_TEXT) } : {}),
  };
}

function withoutQuery(address: string): string {
  return address.split(/[?#]/, 1)[0] ?? '';
}

/** Shapes of credentials: our own, the vendors', header values, query parameters, passwords in URLs. */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\b(r[ka]_|sk-|AIza|ya29\.|gh[pousr]_|ABSK|AKIA|ASIA)[A-Za-z0-9._~+/=-]{8,}/g, `$1${REDACTED}`],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, `$1 ${REDACTED}`],
  [/([?&](?:key|api[-_]?key|access_token|refresh_token|client_secret|token)=)[^&\s"'\\]+/gi, `$1${REDACTED}`],
  [/(:\/\/)[^\s/:@"]*:[^\s/@"]+@/g, `$1${REDACTED}@`],
];

/** What the shapes have in common: lines without it are not searched for each. */
const SUSPICIOUS =
  /r[ka]_|sk-|AIza|ya29\.|gh[pousr]_|ABSK|AKIA|ASIA|bearer|basic|[?&](?:api|access|refresh|client|token|key)|:\/\/[^"]*@/i;

/** C0 controls and quotes are escaped by JSON itself; these are not, and some terminals and readers obey them. */
const UNESCAPED_CONTROLS = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** A finished JSON line, still valid JSON: those characters can stand nowhere but inside strings. */
export function scrubLine(line: string): string {
  let out = line;
  if (SUSPICIOUS.test(line)) {
    for (const [shape, replacement] of SHAPES) out = out.replace(shape, replacement);
  }
  // Most lines have neither; one look for either takes V8 half as long again as these two.
  return out.replace(UNESCAPED_CONTROLS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
