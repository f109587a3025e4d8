import { CallError } from './dialect.ts';
import { type OpenaiInput, readOpenaiCall } from './openai-call.ts';

const read = (route: OpenaiInput['route'], body: unknown, headers: OpenaiInput['headers'] = {}) =>
  readOpenaiCall({
    route,
    headers,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  });

const CHAT = { model: 'gpt-x', messages: [{ role: 'user', content: 'hi' }] };
const RESPONSE = { model: 'gpt-x', input: 'hi' };
const EMBED = { model: 'text-embedding-3-small', input: ['a', 'b'] };

describe('a call of the openai door', () => {
  it('is read from its body, which stays as it came', async () => {
    const text = '{ "stream": true, "mo\\u0064el" : "gpt-\\u0078", "messages": [], "max_tokens": 7 }';
    const call = await read('chat', text);
    expect(call).toMatchObject({
      dialect: 'openai',
      operation: 'generate',
      lane: 'generate',
      model: 'gpt-x',
      framing: 'sse',
      maxOutputTokens: 7,
      otherModels: [],
      query: '',
    });
    expect(call.body.toString()).toBe(text);
    expect(call.modelSpans.map(({ start, end }) => text.slice(start, end))).toEqual(['"gpt-\\u0078"']);
  });

  it.each<[string, object, object]>([
    ['stream absent', {}, { framing: 'json', maxOutputTokens: undefined }],
    ['nulls', { stream: null, n: null, max_tokens: null }, { framing: 'json', maxOutputTokens: undefined }],
    ['one choice', { n: 1, stream: false }, { framing: 'json' }],
    ['both limits', { max_tokens: 5, max_completion_tokens: 9 }, { maxOutputTokens: 9 }],
    [
      'models that a gateway may run instead',
      { models: ['gpt-y', 'z-ai/glm'], fallbacks: ['gpt-y', { model: 'gpt-z' }] },
      { otherModels: ['gpt-y', 'z-ai/glm', 'gpt-z'] },
    ],
  ])('may have %s', async (_what, fields, expected) => {
    expect(await read('chat', { ...CHAT, ...fields })).toMatchObject(expected);
  });

  it('tells embeddings and responses apart', async () => {
    expect(await read('embeddings', EMBED)).toMatchObject({
      dialect: 'openai',
      operation: 'embed',
      framing: 'json',
    });
    expect(await read('responses', { ...RESPONSE, stream: true, max_output_tokens: 30 })).toMatchObject({
      dialect: 'openai-responses',
      operation: 'generate',
      framing: 'sse',
      maxOutputTokens: 30,
    });
  });

  it('forwards what means something upstream, and nothing that belongs to the account', async () => {
    const { headers } = await read('chat', CHAT, {
      'user-agent': 'OpenAI/JS 6.49.0',
      'openai-beta': 'x=1',
      'openai-organization': 'org-client',
      'openai-project': 'proj_client',
      authorization: 'Bearer rk_1',
      'x-stainless-lang': 'js',
      'x-client-request-id': 'mine',
      'idempotency-key': 'stainless-1',
      'accept-encoding': 'gzip',
      cookie: 'a=b',
    });
    expect(headers).toEqual({
      'user-agent': 'OpenAI/JS 6.49.0',
      'openai-beta': 'x=1',
      'x-stainless-lang': 'js',
      'x-client-request-id': 'mine',
    });
  });

  it.each<[OpenaiInput['route'], unknown, RegExp]>([
    ['chat', { messages: [] }, /^model: is required/],
    ['chat', { model: 'gpt-x' }, /^messages: is required/],
    ['chat', { ...CHAT, messages: 'hi' }, /^messages: must be an array/],
    ['chat', { ...CHAT, model: '../x' }, /^model: /],
    ['chat', { ...CHAT, n: 2 }, /^n: must be 1/],
    ['chat', { ...CHAT, n: '1' }, /^n: must be a number/],
    ['chat', { ...CHAT, stream: 'true' }, /^stream: must be true or false/],
    ['chat', { ...CHAT, max_tokens: -1 }, /^max_tokens: /],
    ['chat', { ...CHAT, max_completion_tokens: 1.5 }, /^max_completion_tokens: /],
    ['chat', { ...CHAT, Model: 'gpt-y' }, /^Model: must be written as model/],
    ['chat', { ...CHAT, models: ['a b'] }, /^models\[\]: /],
    ['chat', '{"model":"a","model":"b","messages":[]}', /^model: is given twice/],
    ['chat', '{"model":"a","messages":[],"stream_options":{},"stream_options":{}}', /^stream_options: /],
    [
      'chat',
      '{"model":"a","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}',
      /include_usage: is given twice/,
    ],
    ['chat', '[]', /^body: /],
    ['embeddings', { model: 'm' }, /^input: is required/],
    ['embeddings', { ...EMBED, input: { text: 'a' } }, /^input: must be/],
    ['responses', { model: 'm' }, /^input: is required/],
    ['responses', { ...RESPONSE, previous_response_id: 'resp_1' }, /^previous_response_id: /],
    ['responses', { ...RESPONSE, conversation: { id: 'conv_1' } }, /^conversation: /],
    ['responses', { ...RESPONSE, prompt: { id: 'pmpt_1' } }, /^prompt: /],
    ['responses', { ...RESPONSE, background: true }, /^background: /],
  ])('of %s is refused by the name of the field: %j', async (route, body, message) => {
    await expect(read(route, body)).rejects.toThrow(message);
    await expect(read(route, body)).rejects.toBeInstanceOf(CallError);
  });

  it('takes what asks for nothing', async () => {
    const nothing = { store: true, background: false, previous_response_id: null, conversation: null };
    expect(await read('responses', { ...RESPONSE, ...nothing })).toMatchObject({ model: 'gpt-x' });
  });
});
