import type { Call } from '../dialects/dialect.ts';
import type { Account } from '../upstream/account.ts';
import { gemini } from './gemini.upstream.ts';

const ACCOUNT: Account = {
  id: '0190a000-0000-7000-8000-000000000002',
  version: 1n,
  name: 'team',
  kind: 'gemini',
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
  dialect: 'gemini',
  operation: 'generate',
  lane: 'generate',
  model: 'gemini-x',
  modelSpans: [],
  framing: 'json',
  maxOutputTokens: undefined,
  headers: {},
  query: '',
  body: Buffer.from('{}'),
};
const BASE = 'https://generativelanguage.googleapis.com/v1beta';
const address = (call: Partial<Call>, model = 'gemini-x', baseUrl: string | null = null): URL =>
  gemini.address({ ...CALL, ...call }, { ...ACCOUNT, baseUrl }, model);

describe('where a call to Gemini goes', () => {
  it.each([
    [{}, 'gemini-x:generateContent'],
    [{ framing: 'sse' }, 'gemini-x:streamGenerateContent?alt=sse'],
    [{ framing: 'json-array' }, 'gemini-x:streamGenerateContent'],
    [{ operation: 'count' }, 'gemini-x:countTokens'],
    [{ operation: 'embed' }, 'gemini-x:embedContent'],
    [{ operation: 'batch-embed' }, 'gemini-x:batchEmbedContents'],
  ] as const)('for %j is models/%s', (call, path) => {
    expect(address(call).href).toBe(`${BASE}/models/${path}`);
  });

  it('keeps a tuned model in its own collection', () => {
    expect(address({}, 'tunedModels/mine-1').href).toBe(`${BASE}/tunedModels/mine-1:generateContent`);
    expect(address({}, 'models/gemini-x').href).toBe(`${BASE}/models/gemini-x:generateContent`);
  });

  it('keeps the prefix of a gateway', () => {
    const url = address({ framing: 'sse' }, 'gemini-x', 'https://gw.example.com/google/');
    expect(url.href).toBe(
      'https://gw.example.com/google/v1beta/models/gemini-x:streamGenerateContent?alt=sse',
    );
  });

  it('is not moved by a model’s name', () => {
    for (const name of [
      '../../v1/files/x',
      'x/../../y',
      'a/b',
      'x?alt=json',
      'x#y',
      'x%2f..%2fy',
      '//evil.example/x',
      'tunedModels/../../x',
      'x:countTokens',
      '\\evil',
    ]) {
      const { origin, pathname, search } = address({}, name, 'https://gw.example.com/google');
      expect(origin).toBe('https://gw.example.com');
      expect(pathname).toMatch(/^\/google\/v1beta\/(models|tunedModels)\/[^/:]+:generateContent$/);
      expect(search).toBe('');
    }
    for (const name of ['', '.', '..', 'models/', 'tunedModels/..'])
      expect(() => address({}, name)).toThrow();
  });

  it('takes neither a key nor the framing from the client’s query', () => {
    const query = 'key=rk_client&$key=rk_client&access_token=rk_client&alt=json&$alt=proto&fields=candidates';
    expect(address({ query }).search).toBe('?fields=candidates');
    expect(address({ query, framing: 'sse' }).search).toBe('?fields=candidates&alt=sse');
  });
});

describe('the credentials of a Gemini account', () => {
  it('are one key that fits into a header', () => {
    expect(gemini.checkCredentials({ apiKey: 'AIza-1_2' })).toEqual([]);
    for (const values of [
      {},
      { apiKey: undefined },
      { apiKey: '' },
      { apiKey: 'a\r\nb' },
      { apiKey: ['x'] },
    ]) {
      expect(gemini.checkCredentials(values).map(({ field }) => field)).toEqual(['credentials.apiKey']);
    }
    const [problem] = gemini.checkCredentials({ apiKey: 'k', accessToken: 'at' });
    expect(problem?.field).toBe('credentials.accessToken');
    expect(Object.keys(gemini)).not.toContain('refresh');
  });

  it('replace every other credential on the request and never stand in the URL', () => {
    const headers = {
      'x-goog-api-client': 'sdk',
      authorization: 'Bearer rk',
      'x-goog-api-key': 'rk',
      'x-api-key': 'rk',
    };
    const request = { method: 'POST', url: address({}), headers, body: undefined } as const;
    const credentials = { version: 1, values: { apiKey: 'AIza' } };
    expect(gemini.sign(request, credentials)).toEqual({
      'x-goog-api-client': 'sdk',
      'x-goog-api-key': 'AIza',
    });
    expect(() => gemini.sign(request, { version: 1, values: {} })).toThrow('no apiKey');
  });
});

describe('Gemini’s list of models', () => {
  it('is asked for in pages and read with its next one', () => {
    expect(gemini.models.request(ACCOUNT, undefined).url.href).toBe(`${BASE}/models?pageSize=1000`);
    expect(gemini.models.request(ACCOUNT, 'a&b').url.href).toBe(
      `${BASE}/models?pageSize=1000&pageToken=a%26b`,
    );
    const entry = { name: 'models/gemini-x', displayName: 'X' };
    const page = Buffer.from(JSON.stringify({ models: [entry, 'junk'], nextPageToken: 'n' }));
    expect(gemini.models.read(page)).toEqual({ models: [entry], next: 'n' });
    expect(gemini.models.id(entry)).toBe('gemini-x');
    expect(gemini.models.id({ name: 'tunedModels/mine' })).toBe('tunedModels/mine');
    expect(gemini.models.id({})).toBeUndefined();
    expect(gemini.models.read(Buffer.from('{}'))).toEqual({ models: [], next: undefined });
    for (const text of ['{"error":{"code":403}}', '[]', '<html>', 'null']) {
      expect(() => gemini.models.read(Buffer.from(text))).toThrow('not a list');
    }
  });
});

describe('the test of a Gemini account', () => {
  it('is the smallest real request for a model that the account’s policy names', () => {
    const probe = gemini.probe({ ...ACCOUNT, models: { allow: ['tunedModels/mine'] } });
    expect(probe.url.href).toBe(`${BASE}/tunedModels/mine:generateContent`);
    expect(JSON.parse(probe.body?.toString() ?? '')).toMatchObject({
      generationConfig: { maxOutputTokens: 1 },
    });
    expect(gemini.probe(ACCOUNT).url.pathname).toMatch(/^\/v1beta\/models\/gemini-[a-z-]+:generateContent$/);
  });
});
