import { AddressPolicy } from '../upstream/address-policy.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { checkBaseUrl, checkCredentials, checkModelPolicy, checkOrigin } from './account-checks.ts';

const policy = new AddressPolicy(['127.0.0.1']);
const kind = {
  kind: 'made-up',
  defaultBaseUrl: 'https://api.example.com',
  credentialUrls: ['tokenUrl'],
  checkCredentials: (values: Readonly<Record<string, unknown>>) =>
    'apiKey' in values ? [] : [{ field: 'credentials.apiKey', problem: 'must be given' }],
} as unknown as Upstream;

const fields = (problems: readonly { readonly field: string }[]): string[] =>
  problems.map(({ field }) => field);

describe('the check of a model policy', () => {
  it.each([
    [undefined],
    [null],
    [{}],
    [{ allow: [] }],
    [{ allow: ['*', 'claude-*', 'models/gemini-2.5-pro', 'us.anthropic.claude:0'] }],
    [{ map: { fast: 'claude-haiku-4-5', 'team/best': 'claude-opus-4-8' } }],
  ])('takes %j', (models) => expect(checkModelPolicy(models)).toEqual([]));

  it.each([
    ['x', ['models']],
    [[], ['models']],
    [{ deny: ['a'] }, ['models.deny']],
    [{ 'a\nb': 1 }, ['models.a?b']],
    [{ allow: 'a' }, ['models.allow']],
    [
      { allow: ['ok', '', 'a b', 7, 'x'.repeat(257), 'a?b', 'ü'] },
      [1, 2, 3, 4, 5, 6].map((n) => `models.allow.${n}`),
    ],
    [{ map: ['a'] }, ['models.map']],
    [{ map: { a: '' } }, ['models.map.a']],
    [{ map: { a: 'b/../c' } }, ['models.map.a']],
    [{ map: { 'a b': 'c' } }, ['models.map.a?b']],
    [{ map: { a: 5, b: 'c?d', c: 'ok' } }, ['models.map.a', 'models.map.b']],
    [{ map: Object.fromEntries(Array.from({ length: 501 }, (_, n) => [`m${n}`, 'x'])) }, ['models.map']],
  ])('refuses %j by its field', (models, expected) => {
    expect(fields(checkModelPolicy(models))).toEqual(expected);
  });
});

describe('the check of credentials', () => {
  it('takes what the kind takes', () => {
    const values = { apiKey: 'k', tokenUrl: 'https://id.example.com/token' };
    expect(checkCredentials(kind, values, policy)).toEqual([]);
  });

  it.each([
    [{}, ['credentials.apiKey']],
    [{ apiKey: '' }, ['credentials.apiKey']],
    [{ apiKey: null }, ['credentials.apiKey']],
    [{ apiKey: ['k'] }, ['credentials.apiKey']],
    [{ apiKey: 'a\r\nb' }, ['credentials.apiKey']],
    [{ apiKey: 'k\u0000' }, ['credentials.apiKey']],
    [{ apiKey: 'x'.repeat(16_385) }, ['credentials.apiKey']],
    [{ apiKey: 'k', tokenUrl: 'http://id.example.com/token' }, ['credentials.tokenUrl']],
    [{ apiKey: 'k', tokenUrl: 'https://10.0.0.1/token' }, ['credentials.tokenUrl']],
    [Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`f${n}`, 'x'])), ['credentials']],
  ])('refuses %j by its field, without repeating a value', (values, expected) => {
    const problems = checkCredentials(kind, values, policy);
    expect(fields(problems)).toEqual(expected);
    expect(JSON.stringify(problems)).not.toContain('10.0.0.1');
  });
});

describe('the check of a base URL', () => {
  it('lets a kind stand at its own origin, and asks for one where it has none', () => {
    expect(checkBaseUrl(kind, null, policy)).toEqual([]);
    expect(fields(checkBaseUrl({ ...kind, defaultBaseUrl: undefined }, null, policy))).toEqual(['baseUrl']);
  });
});

describe('a move to another origin', () => {
  it.each([
    [null, 'https://api.example.com/path'],
    [null, 'https://API.example.com:443'],
    ['https://one.example.com/a', 'https://one.example.com/b'],
  ])('is none from %s to %s', (before, after) => {
    expect(checkOrigin(kind, before, after, false)).toEqual([]);
  });

  it.each([
    [null, 'https://evil.example.com'],
    [null, 'http://api.example.com'],
    ['https://one.example.com', null],
    ['https://one.example.com', 'https://one.example.com:444'],
    ['https://one.example.com', 'https://one.example.com.evil.net'],
  ])('from %s to %s needs the credential for it', (before, after) => {
    expect(fields(checkOrigin(kind, before, after, false))).toEqual(['credentials']);
    expect(checkOrigin(kind, before, after, true)).toEqual([]);
  });
});
