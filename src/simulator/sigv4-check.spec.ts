import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { authorizationOf, signatureFault, type SignedRequest } from './sigv4-check.ts';

const SECRET = 'simulator-secret-AKIASIMONE';
const NOW = new Date('2026-11-23T03:04:05.000Z');
const ARN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2';
const HOST = '127.0.0.1:4010';

/** The request as AWS' own signer signs it, as a server sees it. */
async function signed(
  path: string,
  { body = '{}', method = 'POST', headers = {}, token = '', service = 'bedrock' } = {},
): Promise<SignedRequest> {
  const credentials = {
    accessKeyId: 'AKIASIMONE',
    secretAccessKey: SECRET,
    ...(token === '' ? {} : { sessionToken: token }),
  };
  const signer = new SignatureV4({ service, region: 'us-east-1', credentials, sha256: Sha256 });
  const [plain = '', query = ''] = path.split('?');
  const params = new URLSearchParams(query);
  const request = await signer.sign(
    {
      method,
      protocol: 'http:',
      hostname: HOST,
      path: plain,
      query: Object.fromEntries([...new Set(params.keys())].map((name) => [name, params.getAll(name)])),
      headers: { host: HOST, 'content-type': 'application/json', ...headers },
      body,
    },
    { signingDate: NOW },
  );
  return { method, url: path, headers: request.headers, body: Buffer.from(body) };
}

function faultOf(request: SignedRequest, now = NOW, secret = SECRET) {
  const given = authorizationOf(request.headers);
  if (given === undefined) throw new Error('The request is not signed');
  return signatureFault(request, given, secret, 'bedrock', now.getTime());
}

describe("a request that AWS' own signer signed", () => {
  it.each([
    ['a model id with %3A', '/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke', {}],
    ['a colon left bare', '/model/anthropic.claude-3-haiku-20240307-v1:0/converse', {}],
    ['an ARN with %3A and %2F', `/model/${encodeURIComponent(ARN)}/converse-stream`, { body: '{"é":"🙂"}' }],
    ['a prefix with odd characters', "/gate%20way/(x)!*'/model/m/invoke", {}],
    ['empty and dotted segments', '/a//b/./c/../model/m/invoke', {}],
    ['a query', '/model/m/invoke?b=2&a=%2F%20&a=1&a-b=3', {}],
    ['a session token', '/model/m/invoke', { token: 'sim-session-+/==' }],
    ['headers of its own', '/model/m/invoke', { headers: { 'x-amz-meta': '  two   words ' } }],
    ['no body', '/models', { method: 'GET', body: '' }],
  ])('is let in: %s', async (_, path, more) => {
    expect(faultOf(await signed(path, more))).toBeUndefined();
  });
});

describe('a signature', () => {
  const PATH = '/model/m/invoke';

  it.each([
    ['another body', (one: SignedRequest) => ({ ...one, body: Buffer.from('{"a":1}') })],
    ['another path', (one: SignedRequest) => ({ ...one, url: '/model/other/invoke' })],
    ['another method', (one: SignedRequest) => ({ ...one, method: 'PUT' })],
    ['another query', (one: SignedRequest) => ({ ...one, url: `${PATH}?a=1` })],
    [
      'another content type',
      (one: SignedRequest) => ({ ...one, headers: { ...one.headers, 'content-type': 'text/plain' } }),
    ],
    ['another host', (one: SignedRequest) => ({ ...one, headers: { ...one.headers, host: 'evil' } })],
    [
      'an x-amz header that is not signed',
      (one: SignedRequest) => ({ ...one, headers: { ...one.headers, 'x-amz-extra': '1' } }),
    ],
  ])('is not good for %s', async (_, tampered) => {
    expect(faultOf(tampered(await signed(PATH)))).toMatchObject({ name: 'InvalidSignatureException' });
  });

  it('is not good with another secret', async () => {
    expect(faultOf(await signed(PATH), NOW, 'another')).toMatchObject({
      name: 'InvalidSignatureException',
      message: expect.stringContaining('does not match') as unknown,
    });
  });

  it.each([
    [-301, 'Signature not yet current: 20261123T030405Z'],
    [301, 'Signature expired: 20261123T030405Z'],
  ])('is not good where clocks differ by %d s', async (seconds, message) => {
    const now = new Date(NOW.getTime() + seconds * 1000);
    expect(faultOf(await signed(PATH), now)?.message).toContain(message);
  });

  it.each([-299, 299])('is good where clocks differ by %d s', async (seconds) => {
    expect(faultOf(await signed(PATH), new Date(NOW.getTime() + seconds * 1000))).toBeUndefined();
  });

  it('is not good for another service', async () => {
    expect(faultOf(await signed(PATH, { service: 'sts' }))?.message).toContain('correct service');
  });

  it.each(['', 'Bearer x', 'AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/bedrock/aws4_request'])(
    'is none: %s',
    (authorization) => {
      expect(authorizationOf({ authorization })).toBeUndefined();
    },
  );
});
