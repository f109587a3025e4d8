import { createOpenAI } from '@ai-sdk/openai';
import { embed, generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI from 'openai';
import {
  BOOKED,
  completion,
  delta,
  DONE,
  frame,
  STREAM,
  TEXT,
  USAGE,
  usageAlone,
} from '../support/chat-frames.ts';
import { ChatServer, refuse, say, stream } from '../support/chat-server.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/** OpenAI's own SDK and the AI SDK, unmodified, with nothing changed but base URL and key. */

const MODEL = 'gpt-4.1';
const user = (content: string): OpenAI.ChatCompletionUserMessageParam => ({ role: 'user', content });
const parameters = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const } },
  required: ['city'],
};

let rehearsal: Rehearsal;
let server: ChatServer;
let key: string;

beforeAll(async () => {
  [rehearsal, server] = await Promise.all([Rehearsal.start(), ChatServer.start()]);
  await rehearsal.openaiAccount({ baseUrl: server.baseUrl, credentials: { apiKey: 'sk-account' } });
  key = (await rehearsal.key()).key;
});
afterEach(() => rehearsal.quiet());
afterAll(async () => {
  await rehearsal.close();
  await server.close();
});

const sdk = (prefix = '/v1', apiKey = key): OpenAI =>
  new OpenAI({ baseURL: `${rehearsal.url}${prefix}`, apiKey, maxRetries: 0 });

async function failureOf(asked: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const answer = await asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ error: error as InstanceType<typeof OpenAI.APIError> }),
  );
  if (!('error' in answer)) throw new Error(`It did not fail: ${JSON.stringify(answer.value)}`);
  return answer.error;
}

const chunksOf = async (asked: PromiseLike<AsyncIterable<OpenAI.ChatCompletionChunk>>) => {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of await asked) chunks.push(chunk);
  return chunks;
};
const textOf = (chunks: readonly OpenAI.ChatCompletionChunk[]): string =>
  chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');

describe('openai through the relay', () => {
  it.each(['/v1', '/openai/v1'])('creates a completion at %s', async (prefix) => {
    server.answer(say(completion({ content: 'Good day' })));
    const { data, response } = await sdk(prefix)
      .chat.completions.create({ model: MODEL, messages: [user('Hello')], max_completion_tokens: 50 })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe('Good day');
    expect(data.usage).toEqual(USAGE);
    expect((data as { _request_id?: string })._request_id).toBe('req_upstream');
    expect(server.last()).toMatchObject({
      method: 'POST',
      url: '/compatible/v1/chat/completions',
      headers: { authorization: 'Bearer sk-account', 'content-type': 'application/json' },
      json: { model: MODEL, messages: [user('Hello')], max_completion_tokens: 50 },
    });
    expect(JSON.stringify(server.last().headers)).not.toContain(key);
    expect(response.headers.get('x-relay-edits')).toBe('none');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('99');
    expect(response.headers.get('openai-organization')).toBeNull();
    expect(await rehearsal.lastRow()).toMatchObject({
      door: 'openai',
      kind: 'openai-compatible',
      outcome: 'completed',
      stream: false,
      upstream_request_id: 'req_upstream',
      ...BOOKED,
    });
  });

  it('streams without usage, which is asked for all the same and kept from the client', async () => {
    server.answer(stream(STREAM));
    const { data, response } = await sdk()
      .chat.completions.create({ model: MODEL, messages: [user('Hello')], stream: true })
      .withResponse();
    const chunks = await chunksOf(Promise.resolve(data));
    expect(textOf(chunks)).toBe('Good naïve day 🙂');
    expect(chunks).toHaveLength(TEXT.length);
    expect(server.last().json).toMatchObject({ stream_options: { include_usage: true } });
    expect(response.headers.get('x-relay-edits')).toBe('usage');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', stream: true, ...BOOKED });
  });

  it('streams with usage for a client that asks for it', async () => {
    server.answer(stream(STREAM));
    const { data, response } = await sdk()
      .chat.completions.create({
        model: MODEL,
        messages: [user('Hello')],
        stream: true,
        stream_options: { include_usage: true },
      })
      .withResponse();
    const chunks = await chunksOf(Promise.resolve(data));
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: USAGE });
    expect(response.headers.get('x-relay-edits')).toBe('none');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });
  });

  it('streams two tool calls at once, and sends their results back as they were named', async () => {
    server.answer(
      stream([
        delta({ role: 'assistant', content: null }),
        delta({
          tool_calls: [
            { index: 0, id: 'call_a', type: 'function', function: { name: 'weather', arguments: '' } },
          ],
        }),
        delta({ tool_calls: [{ index: 0, function: { arguments: '{"city":"Bo' } }] }),
        delta({ tool_calls: [{ index: 0, function: { arguments: 'nn"}' } }] }),
        delta({
          tool_calls: [
            { index: 1, id: 'call_b', type: 'function', function: { name: 'weather', arguments: '' } },
          ],
        }),
        delta({ tool_calls: [{ index: 1, function: { arguments: '{"city":"Ulm"}' } }] }),
        delta({}, 'tool_calls'),
        usageAlone(USAGE),
        DONE,
      ]),
    );
    const tools = [{ type: 'function' as const, function: { name: 'weather', parameters } }];
    const final = await sdk()
      .chat.completions.stream({ model: MODEL, messages: [user('?')], tools, parallel_tool_calls: true })
      .finalChatCompletion();
    const calls = final.choices[0]?.message.tool_calls;
    expect(calls).toMatchObject([
      { id: 'call_a', function: { name: 'weather', arguments: '{"city":"Bonn"}' } },
      { id: 'call_b', function: { name: 'weather', arguments: '{"city":"Ulm"}' } },
    ]);
    expect(server.last().json).toMatchObject({ tools, parallel_tool_calls: true });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });

    server.answer(say(completion({ content: 'Rain' })));
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      user('?'),
      { role: 'assistant', tool_calls: calls!.slice() },
      { role: 'tool', tool_call_id: 'call_a', content: 'rain' },
      { role: 'tool', tool_call_id: 'call_b', content: 'sun' },
    ];
    await sdk().chat.completions.create({ model: MODEL, messages, tools });
    expect((server.last().json as { messages: unknown }).messages).toEqual(
      JSON.parse(JSON.stringify(messages)),
    );
  });

  it('carries images, a schema for the answer and reasoning effort as they are', async () => {
    server.answer(say(completion({ content: '{"city":"Bonn"}' })));
    const body: OpenAI.ChatCompletionCreateParamsNonStreaming = {
      model: 'gpt-5-nano',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Where?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } },
          ],
        },
      ],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'place', strict: true, schema: { ...parameters, additionalProperties: false } },
      },
      reasoning_effort: 'low',
      stop: ['END'],
      n: 1,
    };
    await sdk().chat.completions.create(body);
    expect(server.last().text).toBe(JSON.stringify(body));
  });

  it('embeds', async () => {
    const embedding = [0.25, -1e-7, 3];
    server.answer(
      say({
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding }],
        model: 'text-embedding-3-small',
        usage: { prompt_tokens: 8, total_tokens: 8 },
      }),
    );
    const answer = await sdk().embeddings.create({
      model: 'text-embedding-3-small',
      input: 'Hello',
      encoding_format: 'float',
    });
    expect(answer.data[0]?.embedding).toEqual(embedding);
    expect(server.last().url).toBe('/compatible/v1/embeddings');
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: '8',
      output_tokens: '0',
    });
  });

  it.each(['/v1', '/openai/v1'])('lists models at %s, as the account tells them', async (prefix) => {
    const ids: string[] = [];
    for await (const model of sdk(prefix).models.list()) ids.push(model.id);
    expect(ids.sort()).toEqual(['gpt-4.1', 'gpt-5-nano', 'text-embedding-3-small']);
    expect(await sdk(prefix).models.retrieve('gpt-4.1')).toMatchObject({
      id: 'gpt-4.1',
      object: 'model',
      created: 1_700_000_000,
      owned_by: 'system',
    });
    expect(await failureOf(sdk(prefix).models.retrieve('gpt-9/none'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });
});

describe('errors as the SDK tells them', () => {
  const create = (client = sdk(), more: object = {}) =>
    client.chat.completions.create({ model: MODEL, messages: [user('Hello')], ...more });

  it('is its own class for each of ours', async () => {
    const wrongKey = await failureOf(create(sdk('/v1', 'rk_wrong')));
    expect(wrongKey).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(wrongKey).toMatchObject({ status: 401, code: 'invalid_api_key' });

    const closed = (await rehearsal.key({ scopes: ['claude'] })).key;
    expect(await failureOf(create(sdk('/v1', closed)))).toBeInstanceOf(OpenAI.PermissionDeniedError);

    const unknown = await failureOf(create(sdk(), { model: 'gpt-none/../x' }));
    expect(unknown).toBeInstanceOf(OpenAI.BadRequestError);
    expect(unknown).toMatchObject({ param: 'model', type: 'invalid_request_error' });

    const missing = await failureOf(create(sdk(), { model: 'llama-4' }));
    expect(missing).toBeInstanceOf(OpenAI.NotFoundError);
    expect(missing).toMatchObject({ code: 'model_not_found' });

    const two = await failureOf(create(sdk(), { n: 2 }));
    expect(two).toBeInstanceOf(OpenAI.BadRequestError);
    expect(two).toMatchObject({ param: 'n' });
  });

  it('names the field of a response that asks for what is not kept', async () => {
    const asked = sdk().responses.create({ model: MODEL, input: 'Hi', previous_response_id: 'resp_1' });
    expect(await failureOf(asked)).toMatchObject({ status: 400, param: 'previous_response_id' });
  });

  it.each([
    [
      400,
      { type: 'invalid_request_error', code: 'context_length_exceeded' },
      OpenAI.BadRequestError,
      'refused',
    ],
    [404, { type: 'invalid_request_error', code: 'model_not_found' }, OpenAI.NotFoundError, 'refused'],
    [422, { type: 'invalid_request_error' }, OpenAI.UnprocessableEntityError, 'refused'],
    [500, { type: 'server_error' }, OpenAI.InternalServerError, 'failed'],
  ])("passes the upstream's own %s as it came", async (status, error, kind, outcome) => {
    server.answer(refuse(status, { message: 'their words', ...error }));
    const failure = await failureOf(create());
    expect(failure).toBeInstanceOf(kind);
    expect(failure).toMatchObject({ status, ...error, requestID: 'req_upstream' });
    expect(failure.message).toContain('their words');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome, status });
  });

  it('tells a limit with a wait of ours', async () => {
    server.answer(
      refuse(
        429,
        { message: 'Slow', type: 'requests', code: 'rate_limit_exceeded' },
        { 'retry-after-ms': '2500', 'x-should-retry': 'true' },
      ),
    );
    const own = (
      await rehearsal.openaiAccount({ baseUrl: server.baseUrl, models: { allow: ['gpt-limited'] } })
    ).id;
    const limited = (await rehearsal.key({ accounts: [own] })).key;
    const failure = await failureOf(create(sdk('/v1', limited), { model: 'gpt-limited' }));
    expect(failure).toBeInstanceOf(OpenAI.RateLimitError);
    expect(failure.headers?.get('retry-after')).toBe('3');
    expect(failure.headers?.get('x-should-retry')).toBeNull();
  });

  it('is thrown for an error that the upstream tells in its stream', async () => {
    server.answer(
      stream([...TEXT.slice(0, 2), frame({ error: { message: 'gone', type: 'server_error', code: null } })]),
    );
    const chunks = await create(sdk(), { stream: true });
    expect(await failureOf(chunksOf(Promise.resolve(chunks as never)))).toMatchObject({
      type: 'server_error',
    });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'server_error' });
  });

  it('is thrown for a stream that ends too early', async () => {
    server.answer(stream(TEXT.slice(0, 2)));
    const chunks = await create(sdk(), { stream: true });
    expect(await failureOf(chunksOf(Promise.resolve(chunks as never)))).toMatchObject({
      type: 'server_error',
    });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'truncated' });
  });
});

describe('a client that leaves', () => {
  it('cuts the upstream in the middle of a stream', async () => {
    server.answer(stream(TEXT.slice(0, 3), false));
    const chunks = await sdk().chat.completions.create({
      model: MODEL,
      messages: [user('Hi')],
      stream: true,
    });
    for await (const chunk of chunks) if (chunk.choices[0]?.delta.content === 'Good ') break;
    await eventually(() => expect(server.last().cut).toBe(true));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left', estimated: true });
  });

  it('cuts the upstream before it answered', async () => {
    server.answer(() => undefined);
    const leaving = new AbortController();
    const before = server.seen.length;
    const asked = sdk().chat.completions.create(
      { model: MODEL, messages: [user('Hi')] },
      { signal: leaving.signal },
    );
    await eventually(() => expect(server.seen.length).toBeGreaterThan(before));
    leaving.abort();
    expect(await failureOf(asked)).toBeInstanceOf(OpenAI.APIUserAbortError);
    await eventually(() => expect(server.last().cut).toBe(true));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left', status: null });
  });
});

describe('the AI SDK through the relay', () => {
  const vercel = () => createOpenAI({ baseURL: `${rehearsal.url}/v1`, apiKey: key });

  it('generates and streams text', async () => {
    server.answer(say(completion({ content: 'Good day' })));
    const said = await generateText({ model: vercel().chat(MODEL), prompt: 'Hello', maxRetries: 0 });
    expect(said.text).toBe('Good day');
    expect(said.usage).toMatchObject({ inputTokens: 100, outputTokens: 20 });

    server.answer(stream(STREAM));
    const streamed = streamText({ model: vercel().chat(MODEL), prompt: 'Hello', maxRetries: 0 });
    expect(await streamed.text).toBe('Good naïve day 🙂');
    expect(await streamed.usage).toMatchObject({ inputTokens: 100, outputTokens: 20 });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });
  });

  it('calls a tool and sends its result in the next step', async () => {
    let turn = 0;
    server.answer((response) => {
      turn += 1;
      const call = {
        id: 'call_a',
        type: 'function',
        function: { name: 'weather', arguments: '{"city":"Bonn"}' },
      };
      const answer =
        turn === 1 ? completion({ tool_calls: [call] }, 'tool_calls') : completion({ content: 'Rain' });
      say(answer)(response);
    });
    const first = await generateText({
      model: vercel().chat(MODEL),
      prompt: 'Weather?',
      maxRetries: 0,
      tools: {
        weather: tool({ inputSchema: jsonSchema<{ city: string }>(parameters), execute: () => 'rain' }),
      },
    });
    expect(first.toolResults).toMatchObject([{ toolCallId: 'call_a', output: 'rain' }]);
    const second = await generateText({
      model: vercel().chat(MODEL),
      messages: [{ role: 'user', content: 'Weather?' }, ...first.response.messages],
      maxRetries: 0,
    });
    expect(second.text).toBe('Rain');
    expect(server.last().json).toMatchObject({
      messages: [{}, { tool_calls: [{ id: 'call_a' }] }, { role: 'tool', tool_call_id: 'call_a' }],
    });
  });

  it('embeds', async () => {
    server.answer(
      say({
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: [1, 2] }],
        model: 'm',
        usage: { prompt_tokens: 3, total_tokens: 3 },
      }),
    );
    const model = vercel().textEmbeddingModel('text-embedding-3-small');
    expect(await embed({ model, value: 'Hello', maxRetries: 0 })).toMatchObject({
      embedding: [1, 2],
      usage: { tokens: 3 },
    });
  });
});
