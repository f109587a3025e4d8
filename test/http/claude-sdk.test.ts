import Anthropic from '@anthropic-ai/sdk';
import AnthropicZero from 'anthropic-sdk-0';
import type { SimulatedRequest } from '../../src/simulator/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/** Anthropic's own SDKs, unmodified, with nothing changed but base URL and key. */

const MODEL = 'claude-sonnet-5';
const user = (content: string) => ({ role: 'user' as const, content });
const weather = {
  name: 'get_weather',
  description: 'Tells the weather',
  input_schema: {
    type: 'object' as const,
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city'],
  },
};

let rehearsal: Rehearsal;
let key: string;
let credential: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  credential = 'sk-ant-sim-sound';
  // Its models are named, so that accounts made to fail elsewhere are never asked for them.
  await rehearsal.claudeAccount({ credentials: { apiKey: credential }, models: { allow: ['claude-*'] } });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  await rehearsal.recover();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

interface Options {
  readonly baseURL?: string;
  readonly apiKey?: string | null;
  readonly authToken?: string;
  readonly maxRetries?: number;
}

const SDKS = {
  '1.x': (options: Options) => new Anthropic({ maxRetries: 0, ...options }),
  '0.x': (options: Options) => new AnthropicZero({ maxRetries: 0, ...options }) as unknown as Anthropic,
};

/** What an SDK's error tells. */
interface Told {
  readonly constructor: { readonly name: string };
  readonly status: number | undefined;
  readonly headers: Headers | undefined;
  readonly error: { readonly error?: { readonly type: string; readonly message: string } } | undefined;
  readonly requestID: string | undefined;
  readonly message: string;
}

async function failureOf(asked: PromiseLike<unknown>): Promise<Told> {
  const answer = await asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ error: error as Told }),
  );
  if (!('error' in answer)) throw new Error(`It did not fail: ${JSON.stringify(answer.value)}`);
  return answer.error;
}

async function rowOf(headers: Headers | undefined): Promise<Record<string, unknown>> {
  const id = headers?.get('x-relay-request-id');
  return eventually(async () => {
    const [row] = await rehearsal.sql('select * from ledger where request_id = $1', [id]);
    if (row === undefined) throw new Error(`There is no ledger row ${id}`);
    return row;
  });
}

/** The row of the request that the simulator saw last. */
function rowOfLastSeen(): Promise<Record<string, unknown>> {
  return eventually(async () => {
    const { requestId } = lastSeen();
    const [row] = await rehearsal.sql('select * from ledger where upstream_request_id = $1', [requestId]);
    if (row === undefined) throw new Error(`There is no ledger row of ${requestId}`);
    return row;
  });
}

function lastSeen(): SimulatedRequest {
  const seen = rehearsal.simulator.requests.at(-1);
  if (seen === undefined) throw new Error('The simulator saw no request');
  return seen;
}

describe.each(Object.entries(SDKS))('@anthropic-ai/sdk %s through the relay', (version, sdk) => {
  const make = (options: Options = {}) => sdk({ baseURL: rehearsal.url, apiKey: key, ...options });
  const create = (text: string, more: Partial<Anthropic.MessageCreateParamsNonStreaming> = {}) =>
    make().messages.create({ model: MODEL, max_tokens: 300, messages: [user(text)], ...more });

  it.each([
    ['', 'apiKey'],
    ['', 'authToken'],
    ['/claude', 'apiKey'],
    ['/claude', 'authToken'],
  ])('creates a message at "%s", the key given as %s', async (prefix, as) => {
    const given = as === 'apiKey' ? { apiKey: key } : { apiKey: null, authToken: key };
    const client = sdk({ baseURL: `${rehearsal.url}${prefix}`, ...given });
    const { data: message, response } = await client.messages
      .create({ model: MODEL, max_tokens: 300, messages: [user('Hello [[sim: say="Good day, Ada."]]')] })
      .withResponse();

    expect(message).toMatchObject({ role: 'assistant', model: MODEL, stop_reason: 'end_turn' });
    expect(message.content).toMatchObject([{ type: 'text', text: 'Good day, Ada.' }]);
    expect(response.headers.get('request-id')).toBe(lastSeen().requestId);
    expect((message as { _request_id?: string })._request_id).toBe(lastSeen().requestId);
    expect(lastSeen()).toMatchObject({
      url: '/v1/messages',
      credential,
      credentialIn: 'x-api-key',
      status: 200,
    });
    expect(lastSeen().headers['anthropic-version']).toBe(version === '1.x' ? '2026-10-21' : '2023-06-01');
    expect(lastSeen().rawHeaders.join('\n')).not.toContain(key);
    expect(await rowOf(response.headers)).toMatchObject({
      outcome: 'completed',
      stream: false,
      input_tokens: String(message.usage.input_tokens),
      output_tokens: '3',
      upstream_request_id: lastSeen().requestId,
    });
  });

  it.each(['', '/claude'])('streams at "%s" the events the upstream sent, in its order', async (prefix) => {
    const stream = sdk({ baseURL: `${rehearsal.url}${prefix}`, apiKey: key }).messages.stream({
      model: MODEL,
      max_tokens: 300,
      messages: [user('[[sim: say="naïve 🙂 text" deltas=4 split=utf8 pings=2]]')],
    });
    const types: string[] = [];
    let text = '';
    stream.on('streamEvent', (event) => types.push(event.type));
    stream.on('text', (delta) => {
      text += delta;
    });
    const message = await stream.finalMessage();
    expect(text).toBe('naïve 🙂 text');
    expect(types).toEqual([
      'message_start',
      'content_block_start',
      ...Array.from({ length: 4 }, () => 'content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const { response } = await stream.withResponse();
    expect(await rowOf(response.headers)).toMatchObject({
      outcome: 'completed',
      stream: true,
      input_tokens: String(message.usage.input_tokens),
      output_tokens: '3',
      estimated: false,
    });
  });

  it('iterates over a stream that create() opens', async () => {
    const stream = await make().messages.create({
      model: MODEL,
      max_tokens: 300,
      stream: true,
      messages: [user('[[sim: say="one two three" deltas=3]]')],
    });
    let text = '';
    for await (const event of stream) {
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text;
    }
    expect(text).toBe('one two three');
  });

  it('calls a tool in a stream and takes its result in a second turn', async () => {
    const client = make();
    const messages: Anthropic.MessageParam[] = [user('Use get_weather for Łódź, please')];
    const body = { model: MODEL, max_tokens: 500, tools: [weather] };
    const first = await client.messages.stream({ ...body, messages }).finalMessage();
    expect(first.stop_reason).toBe('tool_use');
    const call = first.content.find((block) => block.type === 'tool_use');
    expect(call).toMatchObject({ name: 'get_weather', input: { days: 7 } });
    expect((call?.input as { city: string }).city).toContain('é🙂');

    const result = { type: 'tool_result' as const, tool_use_id: call?.id ?? '', content: 'rain, 7 °C' };
    const turns: Anthropic.MessageParam[] = [
      ...messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [result] },
    ];
    const second = await client.messages.create({ ...body, messages: turns });
    expect(second.content).toMatchObject([{ type: 'text', text: 'The tool answered: rain, 7 °C' }]);
  });

  it('thinks, and the signature returns byte for byte in a second turn', async () => {
    const client = make();
    const body = { model: MODEL, max_tokens: 3000, thinking: { type: 'adaptive' as const } };
    const first = await client.messages
      .stream({ ...body, messages: [user('[[sim: split=7 redacted]] think')] })
      .finalMessage();
    expect(first.content.map((block) => block.type)).toEqual(['thinking', 'redacted_thinking', 'text']);
    const [thought] = first.content;
    if (thought?.type !== 'thinking') throw new Error('There is no thinking block');
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
    // The simulator refuses any other signature, so the turn above came and went unchanged.
    const refused = await failureOf(again(`A${thought.signature.slice(1)}`));
    expect(refused.constructor.name).toBe('BadRequestError');
    expect(refused.message).toContain('Invalid `signature`');
    const [row] = await rehearsal.sql(
      `select * from ledger where reasoning_tokens > 0 order by request_id desc limit 1`,
    );
    expect(Number(row?.['output_tokens'])).toBeGreaterThan(Number(row?.['reasoning_tokens']));
  });

  it('counts tokens, free of charge, as the message is then billed', async () => {
    const body = { model: MODEL, system: 'Be brief.', messages: [user('How long is this?')] };
    const { data: counted, response } = await make().messages.countTokens(body).withResponse();
    const message = await make().messages.create({ ...body, max_tokens: 50 });
    expect(counted.input_tokens).toBe(7);
    expect(message.usage.input_tokens).toBe(7);
    expect(await rowOf(response.headers)).toMatchObject({
      lane: 'count',
      outcome: 'completed',
      input_tokens: '0',
      output_tokens: '0',
      cost_nanos: '0',
    });
  });

  it.each(['', '/claude'])('lists models over pages at "%s", and gets one', async (prefix) => {
    const before = await rehearsal.rowCount();
    const client = sdk({ baseURL: `${rehearsal.url}${prefix}`, apiKey: key });
    const ids: string[] = [];
    for await (const model of client.models.list({ limit: 5 })) ids.push(model.id);
    expect(ids.length).toBeGreaterThan(20);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain(MODEL);
    const page = await client.models.list({ limit: 5 });
    expect(page.data).toHaveLength(5);
    expect(page.has_more).toBe(true);

    await expect(client.models.retrieve(MODEL)).resolves.toMatchObject({ id: MODEL, type: 'model' });
    const missing = await failureOf(client.models.retrieve('claude-nonesuch'));
    expect(missing.constructor.name).toBe('NotFoundError');
    expect(await rehearsal.rowCount()).toBe(before);
  });

  it('says betas as its client does', async () => {
    const message = await make().beta.messages.create({
      model: MODEL,
      max_tokens: 100,
      betas: ['context-1m-2025-08-07', 'effort-2025-11-24'],
      messages: [user('[[sim: say=beta]]')],
    });
    expect(message.content).toMatchObject([{ text: 'beta' }]);
    expect(lastSeen().url).toBe(version === '1.x' ? '/v1/messages' : '/v1/messages?beta=true');
    expect(lastSeen().headers['anthropic-beta']).toBe('context-1m-2025-08-07,effort-2025-11-24');
    await make().beta.messages.countTokens({ model: MODEL, betas: ['x-1'], messages: [user('hi')] });
    expect(lastSeen().operation).toBe('anthropic:count_tokens');
  });

  it.each([
    [400, 'BadRequestError', 'invalid_request_error'],
    [404, 'NotFoundError', 'not_found_error'],
    [409, 'ConflictError', 'conflict_error'],
    [413, version === '1.x' ? 'ContentTooLargeError' : 'APIError', 'request_too_large'],
    [429, 'RateLimitError', 'rate_limit_error'],
    [500, 'InternalServerError', 'api_error'],
    [503, version === '1.x' ? 'ServiceUnavailableError' : 'InternalServerError', 'api_error'],
    [504, version === '1.x' ? 'GatewayTimeoutError' : 'InternalServerError', 'timeout_error'],
    [529, version === '1.x' ? 'OverloadedError' : 'InternalServerError', 'overloaded_error'],
  ])("passes the vendor's own %i on as %s, to create and to stream", async (status, name, type) => {
    const text = `[[sim: status=${status}]]`;
    const stream = make().messages.stream({ model: MODEL, max_tokens: 9, messages: [user(text)] });
    for (const asked of [create(text), stream.finalMessage()]) {
      const error = await failureOf(asked);
      expect(error.constructor.name).toBe(name);
      expect(error.status).toBe(status);
      expect(error.error).toMatchObject({ type: 'error', error: { type } });
      expect(error.requestID).toMatch(/^req_01\w{22}$/);
      expect(await rowOf(error.headers)).toMatchObject({
        status,
        outcome: [400, 404, 409, 413].includes(status) ? 'refused' : 'failed',
        output_tokens: '0',
        cost_nanos: '0',
      });
    }
  });

  it('waits as long as retry-after says, then succeeds', async () => {
    const began = performance.now();
    const message = await make({ maxRetries: 1 }).messages.create({
      model: MODEL,
      max_tokens: 50,
      messages: [user('[[sim: status=429 times=1 retry-after=1 say=patience]]')],
    });
    expect(message.content).toMatchObject([{ text: 'patience' }]);
    expect(rehearsal.simulator.requests.map((one) => one.status)).toEqual([429, 200]);
    // The SDK's own first back-off is half a second at most.
    expect(performance.now() - began).toBeGreaterThanOrEqual(990);
  });

  it.each([
    ['status=429 retry-after=99999999 retry-after-ms=99999999999 should-retry=false', '3600', null],
    ['status=429', '10', null],
    ['status=503 retry-after=99999999 should-retry=true', '3600', null],
    ['status=529 retry-after-ms=99999999999 should-retry=true', '3600', 'true'],
    ['status=500', null, null],
    ['status=409 retry-after=99999999', null, null],
  ])('tells a wait of its own, an hour at most: %s', async (fault, wait, shouldRetry) => {
    const { headers } = await failureOf(create(`[[sim: ${fault}]]`));
    expect(headers?.get('retry-after')).toBe(wait);
    expect(headers?.get('retry-after-ms')).toBeNull();
    expect(headers?.get('x-should-retry')).toBe(shouldRetry);
  });

  it('refuses a key that is missing, wrong, or closed to this door, in the error class of each', async () => {
    const ask = (client: Anthropic) =>
      failureOf(client.messages.create({ model: MODEL, max_tokens: 9, messages: [user('hi')] }));
    const before = await rehearsal.rowCount();

    const wrong = await ask(make({ apiKey: `rk_${'x'.repeat(43)}` }));
    expect(wrong.constructor.name).toBe('AuthenticationError');
    expect(wrong.error).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });

    const closed = (await rehearsal.key({ scopes: ['gemini'] })).key;
    const shut = await ask(make({ apiKey: closed }));
    expect(shut.constructor.name).toBe('PermissionDeniedError');
    expect(shut.error).toMatchObject({ error: { type: 'permission_error' } });

    const one = (await rehearsal.key({ models: ['claude-haiku-*'] })).key;
    const unknown = await ask(make({ apiKey: one }));
    expect(unknown.constructor.name).toBe('NotFoundError');
    expect(unknown.error).toMatchObject({ error: { type: 'not_found_error' } });

    expect(rehearsal.simulator.requests).toHaveLength(0);
    expect(await rehearsal.rowCount()).toBe(before);
  });

  it('refuses a body that is no call with the name of the field, and asks nobody', async () => {
    const { max_tokens: _, ...without } = { model: MODEL, max_tokens: 1, messages: [user('hi')] };
    const error = await failureOf(
      make().messages.create(without as Anthropic.MessageCreateParamsNonStreaming, { timeout: 5000 }),
    );
    expect(error.constructor.name).toBe('BadRequestError');
    expect(error.error?.error?.message).toContain('max_tokens');
    expect(rehearsal.simulator.requests).toHaveLength(0);
  });

  it("never shows an account's trouble as the client's own: 401, 402, 403, low credit become 503", async () => {
    for (const fault of ['status=401', 'status=402', 'status=403', 'status=400 reason=low-credit']) {
      const name = `claude-sim-${version.replace('.', '')}-${fault.replace(/\W+/g, '-')}`;
      await rehearsal.claudeAccount({ models: { map: { [name]: name }, allow: [] }, priority: 1 });
      const error = await failureOf(create(`[[sim: ${fault}]]`, { model: name }));
      expect(error.constructor.name).toBe(
        version === '1.x' ? 'ServiceUnavailableError' : 'InternalServerError',
      );
      expect(error.status).toBe(503);
      expect(error.headers?.get('x-should-retry')).toBe('false');
      expect(await rowOf(error.headers)).toMatchObject({ outcome: 'failed' });
    }
  });

  it('meets a connection that breaks: before the head, inside a JSON body, inside a stream', async () => {
    const early = await failureOf(create('[[sim: reset=head]]'));
    expect(early.constructor.name).toBe('InternalServerError');
    expect(early.status).toBe(502);

    const torso = await failureOf(create('[[sim: large=3mb fin=2000000b]]'));
    // Both majors let fetch's own error through when a body breaks; what counts is that it is no message.
    expect(torso.constructor.name).toBe('TypeError');
    expect(torso.message).toBe('terminated');
    expect(torso.status).toBeUndefined();
    expect(await rowOfLastSeen()).toMatchObject({ outcome: 'partial', status: 200 });

    const stream = make().messages.stream({
      model: MODEL,
      max_tokens: 99,
      messages: [user('[[sim: deltas=9 fin=5]]')],
    });
    const told = await failureOf(stream.finalMessage());
    expect(told.error).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    expect(await rowOfLastSeen()).toMatchObject({ outcome: 'partial', reason: 'reset', estimated: true });
  });

  it("passes the vendor's error event on, and tells of a stream that ended early", async () => {
    const ask = (directive: string) =>
      failureOf(
        make()
          .messages.stream({ model: MODEL, max_tokens: 99, messages: [user(`[[sim: ${directive}]]`)] })
          .finalMessage(),
      );
    expect((await ask('error=4')).error).toMatchObject({ error: { type: 'overloaded_error' } });
    expect(await rowOfLastSeen()).toMatchObject({ outcome: 'partial', reason: 'overloaded_error' });
    expect((await ask('end=5')).error).toMatchObject({ error: { type: 'api_error' } });
    expect(await rowOfLastSeen()).toMatchObject({ outcome: 'partial', reason: 'truncated' });

    // Plain iteration ends without any error when a stream only stops: it must not.
    const stream = await make().messages.create({
      model: MODEL,
      max_tokens: 99,
      stream: true,
      messages: [user('[[sim: deltas=9 end=5]]')],
    });
    const iterated = (async () => {
      for await (const event of stream) void event;
    })();
    expect((await failureOf(iterated)).error).toMatchObject({ error: { type: 'api_error' } });
  });

  it('aborts a stream: the upstream is left at once, and what was seen is booked', async () => {
    const stream = await make().messages.create({
      model: MODEL,
      max_tokens: 999,
      stream: true,
      messages: [user('sixteen letters.[[sim: marker=leave deltas=500 every=10]]')],
    });
    let seen = 0;
    for await (const event of stream) if (event.type === 'content_block_delta' && ++seen === 3) break;
    await eventually(() => expect(rehearsal.simulator.find('leave')?.ended).toBe('client-closed'));
    const row = await rowOfLastSeen();
    expect(row).toMatchObject({
      outcome: 'client-left',
      estimated: true,
      status: 200,
      input_tokens: '4',
    });
    expect(Number(row['output_tokens'])).toBeGreaterThan(1);
    expect(BigInt(row['cost_nanos'] as string)).toBeGreaterThan(0n);
    expect(rehearsal.simulator.inFlight()).toBe(0);
  });

  it('aborts a request that waits for its head: the upstream is left at once', async () => {
    const abort = new AbortController();
    const asked = make().messages.create(
      { model: MODEL, max_tokens: 9, messages: [user('[[sim: marker=pending hang=head]]')] },
      { signal: abort.signal },
    );
    const error = failureOf(asked);
    await eventually(() => expect(rehearsal.simulator.inFlight(credential)).toBe(1));
    abort.abort();
    expect((await error).constructor.name).toBe('APIUserAbortError');
    await eventually(() => expect(rehearsal.simulator.find('pending')?.ended).toBe('client-closed'));
    await eventually(async () => {
      const [row] = await rehearsal.sql('select * from ledger order by request_id desc limit 1');
      expect(row).toMatchObject({ outcome: 'client-left', status: null, cost_nanos: '0' });
    });
  });
});

describe('what Claude Code asks beside', () => {
  it.each(['/api/hello', '/claude/api/hello'])('answers HEAD and GET %s without a key', async (path) => {
    for (const method of ['HEAD', 'GET']) {
      const answer = await fetch(`${rehearsal.url}${path}`, { method });
      expect(answer.status).toBe(200);
    }
    expect(rehearsal.simulator.requests).toHaveLength(0);
  });
});
