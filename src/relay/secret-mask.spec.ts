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
  const told = chunks.map((chunk) => mask.bytes(Buffer.from(chunk)));
  return Buffer.concat([...told, mask.end()]).toString();
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

  it('lets three bytes of the secret through at most, wherever it is cut', () => {
    const text = `key ${KEY} ${KEY}${KEY} sk-ant-0 end`;
    const pieces = [
      ...Array.from({ length: text.length + 1 }, (_, at) => [text.slice(0, at), text.slice(at)]),
      ...[1, 2, 5].map((size) => text.match(new RegExp(`.{1,${size}}`, 'g')) ?? []),
    ];
    for (const chunks of pieces) {
      const seen = through(chunks);
      expect(seen).toHaveLength(text.length);
      expect(seen.replaceAll(/s\*|sk\*\*?|sk-(?=\*)/g, (begun) => '*'.repeat(begun.length))).toBe(
        text.replaceAll(KEY, STARS),
      );
    }
  });

  it('holds nothing back but what may be a secret’s beginning', () => {
    const mask = new SecretMask({ values });
    const told = (text: string): string => mask.bytes(Buffer.from(text)).toString();
    expect(told('data: sk')).toBe('data: sk');
    expect(told('-ant-012')).toBe('-');
    expect(told('x sk-a')).toBe('ant-012x sk-');
    expect(mask.end().toString()).toBe('a');
    expect(mask.end()).toHaveLength(0);
  });

  it('hides a secret that is cut off as far as it came', () => {
    expect(through([`key ${KEY.slice(0, 12)}`])).toBe(`key sk-${'*'.repeat(9)}`);
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
