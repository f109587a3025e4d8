import { type AnthropicInput, readAnthropicCall } from './anthropic-call.ts';
import { CallError } from './dialect.ts';
import { type GeminiInput, readGeminiCall } from './gemini-call.ts';
import { withModel } from './model-edit.ts';

const MESSAGES = [{ role: 'user', content: 'hi' }];
const anthropicBody = (fields: object = {}): object => ({
  model: 'claude-x',
  max_tokens: 10,
  messages: MESSAGES,
  ...fields,
});

const anthropic = (body: unknown, input: Partial<AnthropicInput> = {}) =>
  readAnthropicCall({
    operation: 'generate',
    headers: {},
    query: new URLSearchParams(),
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    ...input,
  });

const gemini = (body: unknown, input: Partial<GeminiInput> = {}) =>
  readGeminiCall({
    version: 'v1beta',
    model: 'gemini-x',
    verb: 'generateContent',
    headers: {},
    query: new URLSearchParams(),
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    ...input,
  });

describe('an Anthropic call', () => {
  it('is read from its body, which stays as it came', async () => {
    const text = '{ "stream": true, "max_tokens": 128000, "mo\\u0064el": "claude-\\u0078", "messages": [] }';
    const call = await anthropic(text);
    expect(call).toMatchObject({
      dialect: 'anthropic',
      operation: 'generate',
      lane: 'generate',
      model: 'claude-x',
      framing: 'sse',
      maxOutputTokens: 128_000,
      query: '',
      otherModels: [],
    });
    expect(call.body.toString()).toBe(text);
    expect(call.modelSpans.map(({ start, end }) => text.slice(start, end))).toEqual(['"claude-\\u0078"']);
  });

  it('streams only when it says so', async () => {
    expect((await anthropic(anthropicBody())).framing).toBe('json');
    expect((await anthropic(anthropicBody({ stream: false }))).framing).toBe('json');
  });

  it('may count tokens without max_tokens, in a lane of its own', async () => {
    const call = await anthropic({ model: 'claude-x', messages: MESSAGES }, { operation: 'count' });
    expect(call).toMatchObject({
      operation: 'count',
      lane: 'count',
      framing: 'json',
      maxOutputTokens: undefined,
    });
  });

  it('may warm the cache with max_tokens 0', async () => {
    expect((await anthropic(anthropicBody({ max_tokens: 0 }))).maxOutputTokens).toBe(0);
  });

  it('tells the models it names beside the main one', async () => {
    const call = await anthropic(
      anthropicBody({
        fallbacks: [{ model: 'claude-y' }, { model: 'claude-z' }],
        tools: [
          { name: 'a', input_schema: { model: 'no' } },
          { type: 'advisor_20260301', model: 'claude-y' },
        ],
        messages: [{ role: 'user', content: [{ type: 'x', model: 'no' }] }],
      }),
    );
    expect(call.otherModels).toEqual(['claude-y', 'claude-z']);
    await expect(anthropic(anthropicBody({ fallbacks: 'default' }))).resolves.toMatchObject({
      otherModels: [],
    });
  });

  it.each<[string, object | string]>([
    ['model: is required', { max_tokens: 1, messages: [] }],
    ['model: must be a string', anthropicBody({ model: 1 })],
    ['model: must not have empty', anthropicBody({ model: '../x' })],
    ['model: may hold', anthropicBody({ model: 'a\r\nb' })],
    ['messages: is required', { model: 'm', max_tokens: 1 }],
    ['messages: must be an array', anthropicBody({ messages: 'hi' })],
    ['max_tokens: is required', { model: 'm', messages: [] }],
    ['max_tokens: must be a number', anthropicBody({ max_tokens: '12' })],
    ['max_tokens: must be a number', anthropicBody({ max_tokens: null })],
    ['max_tokens: must be a whole number', anthropicBody({ max_tokens: -1 })],
    ['max_tokens: must be a whole number', anthropicBody({ max_tokens: 1.5 })],
    ['max_tokens: must be a whole number', '{"model":"m","messages":[],"max_tokens":1e309}'],
    ['max_tokens: must be a whole number', '{"model":"m","messages":[],"max_tokens":9223372036854775808}'],
    ['stream: must be true or false', anthropicBody({ stream: 'true' })],
    ['stream: must be true or false', anthropicBody({ stream: null })],
    ['model: is given twice', '{"model":"a","messages":[],"max_tokens":1,"mo\\u0064el":"b"}'],
    ['stream: is given twice', '{"model":"a","messages":[],"max_tokens":1,"stream":false,"stream":true}'],
    ['max_tokens: is given twice', '{"model":"a","messages":[],"max_tokens":1,"max_tokens":1}'],
    ['Model: must be written as model', anthropicBody({ Model: 'claude-y' })],
    ['ſtream: must be written as stream', anthropicBody({ ſtream: true })],
    ['fallbacks[].model: must be a string', anthropicBody({ fallbacks: [{ model: 1 }] })],
    ['fallbacks[].model: is given twice', '{"model":"a","fallbacks":[{"model":"a","model":"b"}]}'],
  ])('is refused: %s', async (message, body) => {
    await expect(anthropic(body)).rejects.toThrow(message);
    await expect(anthropic(body)).rejects.toThrow(CallError);
  });

  it('keeps the headers that mean something, and no other', async () => {
    const kept = {
      accept: 'application/json',
      'content-type': 'application/json',
      'user-agent': 'claude-cli/2.1.330 (external, cli)',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'a-2025-01-01, b-2025-01-01',
      'anthropic-dangerous-direct-browser-access': 'true',
      'x-app': 'cli',
      'x-claude-code-session-id': '6c1b',
      'x-stainless-retry-count': '0',
    };
    const call = await anthropic(anthropicBody(), {
      headers: {
        ...kept,
        host: 'relay',
        authorization: 'Bearer rk_1',
        'x-api-key': 'rk_1',
        'x-goog-api-key': 'rk_1',
        'api-key': 'rk_1',
        cookie: 'a=b',
        connection: 'keep-alive',
        'content-length': '3',
        'transfer-encoding': 'chunked',
        'accept-encoding': 'gzip',
        'accept-language': '*',
        'sec-fetch-mode': 'cors',
        'x-forwarded-for': '1.2.3.4',
        'x-relay-session-id': 's',
        'set-cookie': ['a'],
      },
      query: new URLSearchParams('beta=true&key=rk_1&other=1'),
    });
    expect(call.headers).toEqual(kept);
    expect(call.query).toBe('beta=true');
  });

  it.each([
    [{ 'anthropic-version': '2023-06-01, 2026-10-21' }, undefined],
    [
      { 'anthropic-version': '2023-06-01' },
      ['Anthropic-Version', '2023-06-01', 'anthropic-version', '2023-06-01'],
    ],
  ])('is refused with two versions: %j', async (headers, rawHeaders) => {
    await expect(anthropic(anthropicBody(), { headers, rawHeaders })).rejects.toThrow(
      'anthropic-version: must be given once',
    );
  });

  it('takes no header that could end its line, and no strange parameter', async () => {
    const headers = { 'x-app': 'a\r\nx-api-key: b' };
    await expect(anthropic(anthropicBody(), { headers })).rejects.toThrow('x-app: must not hold');
    for (const query of ['beta=a%26key=b', 'beta=true&beta=false', 'beta=']) {
      await expect(anthropic(anthropicBody(), { query: new URLSearchParams(query) })).rejects.toThrow(
        'beta: ',
      );
    }
  });
});

describe('a Gemini call', () => {
  const contents = [{ parts: [{ text: 'hi' }] }];

  it.each([
    ['generateContent', '', 'json'],
    ['streamGenerateContent', 'alt=sse', 'sse'],
    ['streamGenerateContent', '', 'json-array'],
    ['streamGenerateContent', 'alt=json', 'json-array'],
  ])('%s with the query "%s" is answered as %s', async (verb, query, framing) => {
    const call = await gemini({ contents }, { verb, query: new URLSearchParams(`${query}&key=rk_1`) });
    expect(call).toMatchObject({
      dialect: 'gemini',
      operation: 'generate',
      lane: 'generate',
      framing,
      query,
    });
  });

  it('may have one object for contents', async () => {
    await expect(gemini({ contents: { parts: [] } })).resolves.toMatchObject({ modelSpans: [] });
  });

  it.each([
    ['generationConfig', 'maxOutputTokens', 'candidateCount'],
    ['generation_config', 'max_output_tokens', 'candidate_count'],
  ])('says in %s how much may come', async (config, max, count) => {
    const call = (fields: object) => gemini({ contents, [config]: fields });
    expect((await call({ [max]: 100 })).maxOutputTokens).toBe(100);
    expect(await call({ [max]: 100, [count]: 3 })).toMatchObject({ maxOutputTokens: 300, answers: 3 });
    expect(await call({ [count]: 8 })).toMatchObject({ maxOutputTokens: undefined, answers: 8 });
    expect(await call({ [max]: 0, [count]: 8 })).toMatchObject({ maxOutputTokens: 0 });
    expect((await call({ [max]: null, temperature: 1 })).maxOutputTokens).toBeUndefined();
    expect((await gemini({ contents, [config]: null })).maxOutputTokens).toBeUndefined();
  });

  it.each([
    ['count', 'countTokens', { contents }],
    ['count', 'countTokens', { generateContentRequest: { model: 'models/gemini-x', contents } }],
    ['count', 'countTokens', { generate_content_request: { model: 'gemini-x', contents } }],
    ['embed', 'embedContent', { content: {}, model: 'models/gemini-x' }],
    [
      'batch-embed',
      'batchEmbedContents',
      { requests: [{ model: 'models/gemini-x' }, { model: 'gemini-x' }] },
    ],
  ])('may %s: %s %j', async (operation, verb, body) => {
    const call = await gemini(body, { verb });
    expect(call).toMatchObject({
      operation,
      lane: operation === 'count' ? 'count' : 'generate',
      framing: 'json',
    });
    const text = JSON.stringify(body);
    expect(call.modelSpans.map(({ start, end }) => JSON.parse(text.slice(start, end)) as string)).toEqual(
      text.match(/(models\/)?gemini-x/g) ?? [],
    );
  });

  it.each<[string, string, unknown]>([
    ['contents: is required', 'generateContent', {}],
    ['contents: must be an array or an object', 'generateContent', { contents: 'hi' }],
    ['contents: is required', 'countTokens', {}],
    ['generateContentRequest: must be an object', 'countTokens', { generateContentRequest: 1 }],
    ['content: is required', 'embedContent', {}],
    ['requests: is required', 'batchEmbedContents', {}],
    ['requests: must be an array', 'batchEmbedContents', { requests: {} }],
    [
      'requests[].model: must be the model of the path',
      'batchEmbedContents',
      { requests: [{ model: 'models/y' }] },
    ],
    ['requests[].model: must be a string', 'batchEmbedContents', { requests: [{ model: 7 }] }],
    ['model: must be the model of the path', 'embedContent', { content: {}, model: 'models/y' }],
    ['model: must be the model of the path', 'generateContent', { contents, model: 'y' }],
    [
      'generateContentRequest.model: must be the model of the path',
      'countTokens',
      { generate_content_request: { model: 'models/y' } },
    ],
    [
      'generationConfig.maxOutputTokens: must be a whole number',
      'generateContent',
      { contents, generationConfig: { maxOutputTokens: -1 } },
    ],
    [
      'generationConfig.maxOutputTokens: must be a number',
      'generateContent',
      { contents, generationConfig: { maxOutputTokens: '12' } },
    ],
    [
      'generationConfig.candidateCount: must be a whole number from 1 to 8',
      'generateContent',
      { contents, generationConfig: { candidateCount: 1e9 } },
    ],
    ['generationConfig: must be an object', 'generateContent', { contents, generationConfig: [] }],
    ['is given twice', 'generateContent', { contents, generationConfig: {}, generation_config: {} }],
    [
      'is given twice',
      'generateContent',
      { contents, generationConfig: { maxOutputTokens: 1, max_output_tokens: 2 } },
    ],
    ['contents: is given twice', 'generateContent', '{"contents":[],"contents":[]}'],
  ])('is refused: %s (%s %j)', async (message, verb, body) => {
    await expect(gemini(body, { verb })).rejects.toThrow(message);
    await expect(gemini(body, { verb })).rejects.toThrow(CallError);
  });

  it('is refused with a model or a parameter that leads elsewhere', async () => {
    await expect(gemini({ contents }, { model: '../files' })).rejects.toThrow('model: ');
    await expect(gemini({ contents }, { query: new URLSearchParams('alt=sse') })).rejects.toThrow('alt: ');
    await expect(gemini({ contents }, { query: new URLSearchParams('alt=media') })).rejects.toThrow('alt: ');
    for (const verb of ['generateText', 'constructor', '']) {
      await expect(gemini({ contents }, { verb })).rejects.toMatchObject({ kind: 'not-found' });
    }
  });

  it('keeps the headers that mean something, and no other', async () => {
    const kept = {
      'user-agent': 'google-genai-sdk/2',
      'x-goog-api-client': 'gl-node/20',
      'x-server-timeout': '30',
    };
    const headers = {
      ...kept,
      'x-goog-api-key': 'rk_1',
      'x-goog-user-project': 'p',
      'x-goog-request-params': 'm',
    };
    expect((await gemini({ contents }, { headers })).headers).toEqual(kept);
  });
});

describe('another name for the model', () => {
  it('takes the place of the old one, and not a byte beside', async () => {
    const text =
      '{"messages" : [1e21, "\\u00e9"],"model":\t"claude-\\u0078" , "max_tokens":1, "dup":{"model":"x"}}';
    const call = await anthropic(text);
    const parts = withModel(call, 'us.anthropic.claude:0');
    expect(Buffer.concat(parts).toString()).toBe(text.replace('"claude-\\u0078"', '"us.anthropic.claude:0"'));
    expect(call.body.toString()).toBe(text);
  });

  it('keeps the prefix of each place that had one', async () => {
    const text = '{"requests":[{"model":"models/gemini-x"},{"model":"gemini-x"},{}]}';
    const call = await gemini(text, { verb: 'batchEmbedContents' });
    expect(Buffer.concat(withModel(call, 'other')).toString()).toBe(
      '{"requests":[{"model":"models/other"},{"model":"other"},{}]}',
    );
  });

  it('changes nothing where the body names none', async () => {
    const call = await gemini('{"contents":[]}');
    expect(withModel(call, 'other')).toEqual([call.body]);
  });
});
