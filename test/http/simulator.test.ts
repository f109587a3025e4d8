import Anthropic from '@anthropic-ai/sdk';
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import AnthropicZero from 'anthropic-sdk-0';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { closeLentDispatcher } from '../support/genai.ts';

/** The official SDKs against the simulator, no relay between: what they accept here, they accept from the vendors. */

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterEach(() => simulator.clear());
afterAll(async () => {
  await simulator.close();
  await closeLentDispatcher();
});

const MODEL = 'claude-sonnet-5';
const user = (content: string) => ({ role: 'user' as const, content });
const weather = {
  name: 'get_weather',
  description: 'Tells the weather',
  input_schema: {
    type: 'object' as const,
    properties: { city: { type: 'string' }, days: { type: 'integer' }, exact: { type: 'boolean' } },
    required: ['city'],
  },
};

const makers = {
  '1.x': () => new Anthropic({ baseURL: simulator.url, apiKey: 'sk-ant-sim-1', maxRetries: 0 }),
  '0.x': () =>
    new AnthropicZero({
      baseURL: simulator.url,
      apiKey: 'sk-ant-sim-1',
      maxRetries: 0,
    }) as unknown as Anthropic,
};

describe.each(Object.entries(makers))('@anthropic-ai/sdk %s', (version, make) => {
  it('creates a message, with its request id and usage', async () => {
    const message = await make().messages.create({
      model: MODEL,
      max_tokens: 100,
      messages: [user('four tokens here')],
    });
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: MODEL,
      stop_reason: 'end_turn',
      usage: { input_tokens: 4, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 },
    });
    expect(message._request_id).toBe(simulator.requests.at(-1)?.requestId);
    expect(simulator.requests.at(-1)).toMatchObject({
      credential: 'sk-ant-sim-1',
      credentialIn: version === '1.x' ? 'authorization' : 'x-api-key',
      ended: 'finished',
      status: 200,
    });
  });

  it('streams the same message as it creates', async () => {
    const body = { model: MODEL, max_tokens: 100, messages: [user('[[sim: say="naïve 🙂 text" deltas=4]]')] };
    const whole = await make().messages.create(body);
    const events: string[] = [];
    const stream = make().messages.stream(body);
    stream.on('streamEvent', (event) => events.push(event.type));
    const final = await stream.finalMessage();
    expect(final.content).toMatchObject([{ type: 'text', text: 'naïve 🙂 text' }]);
    expect(whole.content).toMatchObject([{ type: 'text', text: 'naïve 🙂 text' }]);
    expect(final.usage.output_tokens).toBe(3);
    expect(whole.usage.output_tokens).toBe(3);
    expect(events).toEqual([
      'message_start',
      'content_block_start',
      ...Array.from({ length: 4 }, () => 'content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
  });

  it('calls a tool in pieces and takes its result in a second turn', async () => {
    const client = make();
    const messages: Anthropic.MessageParam[] = [user('Use get_weather for Łódź, please')];
    const first = await client.messages
      .stream({ model: MODEL, max_tokens: 500, tools: [weather], messages })
      .finalMessage();
    expect(first.stop_reason).toBe('tool_use');
    const call = first.content.find((block) => block.type === 'tool_use');
    expect(call).toMatchObject({ name: 'get_weather', input: { days: 7, exact: true } });
    expect((call?.input as { city: string }).city).toContain('é🙂');
    const result = { type: 'tool_result' as const, tool_use_id: call?.id ?? '', content: 'rain, 7 °C' };
    const second = await client.messages.create({
      model: MODEL,
      max_tokens: 500,
      tools: [weather],
      messages: [
        ...messages,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [result] },
      ],
    });
    expect(second.content).toMatchObject([{ type: 'text', text: 'The tool answered: rain, 7 °C' }]);
    await expect(
      client.messages.create({
        model: MODEL,
        max_tokens: 500,
        messages: [...messages, { role: 'assistant', content: first.content }, user('no result')],
      }),
    ).rejects.toThrow('without `tool_result` blocks');
  });

  it('forces a tool that has no input, whose input JSON is empty', async () => {
    const tools = [{ name: 'now', input_schema: { type: 'object' as const, properties: {} } }];
    const message = await make()
      .messages.stream({
        model: MODEL,
        max_tokens: 500,
        tools,
        tool_choice: { type: 'any' },
        messages: [user('go')],
      })
      .finalMessage();
    expect(message.content).toMatchObject([{ type: 'tool_use', name: 'now', input: {} }]);
  });

  it.each([{ type: 'enabled' as const, budget_tokens: 1024 }, { type: 'adaptive' as const }])(
    'thinks ($type), and takes the signature back only byte for byte',
    async (thinking) => {
      const client = make();
      const body = { model: MODEL, max_tokens: 3000, thinking };
      const first = await client.messages.stream({ ...body, messages: [user('think')] }).finalMessage();
      const [thought] = first.content;
      if (thought?.type !== 'thinking') throw new Error('no thinking block');
      expect(thought.thinking).toContain('не слишком длинный');
      expect(first.usage.output_tokens).toBeGreaterThan(
        (first.usage as { output_tokens_details?: { thinking_tokens: number } }).output_tokens_details
          ?.thinking_tokens ?? Infinity,
      );
      const again = (signature: string) =>
        client.messages.create({
          ...body,
          messages: [
            user('think'),
            { role: 'assistant', content: [{ ...thought, signature }, ...first.content.slice(1)] },
            user('and?'),
          ],
        });
      await expect(again(thought.signature)).resolves.toMatchObject({ stop_reason: 'end_turn' });
      await expect(again(thought.signature.replace(/=*$/, ''))).rejects.toThrow('Invalid `signature`');
      await expect(again(`A${thought.signature.slice(1)}`)).rejects.toThrow('Invalid `signature`');
    },
  );

  it('signs a thought that it does not show', async () => {
    const thinking = { type: 'adaptive' as const, display: 'omitted' as const };
    const body = { model: MODEL, max_tokens: 3000, thinking };
    const first = await make()
      .messages.stream({ ...body, messages: [user('[[sim: redacted]] think')] })
      .finalMessage();
    expect(first.content.map((block) => block.type)).toEqual(['thinking', 'redacted_thinking', 'text']);
    expect(first.content[0]).toMatchObject({ thinking: '' });
    const messages = [user('think'), { role: 'assistant' as const, content: first.content }, user('and?')];
    await expect(make().messages.create({ ...body, messages })).resolves.toMatchObject({ role: 'assistant' });
  });

  it('counts tokens as the message then bills them', async () => {
    const body = { model: MODEL, system: 'Be brief.', messages: [user('How long is this?')] };
    const counted = await make().messages.countTokens(body);
    const message = await make().messages.create({ ...body, max_tokens: 10 });
    expect(counted.input_tokens).toBe(Math.ceil(('Be brief.'.length + 'How long is this?'.length) / 4));
    expect(message.usage.input_tokens).toBe(counted.input_tokens);
    expect(message.stop_reason).toBe('max_tokens');
    expect(message.usage.output_tokens).toBe(10);
  });

  it('lists models over pages, and gets one', async () => {
    const ids: string[] = [];
    for await (const model of make().models.list({ limit: 5 })) ids.push(model.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(20);
    expect(simulator.requests.filter((one) => one.operation === 'anthropic:models').length).toBe(
      Math.ceil(ids.length / 5),
    );
    await expect(make().models.retrieve(MODEL)).resolves.toMatchObject({ id: MODEL, type: 'model' });
    await expect(make().models.retrieve('claude-nonesuch')).rejects.toMatchObject({ status: 404 });
  });

  it.each([
    [400, 'BadRequestError', 'invalid_request_error'],
    [401, 'AuthenticationError', 'authentication_error'],
    [402, version === '1.x' ? 'PaymentRequiredError' : 'APIError', 'billing_error'],
    [403, 'PermissionDeniedError', 'permission_error'],
    [404, 'NotFoundError', 'not_found_error'],
    [409, 'ConflictError', 'conflict_error'],
    [413, version === '1.x' ? 'ContentTooLargeError' : 'APIError', 'request_too_large'],
    [429, 'RateLimitError', 'rate_limit_error'],
    [500, 'InternalServerError', 'api_error'],
    [504, version === '1.x' ? 'GatewayTimeoutError' : 'InternalServerError', 'timeout_error'],
    [529, version === '1.x' ? 'OverloadedError' : 'InternalServerError', 'overloaded_error'],
  ])('meets %i as %s', async (status, name, type) => {
    const asked = make().messages.create({
      model: MODEL,
      max_tokens: 9,
      messages: [user(`[[sim: status=${status}]]`)],
    });
    const error = await asked.then(
      () => undefined,
      (reason: unknown) =>
        reason as { constructor: { name: string }; status: number; error: unknown; requestID: string },
    );
    expect(error?.constructor.name).toBe(name);
    expect(error?.status).toBe(status);
    expect(error?.error).toMatchObject({ type: 'error', error: { type } });
    expect(error?.requestID).toMatch(/^req_01\w{22}$/);
  });

  it('sees the error event of a stream, and a stream without an end', async () => {
    const ask = (directive: string) =>
      make()
        .messages.stream({ model: MODEL, max_tokens: 99, messages: [user(`[[sim: ${directive}]]`)] })
        .finalMessage();
    await expect(ask('error=4')).rejects.toMatchObject({ error: { error: { type: 'overloaded_error' } } });
    await expect(ask('end=5')).rejects.toThrow(/without|ended/);
    await expect(ask('reset=5')).rejects.toThrow();
    expect(simulator.requests.map((one) => one.ended)).toEqual(['finished', 'cut-by-fault', 'cut-by-fault']);
  });

  it('aborts a stream, and the simulator sees the client go', async () => {
    const stream = await make().messages.create({
      model: MODEL,
      max_tokens: 999,
      stream: true,
      messages: [user('[[sim: deltas=500 every=10]]')],
    });
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    await eventually(() => expect(simulator.requests[0]?.ended).toBe('client-closed'));
    expect(simulator.inFlight()).toBe(0);
    expect(simulator.maxInFlight('sk-ant-sim-1')).toBe(1);
  });

  it('tries again after the errors asked for', async () => {
    const message = await make().messages.create(
      {
        model: MODEL,
        max_tokens: 99,
        messages: [user('[[sim: status=529 times=2 retry-after-ms=1 say=done]]')],
      },
      { maxRetries: 2 },
    );
    expect(message.content).toMatchObject([{ text: 'done' }]);
    expect(simulator.requests.map((one) => one.status)).toEqual([529, 529, 200]);
  });
});

describe('the Messages API by itself', () => {
  const ask = (body: object, headers: Record<string, string> = {}, path = '/v1/messages') =>
    fetch(`${simulator.url}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': 'sk-ant-sim-1', 'anthropic-version': '2023-06-01', ...headers },
      body: JSON.stringify(body),
    });
  const sound = { model: MODEL, max_tokens: 50, messages: [user('hello')] };

  it.each([
    ['no model', { ...sound, model: undefined }, 400, 'model: Field required'],
    ['no max_tokens', { ...sound, max_tokens: undefined }, 400, 'max_tokens: Field required'],
    ['max_tokens of 0', { ...sound, max_tokens: 0 }, 400, 'max_tokens: Input'],
    ['no messages', { ...sound, messages: [] }, 400, 'at least one message'],
    ['a strange role', { ...sound, messages: [{ role: 'tool', content: 'x' }] }, 400, 'Unexpected role'],
    [
      'an unknown field',
      { ...sound, stream_options: {} },
      400,
      'stream_options: Extra inputs are not permitted',
    ],
    ['an unknown model', { ...sound, model: 'claude-9' }, 404, 'model: claude-9'],
    [
      'a directive misspelt',
      { ...sound, messages: [user('[[sim: latencey=5]]')] },
      400,
      '"latencey" is not known',
    ],
  ])('refuses %s', async (_, body, status, message) => {
    const answer = await ask(body);
    expect(answer.status).toBe(status);
    const document = (await answer.json()) as { error: { message: string } };
    expect(document.error.message).toContain(message);
  });

  it('knows both versions, and what 2026-10-21 no longer takes', async () => {
    const hot = { ...sound, temperature: 1 };
    expect((await ask(hot)).status).toBe(200);
    expect((await ask(sound, { 'anthropic-version': '2026-10-21' })).status).toBe(200);
    expect((await ask(hot, { 'anthropic-version': '2026-10-21' })).status).toBe(400);
    expect((await ask(sound, { 'anthropic-version': '2023-06-01, 2026-10-21' })).status).toBe(400);
  });

  it.each([
    [{ temperature: 0.5 }, 'temperature'],
    [{ top_k: 64 }, 'top_k'],
    [{ top_p: 0.5 }, 'top_p'],
    [{ tools: [{ name: 'f', input_schema: {} }], tool_choice: { type: 'any' } }, 'tool_choice'],
  ])('refuses %j beside thinking, and not without', async (fields, name) => {
    const thinking = await ask({ ...sound, ...fields, thinking: { type: 'adaptive' } });
    expect(thinking.status).toBe(400);
    expect(await thinking.text()).toContain(name);
    expect((await ask({ ...sound, ...fields })).status).toBe(200);
  });

  it('refuses wrong, missing and contradicting credentials, and a subscription without its beta', async () => {
    const organisation = { authorization: 'Bearer sim-access-0' };
    const { accessToken } = simulator.oauth.grant({ accessToken: 'sk-ant-oat-mine' });
    const subscription = { authorization: `Bearer ${accessToken}` };
    const status = async (headers: Record<string, string | undefined>) => {
      const given = { 'anthropic-version': '2023-06-01', ...headers } as Record<string, string>;
      return (
        await fetch(`${simulator.url}/v1/messages`, {
          method: 'POST',
          headers: given,
          body: JSON.stringify(sound),
        })
      ).status;
    };
    expect(await status({})).toBe(401);
    expect(await status({ 'x-api-key': 'rk_of_the_relay' })).toBe(401);
    expect(await status({ 'x-api-key': 'rk_of_the_relay', authorization: 'Bearer sk-ant-sim-1' })).toBe(401);
    expect(await status(subscription)).toBe(401);
    expect(await status({ ...subscription, 'anthropic-beta': 'x-1, oauth-2025-04-20' })).toBe(200);
    expect(await status(organisation)).toBe(200);
    simulator.oauth.expire('sim-access-0');
    expect(await status(organisation)).toBe(401);
  });

  it('renews OAuth pairs, each refresh token once', async () => {
    const renew = (body: string, type: string) =>
      fetch(`${simulator.url}/oauth/token`, { method: 'POST', headers: { 'content-type': type }, body });
    const form = 'grant_type=refresh_token&refresh_token=sim-refresh-0&client_id=me';
    const first = await renew(form, 'application/x-www-form-urlencoded');
    expect(await first.json()).toMatchObject({
      access_token: 'sim-access-1',
      refresh_token: 'sim-refresh-1',
    });
    expect((await renew(form, 'application/x-www-form-urlencoded')).status).toBe(400);
    const json = JSON.stringify({ grant_type: 'refresh_token', refresh_token: 'sim-refresh-1' });
    expect((await renew(json, 'application/json')).status).toBe(200);
    expect(simulator.oauth.refreshes).toBe(2);
    simulator.plan({ path: '/oauth/token', times: 1, fault: { status: 400, type: 'invalid_grant' } });
    expect(await (await renew(json, 'application/json')).json()).toMatchObject({ error: 'invalid_grant' });
  });

  it('writes a marked prefix to the cache, and reads it for the same credential only', async () => {
    const mark = (ttl: '5m' | '1h') => ({ type: 'ephemeral', ttl });
    const body = {
      ...sound,
      system: [
        { type: 'text', text: 'a'.repeat(400), cache_control: mark('1h') },
        { type: 'text', text: 'b'.repeat(200), cache_control: mark('5m') },
      ],
      messages: [user('c'.repeat(40))],
    };
    const usage = async (headers = {}) =>
      ((await (await ask(body, headers)).json()) as { usage: object }).usage;
    const written = {
      input_tokens: 10,
      cache_creation_input_tokens: 150,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 50, ephemeral_1h_input_tokens: 100 },
    };
    expect(await usage()).toMatchObject(written);
    expect(await usage()).toMatchObject({
      input_tokens: 10,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 150,
    });
    expect(await usage({ 'x-api-key': 'sk-ant-sim-2' })).toMatchObject(written);
  });

  it('gives the same bytes for the same request', async () => {
    const streamed = { ...sound, stream: true, thinking: { type: 'adaptive' } };
    const one = await (await ask(streamed)).text();
    expect(await (await ask(streamed)).text()).toBe(one);
    const other = await startSimulator();
    const answer = await fetch(`${other.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'sk-ant-sim-9', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify(streamed),
    });
    expect(await answer.text()).toBe(one);
    await other.close();
  });

  it('answers HEAD /api/hello without a credential, and unknown paths in its own shape', async () => {
    expect((await fetch(`${simulator.url}/api/hello`, { method: 'HEAD' })).status).toBe(200);
    const unknown = await fetch(`${simulator.url}/v1/complete`, { headers: { 'x-api-key': 'sk-ant-sim-1' } });
    expect(await unknown.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
  });
});

describe('@google/genai', () => {
  const make = (apiKey = 'gemini-sim-1') =>
    new GoogleGenAI({ apiKey, httpOptions: { baseUrl: simulator.url } });
  const model = 'gemini-2.5-flash';
  const declaration = {
    name: 'get_weather',
    description: 'Tells the weather',
    parametersJsonSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  };

  it('generates whole and streamed alike, with cumulative usage', async () => {
    const contents = 'sixteen letters. [[sim: say="naïve 🙂 text" deltas=4]]';
    const whole = await make().models.generateContent({ model, contents });
    expect(whole.text).toBe('naïve 🙂 text');
    const frames = [];
    for await (const frame of await make().models.generateContentStream({ model, contents }))
      frames.push(frame);
    expect(frames.map((frame) => frame.text).join('')).toBe('naïve 🙂 text');
    expect(frames).toHaveLength(4);
    expect(frames[0]?.usageMetadata?.candidatesTokenCount).toBeUndefined();
    expect(frames[0]?.usageMetadata?.promptTokenCount).toBe(Math.ceil('sixteen letters. '.length / 4));
    expect(frames.at(-1)?.candidates?.[0]?.finishReason).toBe('STOP');
    expect(frames.at(-1)?.usageMetadata).toEqual(whole.usageMetadata);
    expect(simulator.requests.at(-1)).toMatchObject({ credentialIn: 'x-goog-api-key', ended: 'finished' });
  });

  it('calls a function and takes its response with the signature, byte for byte', async () => {
    const tools = [{ functionDeclarations: [declaration] }];
    const ask = { role: 'user', parts: [{ text: 'get_weather in Łódź' }] };
    const third = 'gemini-3.5-flash';
    const first = await make().models.generateContent({ model: third, contents: [ask], config: { tools } });
    const part = first.candidates?.[0]?.content?.parts?.[0];
    expect(part?.functionCall).toMatchObject({ name: 'get_weather' });
    expect(part?.thoughtSignature).toBeDefined();
    const answer = { functionResponse: { name: 'get_weather', response: { sky: 'grey' } } };
    const second = (signature: string | undefined) =>
      make().models.generateContent({
        model: third,
        contents: [
          ask,
          {
            role: 'model',
            parts: [{ ...part, ...(signature === undefined ? {} : { thoughtSignature: signature }) }],
          },
          { role: 'user', parts: [answer] },
        ],
        config: { tools },
      });
    await expect(second(part?.thoughtSignature)).resolves.toMatchObject({
      text: 'The function answered: {"sky":"grey"}',
    });
    await expect(second(`A${part?.thoughtSignature?.slice(1)}`)).rejects.toMatchObject({ status: 400 });
  });

  it('forces a function by its mode, and shows thoughts when asked', async () => {
    const forced = await make().models.generateContent({
      model,
      contents: 'go',
      config: {
        tools: [{ functionDeclarations: [declaration] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
      },
    });
    expect(forced.functionCalls?.[0]?.name).toBe('get_weather');
    const thinking = { thinkingConfig: { includeThoughts: true, thinkingBudget: 100 } };
    const frames = [];
    for await (const frame of await make().models.generateContentStream({
      model,
      contents: 'why',
      config: thinking,
    })) {
      frames.push(...(frame.candidates?.[0]?.content?.parts ?? []), frame);
    }
    const parts = frames.filter((one) => 'text' in one && !('candidates' in one));
    expect(parts.some((one) => 'thought' in one && one.thought === true)).toBe(true);
    expect(parts.at(-1)).toMatchObject({ text: '', thoughtSignature: expect.any(String) as string });
    expect(frames.at(-1)).toMatchObject({ usageMetadata: { thoughtsTokenCount: 15 } });
  });

  it('talks over several turns in a chat', async () => {
    const chat = make().chats.create({ model: 'gemini-3.5-flash' });
    await chat.sendMessage({ message: 'one' });
    const stream = await chat.sendMessageStream({ message: 'two' });
    for await (const frame of stream) void frame;
    await expect(chat.sendMessage({ message: 'three' })).resolves.toMatchObject({
      text: expect.any(String) as string,
    });
  });

  it('counts, embeds, lists over pages and gets a model', async () => {
    await expect(make().models.countTokens({ model, contents: 'sixteen letters.' })).resolves.toMatchObject({
      totalTokens: 4,
    });
    const embedded = await make().models.embedContent({
      model: 'gemini-embedding-001',
      contents: ['a', 'b'],
    });
    expect(embedded.embeddings).toHaveLength(2);
    expect(simulator.requests.at(-1)?.operation).toBe('gemini:batchEmbedContents');
    const names: (string | undefined)[] = [];
    for await (const one of await make().models.list({ config: { pageSize: 4 } })) names.push(one.name);
    expect(names).toContain('models/gemini-2.5-flash');
    expect(new Set(names).size).toBe(names.length);
    await expect(make().models.get({ model })).resolves.toMatchObject({ name: `models/${model}` });
  });

  it.each([400, 401, 403, 404, 429, 500, 503, 504])(
    'meets %i as an ApiError with its status',
    async (status) => {
      const asked = make().models.generateContent({ model, contents: `[[sim: status=${status}]]` });
      await expect(asked).rejects.toBeInstanceOf(ApiError);
      await expect(asked).rejects.toMatchObject({ status });
      await expect(
        (async () => {
          const stream = await make().models.generateContentStream({
            model,
            contents: `[[sim: error=2 status=${status}]]`,
          });
          for await (const frame of stream) void frame;
        })(),
      ).rejects.toMatchObject({ status });
    },
  );

  it('tells a wrong key by reason, a spent quota by its details, and a blocked prompt without candidates', async () => {
    await expect(make('AIza-wrong').models.generateContent({ model, contents: 'x' })).rejects.toThrow(
      'API_KEY_INVALID',
    );
    const spent = make().models.generateContent({
      model,
      contents: '[[sim: status=429 quota=PerDay retry-delay=3.5s]]',
    });
    await expect(spent).rejects.toThrow(/PerDay.*3\.5s/s);
    const blocked = await make().models.generateContent({ model, contents: '[[sim: block=SAFETY]]' });
    expect(blocked.promptFeedback?.blockReason).toBe('SAFETY');
    expect(blocked.candidates).toBeUndefined();
    expect(blocked.usageMetadata?.promptTokenCount).toBeGreaterThan(0);
  });

  it('aborts a stream, and the simulator sees the client go', async () => {
    const abort = new AbortController();
    const stream = await make().models.generateContentStream({
      model,
      contents: '[[sim: deltas=500 every=10]]',
      config: { abortSignal: abort.signal },
    });
    await expect(
      (async () => {
        for await (const frame of stream) {
          void frame;
          abort.abort();
        }
      })(),
    ).rejects.toThrow();
    await eventually(() => expect(simulator.requests[0]?.ended).toBe('client-closed'));
  });

  it('streams one JSON array when alt=sse is absent, also under /v1 and with an encoded colon', async () => {
    const ask = (path: string, text: string) =>
      fetch(`${simulator.url}${path}`, {
        method: 'POST',
        headers: { 'x-goog-api-key': 'gemini-sim-1', 'content-type': 'application/json' },
        body: JSON.stringify({ contents: { parts: { text } } }),
      });
    const answer = await ask(`/v1/models/${model}%3AstreamGenerateContent`, 'hi');
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    const list = (await answer.json()) as { candidates: { finishReason?: string }[] }[];
    expect(list.at(-1)?.candidates[0]?.finishReason).toBe('STOP');
    const broken = await (
      await ask(`/v1beta/models/${model}:streamGenerateContent`, '[[sim: error=1]]')
    ).json();
    expect(broken).toMatchObject([{}, { error: { code: 503, status: 'UNAVAILABLE' } }]);
    const refused = await ask(`/v1beta/models/${model}:streamGenerateContent`, '[[sim: status=400]]');
    expect(await refused.json()).toMatchObject([{ error: { status: 'INVALID_ARGUMENT' } }]);
  });
});

async function eventually(check: () => void): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return check();
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
