import type { Call } from '../dialects/dialect.ts';
import type { Account } from '../upstream/account.ts';
import { claude } from './claude.upstream.ts';

const ACCOUNT: Account = {
  id: '0190a000-0000-7000-8000-000000000001',
  version: 1n,
  name: 'team',
  kind: 'claude',
  baseUrl: null,
  priority: 50,
  weight: 1,
  maxConcurrency: 0,
  models: null,
  groups: [],
  onClientLeave: 'cancel',
  enabled: true,
  credentialsVersion: 1,
  settings: {},
};
const CALL: Call = {
  dialect: 'anthropic',
  operation: 'generate',
  lane: 'generate',
  model: 'claude-x',
  modelSpans: [],
  framing: 'sse',
  maxOutputTokens: 1,
  headers: {},
  query: '',
  body: Buffer.from('{}'),
};
const at = (baseUrl: string | null): Account => ({ ...ACCOUNT, baseUrl });
const signed = (values: Record<string, string>, headers: Record<string, string>): object =>
  claude.sign(
    { method: 'POST', url: new URL('https://x.example'), headers, body: undefined },
    { version: 1, values },
  );

describe('where a call to Claude goes', () => {
  it.each([
    [null, CALL, 'https://api.anthropic.com/v1/messages'],
    [null, { ...CALL, query: 'beta=true' }, 'https://api.anthropic.com/v1/messages?beta=true'],
    [
      null,
      { ...CALL, operation: 'count', lane: 'count' },
      'https://api.anthropic.com/v1/messages/count_tokens',
    ],
    ['https://gw.example.com/a/b/', CALL, 'https://gw.example.com/a/b/v1/messages'],
    ['http://127.0.0.1:4010', CALL, 'http://127.0.0.1:4010/v1/messages'],
  ] as const)('is below %s', (base, call, url) => {
    expect(claude.address(call as Call, at(base), 'claude-x').href).toBe(url);
  });

  it('is not moved by a model or a query', () => {
    for (const name of ['../../admin', '//evil.example', '@evil.example', 'x#y', 'x?y', '..%2f..%2f']) {
      const call = { ...CALL, model: name, query: `x=${name}` };
      const url = claude.address(call, at('https://gw.example.com/a'), name);
      expect(url.origin).toBe('https://gw.example.com');
      expect(url.pathname).toBe('/a/v1/messages');
    }
  });
});

describe('the credentials of a Claude account', () => {
  const bearer = {
    accessToken: 'at',
    refreshToken: 'rt',
    expiresAt: '2026-11-22T12:00:00Z',
    tokenUrl: 'https://id.example.com/token',
    clientId: 'c',
    clientSecret: 's',
  };

  it.each([
    { apiKey: 'sk-ant-1' },
    { accessToken: 'at' },
    { accessToken: 'at', expiresAt: bearer.expiresAt },
    bearer,
  ])('may be %j', (values) => {
    expect(claude.checkCredentials(values)).toEqual([]);
  });

  it.each([
    [{}, 'apiKey'],
    [{ apiKey: '' }, 'apiKey'],
    [{ apiKey: 7 }, 'apiKey'],
    [{ apiKey: null }, 'apiKey'],
    [{ apiKey: 'a\r\nx-evil: 1' }, 'apiKey'],
    [{ apiKey: 'clé' }, 'apiKey'],
    [{ apiKey: 'a b' }, 'apiKey'],
    [{ accessToken: 'a\nb' }, 'accessToken'],
    [{ apiKey: 'k', accessToken: 'at' }, 'accessToken'],
    [{ apiKey: 'k', tokenUrl: 'https://id.example.com' }, 'tokenUrl'],
    [{ apiKey: 'k', region: 'eu' }, 'region'],
    [{ apiKey: 'k', constructor: 'x' }, 'constructor'],
    [{ accessToken: 'at', refreshToken: 'rt' }, 'tokenUrl'],
    [{ accessToken: 'at', tokenUrl: bearer.tokenUrl }, 'refreshToken'],
    [{ ...bearer, clientId: undefined }, 'clientId'],
    [{ ...bearer, tokenUrl: 'id.example.com' }, 'tokenUrl'],
    [{ ...bearer, tokenUrl: 'file:///etc/passwd' }, 'tokenUrl'],
    [{ ...bearer, expiresAt: 'soon' }, 'expiresAt'],
    [{ ...bearer, expiresAt: 1_800_000_000 }, 'expiresAt'],
    [{ refreshToken: 'rt', tokenUrl: bearer.tokenUrl }, 'apiKey'],
  ])('may not be %j', (values, field) => {
    const problems = claude.checkCredentials(values);
    expect(problems.map((problem) => problem.field)).toContain(`credentials.${field}`);
    expect(JSON.stringify(problems)).not.toContain('evil');
  });

  it('name the one URL that is to be checked like a base', () => {
    expect(claude.credentialUrls).toEqual(['tokenUrl']);
  });

  it('replace every other credential on the request', () => {
    const headers = {
      'anthropic-version': '2026-10-21',
      'anthropic-beta': 'a,b',
      authorization: 'Bearer rk_client',
      'x-api-key': 'rk_client',
      'x-goog-api-key': 'rk_client',
      'api-key': 'rk_client',
      cookie: 'rk_client',
    };
    const kept = { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'a,b' };
    expect(signed({ apiKey: 'sk' }, headers)).toEqual({ ...kept, 'x-api-key': 'sk' });
    expect(signed({ accessToken: 'at' }, headers)).toEqual({ ...kept, authorization: 'Bearer at' });
    expect(() => signed({}, headers)).toThrow('neither');
  });
});

describe('Claude’s list of models', () => {
  it('is asked for in pages of a thousand', () => {
    expect(claude.models.request(ACCOUNT, undefined).url.href).toBe(
      'https://api.anthropic.com/v1/models?limit=1000',
    );
    const next = claude.models.request(at('https://gw.example.com/a'), 'claude-x&y');
    expect(next.url.href).toBe('https://gw.example.com/a/v1/models?limit=1000&after_id=claude-x%26y');
    expect(next.headers['anthropic-version']).toBe('2023-06-01');
  });

  it('is read with its next page, and nothing else is taken for one', () => {
    const entry = { type: 'model', id: 'claude-x', display_name: 'X', created_at: '2026-01-01T00:00:00Z' };
    const page = (rest: object): Buffer => Buffer.from(JSON.stringify({ data: [entry, 7, null], ...rest }));
    expect(claude.models.read(page({ has_more: true, last_id: 'claude-x' }))).toEqual({
      models: [entry],
      next: 'claude-x',
    });
    expect(claude.models.read(page({ has_more: false, last_id: 'claude-x' })).next).toBeUndefined();
    expect(claude.models.id(entry)).toBe('claude-x');
    for (const text of ['{}', '[]', '<html>', '{"type":"error"}']) {
      expect(() => claude.models.read(Buffer.from(text))).toThrow('not a list');
    }
  });
});

describe('the test of a Claude account', () => {
  const modelOf = (account: Account): unknown =>
    (JSON.parse(claude.probe(account).body?.toString() ?? '') as { model?: unknown }).model;

  it('is the smallest real request', () => {
    const probe = claude.probe(ACCOUNT);
    expect(probe.url.href).toBe('https://api.anthropic.com/v1/messages');
    expect(JSON.parse(probe.body?.toString() ?? '')).toMatchObject({
      max_tokens: 1,
      messages: [{ role: 'user' }],
    });
    expect(Object.keys(probe.headers)).not.toContain('x-api-key');
  });

  it('asks for a model that the account’s policy names', () => {
    expect(modelOf(ACCOUNT)).toMatch(/^claude-haiku/);
    expect(modelOf({ ...ACCOUNT, models: { allow: ['claude-*', 'claude-opus-4-1'] } })).toBe(
      'claude-opus-4-1',
    );
    expect(modelOf({ ...ACCOUNT, models: { map: { fast: 'claude-haiku-9' } } })).toBe('claude-haiku-9');
  });
});
