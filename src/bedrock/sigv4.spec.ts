import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { UpstreamRequest } from '../upstream/upstream.ts';
import { type AwsKeys, signV4 } from './sigv4.ts';

const KEYS: AwsKeys = { accessKeyId: 'AKIASIMONE', secretAccessKey: 'simulator-secret-AKIASIMONE' };
const NOW = new Date('2026-11-23T03:04:05.678Z');
const JSON_TYPE = { 'content-type': 'application/json', accept: 'application/json' };
const ARN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2';

function asked(path: string, body: UpstreamRequest['body'], headers = {}): UpstreamRequest {
  const url = new URL(`https://bedrock-runtime.us-east-1.amazonaws.com${path}`);
  return { method: body === undefined ? 'GET' : 'POST', url, headers: { ...JSON_TYPE, ...headers }, body };
}

/** What AWS' own signer makes of the same request; it signs every header it is given. */
async function theirs(request: UpstreamRequest, keys: AwsKeys, region: string) {
  const signer = new SignatureV4({ service: 'bedrock', region, credentials: keys, sha256: Sha256 });
  const { url, body } = request;
  const { accept: _unsigned, ...headers } = request.headers;
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(
        [...new Set(url.searchParams.keys())].map((name) => [name, url.searchParams.getAll(name)]),
      ),
      headers: { ...headers, host: url.host },
      body: body === undefined ? undefined : Buffer.isBuffer(body) ? body : Buffer.concat(body),
    },
    { signingDate: NOW },
  );
  return signed.headers;
}

const CASES: readonly (readonly [string, UpstreamRequest, AwsKeys, string])[] = [
  [
    'a model id with a colon',
    asked('/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke', Buffer.from('{}')),
    KEYS,
    'us-east-1',
  ],
  [
    'a colon left bare',
    asked('/model/anthropic.claude-3-haiku-20240307-v1:0/converse', Buffer.from('{"a":1}')),
    KEYS,
    'eu-west-1',
  ],
  [
    'an ARN as one segment',
    asked(`/model/${encodeURIComponent(ARN)}/invoke-with-response-stream`, Buffer.from('é')),
    KEYS,
    'us-east-1',
  ],
  [
    'a session token',
    asked('/model/m/invoke', Buffer.from('x')),
    { ...KEYS, sessionToken: 'sim-session-+/==' },
    'us-west-2',
  ],
  [
    'a body in pieces',
    asked('/model/m/invoke', [Buffer.from('{"a":'), Buffer.from('1}')]),
    KEYS,
    'us-east-1',
  ],
  ['a path prefix', asked('/gate%20way/(x)!/model/m/invoke', Buffer.from('x')), KEYS, 'us-east-1'],
  ['an odd query', asked("/foundation-models?b=2&a=%2F%20+'x&a=1&c", undefined), KEYS, 'ap-northeast-1'],
  [
    'headers of its own',
    asked('/model/m/invoke', Buffer.from('x'), { 'x-amz-meta': ' two   words ' }),
    KEYS,
    'us-east-1',
  ],
];

describe('a signature', () => {
  it.each(CASES)("is AWS' own signer's: %s", async (_, request, keys, region) => {
    const expected = await theirs(request, keys, region);
    const signed = signV4(request, keys, region, NOW);
    for (const [name, value] of Object.entries(signed)) expect([name, value]).toEqual([name, expected[name]]);
    expect(signed['authorization']).toContain(
      'SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date',
    );
  });

  it('is another one with another secret, region or day, and the same again', () => {
    const request = asked('/model/m/invoke', Buffer.from('{}'));
    const sign = (keys: AwsKeys, region: string, now: Date) =>
      signV4(request, keys, region, now)['authorization'];
    const other = { ...KEYS, secretAccessKey: 'simulator-secret-other' };
    const day = new Date('2026-11-24T03:04:05Z');
    const all = [
      sign(KEYS, 'us-east-1', NOW),
      sign(other, 'us-east-1', NOW),
      sign(KEYS, 'us-east-2', NOW),
      sign(KEYS, 'us-east-1', day),
    ];
    expect(new Set(all).size).toBe(4);
    expect(sign(KEYS, 'us-east-1', NOW)).toBe(all[0]);
  });
});
