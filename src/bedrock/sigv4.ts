import { createHash, createHmac } from 'node:crypto';
import type { UpstreamRequest } from '../upstream/upstream.ts';

/**
 * AWS Signature Version 4 (AWS IAM user guide, "Create a signed AWS API request") for the service `bedrock`, over the
 * bytes that are sent. As every service but S3 has it, the path, encoded already, is encoded once more.
 */

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const SERVICE = 'bedrock';
const ALGORITHM = 'AWS4-HMAC-SHA256';
const SIGNED = /^(content-type|host|x-amz-.+)$/;
/** A signing key is good for a day and a region; so many are kept. */
const MOST_KEYS = 500;

const signingKeys = new Map<string, Buffer>();

/** The headers that carry the signature; the request's own, which are signed where they mean something, are not in it. */
export function signV4(
  request: UpstreamRequest,
  keys: AwsKeys,
  region: string,
  now: Date,
): Readonly<Record<string, string>> {
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const payload = digestOf(request.body);
  const added: Record<string, string> = {
    'x-amz-date': time,
    'x-amz-content-sha256': payload,
    ...(keys.sessionToken !== undefined && { 'x-amz-security-token': keys.sessionToken }),
  };
  const canonical = Object.entries({ ...request.headers, ...added, host: request.url.host })
    .filter(([name]) => SIGNED.test(name))
    .map(([name, value]) => [name, value.trim().replace(/\s+/g, ' ')] as const)
    .sort(byName);
  const names = canonical.map(([name]) => name).join(';');
  const asked = [
    request.method,
    encoded(request.url.pathname).replaceAll('%2F', '/'),
    canonicalQuery(request.url.searchParams),
    ...canonical.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    payload,
  ].join('\n');
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/${SERVICE}/aws4_request`;
  const toSign = [ALGORITHM, time, scope, createHash('sha256').update(asked).digest('hex')].join('\n');
  const signature = createHmac('sha256', signingKey(keys.secretAccessKey, day, region))
    .update(toSign)
    .digest('hex');
  const authorization = `${ALGORITHM} Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...added, authorization };
}

function digestOf(body: UpstreamRequest['body']): string {
  const hash = createHash('sha256');
  if (body !== undefined) for (const piece of Buffer.isBuffer(body) ? [body] : body) hash.update(piece);
  return hash.digest('hex');
}

function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort((a, b) => byName(a, b) || byText(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** Everything but RFC 3986's unreserved characters. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function signingKey(secret: string, day: string, region: string): Buffer {
  const name = `${day} ${region} ${secret}`;
  const known = signingKeys.get(name);
  if (known !== undefined) return known;
  const hmac = (key: string | Buffer, text: string): Buffer =>
    createHmac('sha256', key).update(text).digest();
  const key = [region, SERVICE, 'aws4_request'].reduce(hmac, hmac(`AWS4${secret}`, day));
  if (signingKeys.size >= MOST_KEYS) signingKeys.clear();
  signingKeys.set(name, key);
  return key;
}

function byName(a: readonly [string, string], b: readonly [string, string]): number {
  return byText(a[0], b[0]);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
