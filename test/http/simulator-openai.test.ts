import OpenAI from 'openai';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';

/** OpenAI's own SDK against the simulator, no relay between: what it accepts here, it accepts from OpenAI. */

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterEach(() => simulator.clear());
afterAll(() => simulator.close());

const MODEL = 'gpt-4.1';
const user = (content: string): OpenAI.ChatCompletionUserMessageParam => ({ role: 'user', content });
const sdk = (apiKey = 'sk-sim-1'): OpenAI =>
  new OpenAI({ baseURL: `${simulator.url}/v1`, apiKey, maxRetries: 0 });
const tool = (name: string, properties: object = {}) => ({
  type: 'function' as const,
  function: { name, parameters: { type: 'object', properties } },
});
const TOOLS = [
  tool('get_weather', { city: { type: 'string' }, days: { type: 'integer' } }),
  tool('get_time', { zone: { type: 'string' } }),
];

const post = async (body: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-sim-1', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
};
const errorOf = (text: string): unknown => (JSON.parse(text) as { error: unknown }).error;
const chat = (directive: string, more: object = {}) => ({
  model: MODEL,
  messages: [user(directive === '' ? 'Hello' : `[[sim: ${directive}]]`)],
  ...more,
});
const textWith = (piece: string): unknown => expect.stringContaining(piece);

/** Compatible servers have fields of their own. */
type Chunk = OpenAI.ChatCompletionChunk & { choices: { delta: { reasoning?: string } }[] };

/** The chunks of a stream that ends as it should. */
const chunksIn = (text: string): Chunk[] => {
  const frames = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data ?? '');
  expect(frames.pop()).toBe('[DONE]');
  return frames.map((data) => JSON.parse(data) as Chunk);
};

describe('openai', () => {
  it('creates a completion, with its request id and usage', async () => {
    const { data, response } = await sdk()
      .chat.completions.create({ model: MODEL, messages: [user('four tokens here')] })
      .withResponse();
    expect(data).toMatchObject({
      object: 'chat.completion',
      model: MODEL,
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', refusal: null } }],
      usage: { prompt_tokens: 4, prompt_tokens_details: { cached_tokens: 0 } },
    });
    expect(data.usage?.total_tokens).toBe(4 + (data.usage?.completion_tokens ?? 0));
    expect((data as { _request_id?: string })._request_id).toBe(simulator.requests.at(-1)?.requestId);
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('9999');
    expect(simulator.requests.at(-1)).toMatchObject({
      operation: 'openai:chat.completions',
      credential: 'sk-sim-1',
      credentialIn: 'authorization',
      ended: 'finished',
    });
  });

  it('streams the same message as it creates, and its usage in one more chunk', async () => {
    const body = { model: MODEL, messages: [user('[[sim: say="naïve 🙂 text" deltas=4]]')] };
    const whole = await sdk().chat.completions.create(body);
    const stream = sdk().chat.completions.stream({ ...body, stream_options: { include_usage: true } });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    stream.on('chunk', (chunk) => chunks.push(chunk));
    const final = await stream.finalChatCompletion();
    expect(whole.choices[0]?.message.content).toBe('naïve 🙂 text');
    expect(final.choices[0]?.message.content).toBe('naïve 🙂 text');
    expect(final.usage).toEqual(whole.usage);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 3 } });
    expect(chunks.slice(0, -1).map(({ usage }) => usage)).toEqual([null, null, null, null, null, null]);
  });

  it('calls two tools at once in pieces by their index, and takes their results', async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [user('Use get_weather and get_time')];
    const { choices } = await sdk()
      .chat.completions.stream({ model: 'gpt-5-mini', messages, tools: TOOLS })
      .finalChatCompletion();
    const { message, finish_reason } = choices[0]!;
    expect(finish_reason).toBe('tool_calls');
    expect(message.tool_calls).toMatchObject([
      { type: 'function', function: { name: 'get_weather' } },
      { type: 'function', function: { name: 'get_time' } },
    ]);
    const [first, second] = message.tool_calls!;
    expect(JSON.parse(first!.function.arguments)).toEqual({ city: textWith('é🙂'), days: 7 });
    const result = (id: string, content: string) => ({ role: 'tool' as const, tool_call_id: id, content });
    const turn = [...messages, message, result(first!.id, 'rain'), result(second!.id, 'noon')];
    const answer = await sdk().chat.completions.create({ model: 'gpt-5-mini', messages: turn, tools: TOOLS });
    expect(answer.choices[0]?.message.content).toBe('The tool answered: noon');
    await expect(
      sdk().chat.completions.create({ model: MODEL, messages: turn.slice(0, 3), tools: TOOLS }),
    ).rejects.toThrow(`did not have response messages: ${second!.id}`);
    await expect(
      sdk().chat.completions.create({ model: MODEL, messages: [user('x'), result('call_1', 'x')] }),
    ).rejects.toThrow("must be a response to a preceeding message with 'tool_calls'");
  });

  it('calls what the choice forces or allows, and one alone where that is asked', async () => {
    const ask = async (more: object) => {
      const answer = await sdk().chat.completions.create({
        model: MODEL,
        messages: [user('go')],
        tools: TOOLS,
        ...more,
      });
      return (answer.choices[0]?.message.tool_calls ?? []).map(
        (call) => call.type === 'function' && call.function.name,
      );
    };
    const both = { messages: [user('get_weather and get_time')] };
    expect(await ask({})).toEqual([]);
    expect(await ask({ tool_choice: 'required' })).toEqual(['get_weather']);
    expect(await ask({ tool_choice: { type: 'function', function: { name: 'get_time' } } })).toEqual([
      'get_time',
    ]);
    const allowed = { mode: 'auto', tools: [{ type: 'function', function: { name: 'get_time' } }] };
    expect(await ask({ ...both, tool_choice: { type: 'allowed_tools', allowed_tools: allowed } })).toEqual([
      'get_time',
    ]);
    expect(await ask({ ...both, parallel_tool_calls: false })).toEqual(['get_weather']);
    expect(await ask({ ...both, tool_choice: 'none' })).toEqual([]);
  });

  it('fills in schemas, in strict mode only closed ones', async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const ask = (more: object) =>
      sdk().chat.completions.create({
        model: MODEL,
        messages: [user('Where?')],
        response_format: { type: 'json_schema', json_schema: { name: 'place', schema, ...more } },
      });
    const answer = await ask({ strict: true, schema: { ...schema, additionalProperties: false } });
    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual({ city: 'sim city' });
    await expect(ask({ strict: false })).resolves.toBeDefined();
    await expect(ask({ strict: true })).rejects.toMatchObject({
      param: 'response_format',
      message: textWith("'additionalProperties' is required to be supplied and to be false"),
    });
  });

  it('stops at a sequence, at its limit, by a filter, and declines', async () => {
    const ask = async (directive: string, more: object = {}) => {
      const { choices } = await sdk().chat.completions.create(
        chat(directive, more) as OpenAI.ChatCompletionCreateParamsNonStreaming,
      );
      return choices[0];
    };
    expect(await ask('say="one two STOP three"', { stop: ['STOP'] })).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'one two ' },
    });
    expect(await ask('say="one two three"', { max_tokens: 2 })).toMatchObject({
      finish_reason: 'length',
      message: { content: 'one two' },
    });
    expect(await ask('finish=content_filter')).toMatchObject({ finish_reason: 'content_filter' });
    expect(await ask('stop=refusal')).toMatchObject({
      finish_reason: 'stop',
      message: { content: null, refusal: textWith("can't assist") },
    });
    await expect(ask('block=1')).rejects.toMatchObject({ status: 400, code: 'invalid_prompt' });
  });

  it('counts reasoning as a part of the completion, and shows it where a compatible server does', async () => {
    const tokens = 'thinking-tokens=5 input-tokens=100 cached-tokens=40';
    const body = { model: 'gpt-5-mini', messages: [user(`[[sim: say="a b" ${tokens}]]`)] };
    const { usage } = await sdk().chat.completions.create(body);
    expect(usage).toMatchObject({
      prompt_tokens: 100,
      completion_tokens: 7,
      total_tokens: 107,
      prompt_tokens_details: { cached_tokens: 40 },
      completion_tokens_details: { reasoning_tokens: 5 },
    });
    const shown = await post({
      ...body,
      stream: true,
      messages: [user('[[sim: say=x thinking="Let me see" show-thoughts=reasoning]]')],
    });
    const thoughts = chunksIn(shown.text).flatMap((chunk) => chunk.choices[0]?.delta.reasoning ?? []);
    expect(thoughts.join('')).toBe('Let me see');
  });

  it('wants thoughts back with their calls where the model shows them', async () => {
    const asked = { model: 'deepseek-sim-1', tools: TOOLS, messages: [user('[[sim: tool=get_time]]')] };
    const { choices } = JSON.parse((await post(asked)).text) as OpenAI.ChatCompletion;
    const message = choices[0]!.message as OpenAI.ChatCompletionMessage & { reasoning_content: string };
    expect(message.reasoning_content).toContain('не слишком длинный');
    const { reasoning_content, ...without } = message;
    const call = { role: 'tool', tool_call_id: message.tool_calls![0]!.id, content: 'noon' };
    const second = (told: object) => post({ ...asked, messages: [...asked.messages, told, call] });
    expect((await second({ ...without, reasoning_content })).status).toBe(200);
    expect(errorOf((await second(without)).text)).toMatchObject({ code: 'invalid_request_error' });
  });

  it('embeds, as numbers and as the SDK asks for them', async () => {
    const ask = (encoding_format: 'float' | 'base64' | undefined) =>
      sdk().embeddings.create({
        model: 'text-embedding-3-small',
        input: ['Hello', 'there'],
        dimensions: 4,
        ...(encoding_format && { encoding_format }),
      });
    const plain = await ask('float');
    expect(plain.data.map(({ embedding }) => embedding.length)).toEqual([4, 4]);
    expect(plain.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
    const decoded = await ask(undefined);
    expect(decoded.data[1]?.embedding).toEqual(plain.data[1]?.embedding);
    await expect(sdk().embeddings.create({ model: MODEL, input: 'x' })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  it('lists models and gets one', async () => {
    const ids: string[] = [];
    for await (const model of sdk().models.list()) ids.push(model.id);
    expect(ids).toEqual(expect.arrayContaining([MODEL, 'gpt-5-mini', 'text-embedding-3-small']));
    expect(await sdk().models.retrieve(MODEL)).toMatchObject({ object: 'model', owned_by: 'system' });
    await expect(sdk().models.retrieve('gpt-9')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it.each([
    [400, OpenAI.BadRequestError, 'invalid_request_error'],
    [401, OpenAI.AuthenticationError, 'invalid_request_error'],
    [403, OpenAI.PermissionDeniedError, 'invalid_request_error'],
    [404, OpenAI.NotFoundError, 'invalid_request_error'],
    [429, OpenAI.RateLimitError, 'requests'],
    [500, OpenAI.InternalServerError, 'server_error'],
    [503, OpenAI.InternalServerError, 'server_error'],
  ])('tells %s as the error class it is', async (status, kind, type) => {
    const failure = await sdk()
      .chat.completions.create(
        chat(`status=${status} message="their words"`) as OpenAI.ChatCompletionCreateParamsNonStreaming,
      )
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(kind);
    expect(failure).toMatchObject({ status, type, requestID: simulator.requests.at(-1)?.requestId });
    expect((failure as Error).message).toContain('their words');
  });

  it('sees the error of a stream, and a stream that is left', async () => {
    const stream = await sdk().chat.completions.create({
      ...chat('deltas=9 error=3 message=gone'),
      stream: true,
    });
    const chunks: unknown[] = [];
    await expect(
      (async () => {
        for await (const chunk of stream) chunks.push(chunk);
      })(),
    ).rejects.toMatchObject({ type: 'server_error', error: { message: 'gone' } });
    expect(chunks).toHaveLength(3);
    const left = await sdk().chat.completions.create({ ...chat('deltas=400 every=20'), stream: true });
    for await (const chunk of left) if (chunk.choices[0]?.delta.content) break;
    while (simulator.requests.at(-1)?.ended === undefined) await new Promise((done) => setTimeout(done, 10));
    expect(simulator.requests.at(-1)?.ended).toBe('client-closed');
  });
});

describe('the API by itself', () => {
  const pixel = `data:image/png;base64,${Buffer.from('89504e470d0a1a0a', 'hex').toString('base64')}`;
  const part = (told: object) => ({ messages: [{ role: 'user', content: [told] }] });

  it.each<[string, object, string | null, string | null]>([
    ['no messages', { messages: undefined }, 'messages', 'missing_required_parameter'],
    ['an unknown field', { top_k: 40 }, null, null],
    ['effort without thoughts', { reasoning_effort: 'low' }, null, null],
    ['a wrong kind', { stream: 'yes' }, 'stream', 'invalid_type'],
    ['no room', { max_tokens: 0 }, 'max_tokens', 'integer_below_min_value'],
    [
      'two limits',
      { max_tokens: 1, max_completion_tokens: 1 },
      'max_tokens',
      'invalid_parameter_combination',
    ],
    ['too hot', { temperature: 2.1 }, 'temperature', 'decimal_above_max_value'],
    ['five sequences', { stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'array_above_max_length'],
    ['options without a stream', { stream_options: { include_usage: true } }, 'stream_options', null],
    ['a choice without tools', { tool_choice: 'auto' }, 'tool_choice', null],
    [
      'a choice of another tool',
      { tools: TOOLS, tool_choice: { type: 'function', function: { name: 'x' } } },
      'tool_choice',
      null,
    ],
    ['no tools in a list', { tools: [] }, 'tools', 'empty_array'],
    ['a tool’s name', { tools: [tool('a b')] }, 'tools[0].function.name', 'invalid_value'],
    [
      'a tool without properties',
      { tools: [{ type: 'function', function: { name: 'x', parameters: { type: 'object' } } }] },
      'tools[0].function.parameters',
      'invalid_function_parameters',
    ],
    ['a tool of another kind', { tools: [{ type: 'retrieval' }] }, 'tools[0].type', 'invalid_value'],
    ['JSON unsaid', { response_format: { type: 'json_object' } }, 'messages', null],
    ['a role', { messages: [{ role: 'model', content: 'x' }] }, 'messages[0].role', 'invalid_value'],
    ['no content', { messages: [{ role: 'user' }] }, 'messages[0].content', 'invalid_type'],
    [
      'a field of a message',
      { messages: [{ ...user('x'), reasoning_content: 'y' }] },
      'messages[0].reasoning_content',
      'unknown_parameter',
    ],
    [
      'a part of another vendor',
      part({ type: 'image', source: {} }),
      'messages[0].content[0].type',
      'invalid_value',
    ],
    [
      'a field of a part',
      part({ type: 'text', text: 'x', cache_control: {} }),
      'messages[0].content[0].cache_control',
      'unknown_parameter',
    ],
    [
      'an image’s bytes',
      part({ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }),
      'messages[0].content[0].image_url.url',
      'image_parse_error',
    ],
    [
      'an image’s base64',
      part({ type: 'image_url', image_url: { url: 'data:image/png;base64,é' } }),
      'messages[0].content[0].image_url.url',
      'invalid_base64',
    ],
    [
      'an image in a tool’s message',
      {
        messages: [
          user('x'),
          {
            role: 'assistant',
            tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 'a', content: [{ type: 'image_url', image_url: { url: pixel } }] },
        ],
      },
      'messages[2]',
      'invalid_value',
    ],
    [
      'a document that is no PDF',
      part({ type: 'file', file: { filename: 'a.txt', file_data: 'data:text/plain;base64,YQ==' } }),
      'messages[0].content[0].file.file_data',
      'invalid_value',
    ],
    [
      'a document without a name',
      part({ type: 'file', file: { file_data: 'data:application/pdf;base64,YQ==' } }),
      'messages[0].content[0].file.filename',
      'missing_required_parameter',
    ],
  ])('refuses %s and names the field', async (_what, more, param, code) => {
    const answer = await post(chat('', more));
    expect(answer.status).toBe(400);
    expect(errorOf(answer.text)).toMatchObject({ type: 'invalid_request_error', param, code });
  });

  it.each<[string, object, string]>([
    ['gpt-5-mini', { max_tokens: 9 }, 'max_tokens'],
    ['gpt-5-mini', { temperature: 0.5 }, 'temperature'],
    ['gpt-5-mini', { stop: 'x' }, 'stop'],
    ['gpt-5-mini', { reasoning_effort: 'none' }, 'reasoning_effort'],
    ['gpt-5.2', { reasoning_effort: 'low', top_p: 0.5 }, 'top_p'],
    ['o4-mini', { max_tokens: 9 }, 'max_tokens'],
    ['o3', { reasoning_effort: 'minimal' }, 'reasoning_effort'],
    ['o3', { tools: TOOLS, parallel_tool_calls: false }, 'parallel_tool_calls'],
  ])('refuses of %s what it does not take: %j', async (model, more, param) => {
    const answer = await post(chat('', { model, ...more }));
    expect(errorOf(answer.text)).toMatchObject({ param, code: textWith('unsupported_') });
    const allowed = { model, max_completion_tokens: 9, temperature: 1, presence_penalty: 0 };
    expect((await post(chat('', allowed))).status).toBe(200);
  });

  it('takes images by data and by address, and documents', async () => {
    const content = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: pixel, detail: 'low' } },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,YQ==' } },
    ];
    expect((await post(chat('', { messages: [{ role: 'user', content }] }))).status).toBe(200);
  });

  it('refuses missing, wrong and revoked keys, unknown models and unknown paths', async () => {
    const missing = await fetch(`${simulator.url}/v1/chat/completions`, { method: 'POST', body: '{}' });
    expect(missing.status).toBe(401);
    expect(errorOf(await missing.text())).toMatchObject({ code: null });
    const wrong = await post(chat(''), { authorization: 'Bearer sk-other-secret' });
    expect(errorOf(wrong.text)).toMatchObject({ code: 'invalid_api_key' });
    expect(wrong.text).not.toContain('sk-other-secret');
    simulator.revoke('sk-sim-1');
    expect((await post(chat(''))).status).toBe(401);
    simulator.clear();
    expect(errorOf((await post(chat('', { model: 'gpt-9' }))).text)).toMatchObject({
      code: 'model_not_found',
    });
    expect(errorOf((await post('{"model":')).text)).toMatchObject({ type: 'invalid_request_error' });
    const path = await fetch(`${simulator.url}/openai/v1/responses`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-sim-1' },
    });
    expect(path.status).toBe(404);
    expect(errorOf(await path.text())).toMatchObject({
      message: 'Invalid URL (POST /v1/responses)',
      code: null,
    });
  });

  it('tells its account’s troubles by their codes, and its limits by headers', async () => {
    expect(errorOf((await post(chat('status=429 reason=low-credit'))).text)).toMatchObject({
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    });
    const limited = await post(chat('status=429 retry-delay=6m0s retry-after=7'));
    expect(errorOf(limited.text)).toMatchObject({ type: 'requests', code: 'rate_limit_exceeded' });
    expect(Object.fromEntries(limited.headers)).toMatchObject({
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '6m0s',
      'retry-after': '7',
    });
  });
});

describe('what compatible servers do with usage', () => {
  const streamed = async (directive: string, options: object | null = { include_usage: true }) => {
    const { text } = await post(
      chat(`say="a b c d" ${directive}`, { stream: true, ...(options && { stream_options: options }) }),
    );
    return chunksIn(text);
  };
  const counts = (chunks: readonly Chunk[]) => chunks.map(({ usage }) => usage?.completion_tokens);

  it('tells none unasked, and none where it is told so', async () => {
    for (const chunks of [await streamed('', null), await streamed('usage=missing')]) {
      expect(chunks.every((chunk) => chunk.choices.length === 1)).toBe(true);
      expect(counts(chunks).every((count) => count === undefined)).toBe(true);
    }
  });

  it('tells it in the last chunk with a choice, whether asked or not', async () => {
    for (const options of [null, { include_usage: true }]) {
      const chunks = await streamed('usage=last-chunk', options);
      expect(chunks.at(-1)).toMatchObject({
        choices: [{ finish_reason: 'stop' }],
        usage: { completion_tokens: 4 },
      });
      expect(counts(chunks.slice(0, -1)).every((count) => count === undefined)).toBe(true);
    }
  });

  it('tells it in every chunk, growing', async () => {
    expect(counts(await streamed('usage=every-chunk'))).toEqual([0, 2, 4, 4]);
  });

  it.each([
    ['repeated', [4, 4, 4]],
    ['falling', [8, 5, 4]],
    ['output-only', [4]],
    ['negative', [-1]],
  ])('tells it %s', async (variant, told) => {
    const chunks = await streamed(`usage=${variant}`);
    expect(counts(chunks.filter(({ choices }) => choices.length === 0))).toEqual(told);
  });
});
