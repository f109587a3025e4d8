import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request is signed as AWS Signature Version 4 wants it (AWS IAM user guide, "Create a signed AWS API request"),
 * found out from the request as it came. For every service but S3 the path as sent is encoded once more.
 */

export interface SignedRequest {
  readonly method: string;
  /** Path and query as on the wire. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What the authorization header says of itself. */
export interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

/** An exception of AWS' front door, and its words. */
export interface SignatureFault {
  readonly name: string;
  readonly message: string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
/** How far the request's clock may be off. */
const SKEW_MS = 5 * 60_000;

const FORM =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([a-z0-9-]+)\/([a-z0-9-]+)\/aws4_request, ?SignedHeaders=([a-z0-9;_-]+), ?Signature=([0-9a-f]{64})$/;

/** Undefined: the header is no authorization of this algorithm, or not whole. */
export function authorizationOf(headers: IncomingHttpHeaders): Authorization | undefined {
  const [whole, accessKeyId, date, region, service, names, signature] =
    FORM.exec(headers.authorization ?? '') ?? [];
  if (whole === undefined) return undefined;
  return {
    accessKeyId: accessKeyId!,
    date: date!,
    region: region!,
    service: service!,
    signedHeaders: names!.split(';'),
    signature: signature!,
  };
}

/** Undefined: the signature is right. */
export function signatureFault(
  request: SignedRequest,
  given: Authorization,
  secret: string,
  service: string,
  now: number,
): SignatureFault | undefined {
  const { headers } = request;
  if (given.service !== service) {
    return invalid(`Credential should be scoped to correct service: '${service}'. `);
  }
  const time = headers['x-amz-date'];
  const at = typeof time === 'string' ? timeOf(time) : undefined;
  if (typeof time !== 'string' || at === undefined) {
    return {
      name: 'IncompleteSignatureException',
      message: 'Authorization header requires existence of either a valid X-Amz-Date or a Date header.',
    };
  }
  if (time.slice(0, 8) !== given.date) {
    return invalid('Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date');
  }
  if (at < now - SKEW_MS) {
    return invalid(
      `Signature expired: ${time} is now earlier than ${isoOf(now - SKEW_MS)} (${isoOf(now)} - 5 min.)`,
    );
  }
  if (at > now + SKEW_MS) {
    return invalid(
      `Signature not yet current: ${time} is still later than ${isoOf(now + SKEW_MS)} (${isoOf(now)} + 5 min.)`,
    );
  }
  const unsigned = Object.keys(headers).filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !given.signedHeaders.includes(name),
  );
  if (unsigned.length > 0) return invalid(`'${unsigned.join("', '")}' must be a 'SignedHeader'`);
  const told = headers['x-amz-content-sha256'];
  if (told !== undefined && told !== hex(request.body)) {
    return invalid("The provided 'x-amz-content-sha256' header does not match what was computed.");
  }
  const expected = signatureOf(request, given, secret, time);
  if (timingSafeEqual(Buffer.from(expected), Buffer.from(given.signature))) return undefined;
  return invalid(
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
  );
}

function signatureOf(request: SignedRequest, given: Authorization, secret: string, time: string): string {
  const { date, region, service, signedHeaders } = given;
  const [path = '/', ...query] = request.url.split('?');
  const canonical = [
    request.method,
    canonicalPath(path),
    canonicalQuery(query.join('?')),
    ...signedHeaders.map((name) => `${name}:${valueOf(request.headers[name])}`),
    '',
    signedHeaders.join(';'),
    hex(request.body),
  ].join('\n');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const toSign = [ALGORITHM, time, scope, hex(canonical)].join('\n');
  const key = [date, region, service, 'aws4_request'].reduce<Buffer>(
    (one, part) => createHmac('sha256', one).update(part).digest(),
    Buffer.from(`AWS4${secret}`),
  );
  return createHmac('sha256', key).update(toSign).digest('hex');
}

/** By name, then by value, each decoded and encoded anew. */
function canonicalQuery(query: string): string {
  const pairs = [...new URLSearchParams(query)].map(
    ([name, value]) => [encoded(name), encoded(value)] as const,
  );
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return pairs
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** Without empty and dotted segments, each encoded as it was sent and once more. */
function canonicalPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(encoded(segment));
  }
  return `/${segments.join('/')}${segments.length > 0 && path.endsWith('/') ? '/' : ''}`;
}

function valueOf(value: string | string[] | undefined): string {
  return String(Array.isArray(value) ? value.join(',') : (value ?? ''))
    .trim()
    .replace(/\s+/g, ' ');
}

/** Everything but RFC 3986's unreserved characters. */
function encoded(text: string): string {
  const upper = (sign: string): string => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, upper);
}

function timeOf(text: string): number | undefined {
  const [, y, m, d, h, min, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  return y === undefined ? undefined : Date.parse(`${y}-${m}-${d}T${h}:${min}:${s}Z`);
}

function isoOf(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function hex(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function invalid(message: string): SignatureFault {
  return { name: 'InvalidSignatureException', message };
}
