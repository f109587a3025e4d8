import { createOpenAI } from '@ai-sdk/openai';
import { embed, generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/** OpenAI's own SDK and the AI SDK, unmodified, with nothing changed but base URL and key. */

const MODEL = 'gpt-5-mini';
const EMBEDDING = 'text-embedding-3-small';
const user = (content: string): OpenAI.ChatCompletionUserMessageParam => ({ role: 'user', content });
const parameters = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const } },
  required: ['city'],
};
const WEATHER = { type: 'function' as const, function: { name: 'weather', parameters } };

/** What an answer is told to have used, and the ledger's disjoint classes of it. */
const USED = 'input-tokens=100 cached-tokens=40 output-tokens=20 thinking-tokens=5';
const USAGE = {
  prompt_tokens: 100,
  completion_tokens: 20,
  total_tokens: 120,
  prompt_tokens_details: { cached_tokens: 40, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 5,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
};
const BOOKED = {
  input_tokens: '60',
  cache_read_tokens: '40',
  cache_write_5m_tokens: '0',
  cache_write_1h_tokens: '0',
  output_tokens: '20',
  reasoning_tokens: '5',
};
const SAID = 'Good naïve day 🙂';

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.openaiAccount({
    baseUrl: `${rehearsal.simulator.url}/openai/v1`,
    credentials: { apiKey: 'sk-sim-account' },
  });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

const sdk = (prefix = '/v1', apiKey = key): OpenAI =>
  new OpenAI({ baseURL: `${rehearsal.url}${prefix}`, apiKey, maxRetries: 0 });
const told = (directive: string) => ({ model: MODEL, messages: [user(`Hello [[sim: ${directive}]]`)] });
const last = () => rehearsal.simulator.requests.at(-1)!;
const asked = (): unknown => JSON.parse(last().body.toString());

async function failureOf(work: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const answer = await work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error: error as InstanceType<typeof OpenAI.APIError> }),
  );
  if (!('error' in answer)) throw new Error(`It did not fail: ${JSON.stringify(answer.value)}`);
  return answer.error;
}

const chunksOf = async (stream: AsyncIterable<OpenAI.ChatCompletionChunk>) => {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};
const textOf = (chunks: readonly OpenAI.ChatCompletionChunk[]): string =>
  chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');

describe('openai through the relay', () => {
  it.each(['/v1', '/openai/v1'])('creates a completion at %s', async (prefix) => {
    const body = { ...told(`say="Good day" ${USED}`), max_completion_tokens: 50 };
    const { data, response } = await sdk(prefix).chat.completions.create(body).withResponse();
    expect(data.choices[0]?.message.content).toBe('Good day');
    expect(data.usage).toEqual(USAGE);
    expect((data as { _request_id?: string })._request_id).toBe(last().requestId);
    expect(last()).toMatchObject({
      method: 'POST',
      url: '/openai/v1/chat/completions',
      headers: { authorization: 'Bearer sk-sim-account', 'content-type': 'application/json' },
    });
    expect(asked()).toEqual(body);
    expect(JSON.stringify(last().headers)).not.toContain(key);
    expect(response.headers.get('x-relay-edits')).toBe('none');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('9999');
    expect(response.headers.get('openai-organization')).toBeNull();
    expect(await rehearsal.lastRow()).toMatchObject({
      door: 'openai',
      kind: 'openai-compatible',
      outcome: 'completed',
      stream: false,
      upstream_request_id: last().requestId,
      ...BOOKED,
    });
  });

  it('streams without usage, which is asked for all the same and kept from the client', async () => {
    const { data, response } = await sdk()
      .chat.completions.create({ ...told(`say="${SAID}" deltas=4 ${USED}`), stream: true })
      .withResponse();
    const chunks = await chunksOf(data);
    expect(textOf(chunks)).toBe(SAID);
    // Role, four pieces, the reason; not the usage.
    expect(chunks).toHaveLength(6);
    expect(asked()).toMatchObject({ stream_options: { include_usage: true } });
    expect(response.headers.get('x-relay-edits')).toBe('usage');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', stream: true, ...BOOKED });
  });

  it('streams with usage for a client that asks for it', async () => {
    const { data, response } = await sdk()
      .chat.completions.create({ ...told(USED), stream: true, stream_options: { include_usage: true } })
      .withResponse();
    const chunks = await chunksOf(data);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: USAGE });
    expect(response.headers.get('x-relay-edits')).toBe('none');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });
  });

  it('streams two tool calls at once, and sends their results back as they were named', async () => {
    const tools = [WEATHER, { ...WEATHER, function: { ...WEATHER.function, name: 'climate' } }];
    const body = { ...told(`tool=weather,climate ${USED}`), tools, parallel_tool_calls: true };
    const final = await sdk().chat.completions.stream(body).finalChatCompletion();
    const calls = final.choices[0]?.message.tool_calls ?? [];
    expect(calls.map((call) => call.function.name)).toEqual(['weather', 'climate']);
    expect(asked()).toMatchObject({ tools, parallel_tool_calls: true });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });

    const messages: OpenAI.ChatCompletionMessageParam[] = [
      ...body.messages,
      { role: 'assistant', tool_calls: calls.slice() },
      ...calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: 'rain' })),
    ];
    const second = await sdk().chat.completions.create({ model: MODEL, messages, tools });
    expect(second.choices[0]?.message.content).toBe('The tool answered: rain');
    expect(asked()).toEqual(JSON.parse(JSON.stringify({ model: MODEL, messages, tools })));
  });

  it('carries images, a schema for the answer and reasoning effort as they are', async () => {
    const body: OpenAI.ChatCompletionCreateParamsNonStreaming = {
      model: MODEL,
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
      n: 1,
    };
    const answer = await sdk().chat.completions.create(body);
    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual({ city: 'sim city' });
    expect(last().body.toString()).toBe(JSON.stringify(body));
  });

  it('embeds', async () => {
    const answer = await sdk().embeddings.create({
      model: EMBEDDING,
      input: 'Hello [[sim: input-tokens=8]]',
      encoding_format: 'float',
      dimensions: 3,
    });
    expect(answer.data).toMatchObject([{ object: 'embedding', index: 0 }]);
    expect(answer.data[0]?.embedding).toHaveLength(3);
    expect(last().url).toBe('/openai/v1/embeddings');
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: '8',
      output_tokens: '0',
    });
  });

  it.each(['/v1', '/openai/v1'])('lists models at %s, as the account tells them', async (prefix) => {
    const ids: string[] = [];
    for await (const model of sdk(prefix).models.list()) ids.push(model.id);
    expect(ids).toEqual(expect.arrayContaining(['gpt-4.1', MODEL, EMBEDDING]));
    expect(await sdk(prefix).models.retrieve('gpt-4.1')).toMatchObject({
      id: 'gpt-4.1',
      object: 'model',
      created: expect.any(Number) as number,
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
    const response = sdk().responses.create({ model: MODEL, input: 'Hi', previous_response_id: 'resp_1' });
    expect(await failureOf(response)).toMatchObject({ status: 400, param: 'previous_response_id' });
  });

  it.each([
    [
      400,
      { type: 'invalid_request_error', code: 'context_length_exceeded' },
      OpenAI.BadRequestError,
      'refused',
    ],
    [404, { type: 'invalid_request_error', code: 'model_not_found' }, OpenAI.NotFoundError, 'refused'],
    [422, { type: 'invalid_request_error', code: 'x' }, OpenAI.UnprocessableEntityError, 'refused'],
    [500, { type: 'server_error', code: 'x' }, OpenAI.InternalServerError, 'failed'],
  ])("passes the upstream's own %s as it came", async (status, error, kind, outcome) => {
    const directive = `status=${status} message="their words" type=${error.type} code=${error.code}`;
    const failure = await failureOf(sdk().chat.completions.create(told(directive)));
    expect(failure).toBeInstanceOf(kind);
    expect(failure).toMatchObject({ status, ...error, requestID: last().requestId });
    expect(failure.message).toContain('their words');
    expect(await rehearsal.lastRow()).toMatchObject({ outcome, status });
  });

  it('passes what the upstream refuses by itself, with the field', async () => {
    const failure = await failureOf(create(sdk(), { max_tokens: 5 }));
    expect(failure).toMatchObject({ status: 400, param: 'max_tokens', code: 'unsupported_parameter' });
  });

  it('tells a limit with a wait of ours', async () => {
    const own = (await rehearsal.openaiAccount({ models: { allow: ['gpt-sim-limited'] } })).id;
    const limited = (await rehearsal.key({ accounts: [own] })).key;
    const directive = 'status=429 retry-after-ms=2500 should-retry=true';
    const failure = await failureOf(
      create(sdk('/v1', limited), { ...told(directive), model: 'gpt-sim-limited' }),
    );
    expect(failure).toBeInstanceOf(OpenAI.RateLimitError);
    expect(failure.headers?.get('retry-after')).toBe('3');
    expect(failure.headers?.get('x-should-retry')).toBeNull();
  });

  it('is thrown for an error that the upstream tells in its stream', async () => {
    const chunks = await sdk().chat.completions.create({
      ...told('deltas=4 error=2 message=gone'),
      stream: true,
    });
    expect(await failureOf(chunksOf(chunks))).toMatchObject({ type: 'server_error' });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'server_error' });
  });

  it('is thrown for a stream that ends too early', async () => {
    const chunks = await sdk().chat.completions.create({ ...told('deltas=4 end=2'), stream: true });
    expect(await failureOf(chunksOf(chunks))).toMatchObject({ type: 'server_error' });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'truncated' });
  });
});

describe('a client that leaves', () => {
  it('cuts the upstream in the middle of a stream', async () => {
    const chunks = await sdk().chat.completions.create({ ...told('deltas=9 hang=3'), stream: true });
    for await (const chunk of chunks) if (chunk.choices[0]?.delta.content) break;
    await eventually(() => expect(last().ended).toBe('client-closed'));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left', estimated: true });
  });

  it('cuts the upstream before it answered', async () => {
    const leaving = new AbortController();
    const work = sdk().chat.completions.create(told('hang=head'), { signal: leaving.signal });
    const failed = failureOf(work);
    await eventually(() => expect(rehearsal.simulator.inFlight()).toBe(1));
    leaving.abort();
    expect(await failed).toBeInstanceOf(OpenAI.APIUserAbortError);
    await eventually(() => expect(last().ended).toBe('client-closed'));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left', status: null });
  });
});

describe('the AI SDK through the relay', () => {
  const vercel = () => createOpenAI({ baseURL: `${rehearsal.url}/v1`, apiKey: key });
  const model = () => vercel().chat(MODEL);

  it('generates and streams text', async () => {
    const prompt = `Hello [[sim: say="${SAID}" ${USED}]]`;
    const said = await generateText({ model: model(), prompt, maxRetries: 0 });
    expect(said.text).toBe(SAID);
    expect(said.usage).toMatchObject({ inputTokens: 100, outputTokens: 20 });

    const streamed = streamText({ model: model(), prompt, maxRetries: 0 });
    expect(await streamed.text).toBe(SAID);
    expect(await streamed.usage).toMatchObject({ inputTokens: 100, outputTokens: 20 });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });
  });

  it('calls a tool and sends its result in the next step', async () => {
    const prompt = 'Weather? [[sim: tool=weather]]';
    const tools = {
      weather: tool({ inputSchema: jsonSchema<{ city: string }>(parameters), execute: () => 'rain' }),
    };
    const first = await generateText({ model: model(), prompt, maxRetries: 0, tools });
    expect(first.toolResults).toMatchObject([{ toolName: 'weather', output: 'rain' }]);
    const { toolCallId } = first.toolResults[0]!;
    const second = await generateText({
      model: model(),
      messages: [{ role: 'user', content: prompt }, ...first.response.messages],
      maxRetries: 0,
    });
    expect(second.text).toBe('The tool answered: rain');
    expect(asked()).toMatchObject({
      messages: [{}, { tool_calls: [{ id: toolCallId }] }, { role: 'tool', tool_call_id: toolCallId }],
    });
  });

  it('embeds', async () => {
    const embedding = vercel().textEmbeddingModel(EMBEDDING);
    const value = 'Hello [[sim: input-tokens=3]]';
    const answer = await embed({ model: embedding, value, maxRetries: 0 });
    expect(answer.usage).toEqual({ tokens: 3 });
    expect(answer.embedding.length).toBeGreaterThan(0);
  });
});
