import { SecretMask } from './secret-mask.ts';

const KEY = 'sk-ant-0123456789abcdef';
const STARS = '*'.repeat(KEY.length);
const values = {
  apiKey: KEY,
  clientId: 'a-client-id',
  tokenUrl: 'https://tokens.example',
  expiresAt: '2026-01-01',
};

const through = (chunks: readonly string[], credentials: Record<string, string> = values): string => {
  const mask = new SecretMask({ values: credentials });
  return chunks.map((chunk) => mask.bytes(Buffer.from(chunk)).toString()).join('');
};

describe('the mask of a credential', () => {
  it('hides the secret wherever it is quoted, and keeps every length', () => {
    const text = `{"message":"bad key ${KEY}, not ${KEY}${KEY}"}`;
    expect(through([text])).toBe(text.replaceAll(KEY, STARS));
  });

  it('gives bytes without it back as they are, not a copy', () => {
    const chunk = Buffer.from('data: {"x":1}\n\n');
    expect(new SecretMask({ values }).bytes(chunk)).toBe(chunk);
  });

  it('does not change the chunk it was given', () => {
    const chunk = Buffer.from(KEY);
    new SecretMask({ values }).bytes(chunk);
    expect(chunk.toString()).toBe(KEY);
  });

  it('never lets the whole secret through, wherever it is cut', () => {
    const text = `key ${KEY} end`;
    for (let at = 0; at <= text.length; at += 1) {
      const seen = through([text.slice(0, at), text.slice(at)]);
      expect(seen).not.toContain(KEY);
      expect(seen).toHaveLength(text.length);
      expect(seen.endsWith(' end')).toBe(true);
    }
    const [, ...bytewise] = through([...text]).split(' ');
    expect(bytewise.join(' ')).not.toContain(KEY);
  });

  it('leaves ids, addresses, times and what is too short to be a secret', () => {
    const text = 'a-client-id https://tokens.example 2026-01-01 x';
    expect(through([text], { ...values, authToken: 'x' })).toBe(text);
  });

  it('hides every secret that the credential has', () => {
    const both = {
      accessToken: 'access-123456',
      refreshToken: 'refresh-123456',
      clientSecret: 'client-123456',
    };
    expect(
      through(
        Object.values(both).map((secret) => `${secret}\n`),
        both,
      ),
    ).toMatch(/^[*\n]+$/);
  });

  it('hides it in headers', () => {
    const headers = { 'request-id': `req_${KEY}`, 'retry-after': '3' };
    expect(new SecretMask({ values }).headers(headers)).toEqual({
      'request-id': `req_${STARS}`,
      'retry-after': '3',
    });
  });

  it('hides what only the request had: a session token that was found elsewhere', () => {
    const signed = {
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIASIM/20261101/us-east-1/bedrock/aws4_request, Signature=0f1e',
      'x-amz-security-token': 'FwoGZXIvYXdzEBYaDNsession',
      'x-amz-date': '20261101T120000Z',
      accept: 'application/json',
    };
    const text = `x-amz-date:20261101T120000Z x-amz-security-token:${signed['x-amz-security-token']} application/json`;
    const mask = new SecretMask({ values: { region: 'us-east-1' } }, signed);
    expect(mask.bytes(Buffer.from(text)).toString()).toBe(
      text.replace(/FwoG\w+/, (token) => '*'.repeat(token.length)),
    );
    expect(mask.bytes(Buffer.from(signed.authorization)).toString()).toMatch(/^\*+$/);
  });

  it.each([
    ['http://user:p%40ssword-1@h', ['p@ssword-1', 'p%40ssword-1', 'dXNlcjpwQHNzd29yZC0x'], ['user']],
    ['https://a-token-as-user@h', ['a-token-as-user'], []],
    ['socks5://h', [], ['socks5']],
  ] as const)('hides what opens the proxy: %s', (proxyUrl, hidden, left) => {
    const mask = new SecretMask({ values: {}, proxyUrl });
    for (const text of hidden) expect(mask.bytes(Buffer.from(`${text}\n`)).toString()).toMatch(/^\*+\n$/);
    for (const text of left) expect(mask.bytes(Buffer.from(`${text}\n`)).toString()).toBe(`${text}\n`);
  });
});
