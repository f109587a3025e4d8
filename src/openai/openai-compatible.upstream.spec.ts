import { readOpenaiCall } from '../dialects/openai-call.ts';
import type { Account } from '../upstream/account.ts';
import { openaiCompatible } from './openai-compatible.upstream.ts';

const account = (more: Partial<Account> = {}): Account => ({
  id: 'a',
  version: 1n,
  name: 'a',
  kind: 'openai-compatible',
  baseUrl: 'https://llm.example/openai/v1/',
  priority: 50,
  weight: 1,
  maxConcurrency: 0,
  models: null,
  groups: [],
  onClientLeave: 'cancel',
  enabled: true,
  credentialsVersion: 1,
  settings: {},
  ...more,
});

const read = (route: 'chat' | 'embeddings', body: object) =>
  readOpenaiCall({ route, headers: {}, body: Buffer.from(JSON.stringify(body)) });

describe('an openai-compatible account', () => {
  it('has no base URL of its own', () => {
    expect(openaiCompatible.defaultBaseUrl).toBeUndefined();
    expect(() => openaiCompatible.models.request(account({ baseUrl: null }), undefined)).toThrow(
      'no baseUrl',
    );
  });

  it('is called below its base, whatever the path there', async () => {
    const chat = await read('chat', { model: 'a/../b', messages: [] }).catch(() => undefined);
    expect(chat).toBeUndefined();
    const call = await read('chat', { model: 'meta/llama-4', messages: [], stream: true });
    const embedding = await read('embeddings', { model: 'm', input: 'x' });
    expect(openaiCompatible.address(call, account(), 'x').href).toBe(
      'https://llm.example/openai/v1/chat/completions',
    );
    expect(openaiCompatible.address(embedding, account(), 'x').href).toBe(
      'https://llm.example/openai/v1/embeddings',
    );
    const ollama = account({ baseUrl: 'http://127.0.0.1:11434/v1' });
    expect(openaiCompatible.address(call, ollama, 'x').href).toBe(
      'http://127.0.0.1:11434/v1/chat/completions',
    );
  });

  it.each<[Record<string, string>, string]>([
    [{ apiKey: 'sk-1' }, 'Bearer sk-1'],
    [{ authToken: 'tok-1' }, 'Bearer tok-1'],
  ])('sends its credential as a bearer token and no other: %j', async (values, authorization) => {
    const request = {
      method: 'POST' as const,
      url: new URL('https://llm.example/v1/chat/completions'),
      headers: { accept: '*/*', 'api-key': 'rk_1', 'x-api-key': 'rk_1' },
      body: undefined,
    };
    expect(await openaiCompatible.sign(request, { version: 1, values })).toEqual({
      accept: '*/*',
      authorization,
    });
  });

  it.each<[Record<string, unknown>, string[]]>([
    [{ apiKey: 'sk-1' }, []],
    [{ authToken: 'tok' }, []],
    [{}, ['credentials.apiKey']],
    [{ apiKey: 'a', authToken: 'b' }, ['credentials.authToken']],
    [{ apiKey: 'two words' }, ['credentials.apiKey']],
    [{ apiKey: 'a', organization: 'org-1' }, ['credentials.organization']],
  ])('checks %j', (values, fields) => {
    expect(openaiCompatible.checkCredentials(values).map(({ field }) => field)).toEqual(fields);
  });

  it('reads the list of models, and the bare list of some servers', () => {
    const entry = { id: 'gpt-x', object: 'model', created: 1, owned_by: 'system' };
    const list = openaiCompatible.models;
    for (const page of [{ object: 'list', data: [entry] }, [entry]]) {
      const { models, next } = list.read(Buffer.from(JSON.stringify(page)));
      expect([models.map((one) => list.id(one)), next]).toEqual([['gpt-x'], undefined]);
    }
    expect(() => list.read(Buffer.from('{"error":"no"}'))).toThrow('not a list');
    expect(() => list.read(Buffer.from('<html>'))).toThrow('not a list');
  });

  it.each<[string, string, object]>([
    ['llama-4', 'chat/completions', { max_tokens: 1 }],
    ['gpt-5-nano', 'chat/completions', { max_completion_tokens: 16 }],
    ['o4-mini', 'chat/completions', { max_completion_tokens: 16 }],
    ['nomic-embed-text', 'embeddings', { input: '.' }],
  ])('is tried with the smallest request that %s answers', (model, path, body) => {
    const probe = openaiCompatible.probe(account({ models: { allow: [model] } }));
    expect(probe.url.href).toBe(`https://llm.example/openai/v1/${path}`);
    expect(JSON.parse(String(probe.body))).toMatchObject({ model, ...body });
  });
});
