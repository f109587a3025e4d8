import AnthropicBedrock from '@anthropic-ai/bedrock-sdk';
import type Anthropic from '@anthropic-ai/sdk';
import {
  BedrockRuntimeClient,
  type BedrockRuntimeServiceException,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  type ConverseStreamOutput,
  CountTokensCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
  type ResponseStream,
} from '@aws-sdk/client-bedrock-runtime';
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { SimulatedRequest } from '../../src/simulator/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/** AWS' SDK with either of its handlers, and Anthropic's for Bedrock, unmodified but for address and key. */

const CLAUDE = 'us.anthropic.claude-sonnet-5';
const NOVA = 'us.amazon.nova-2-lite-v1:0';
const WEATHER = {
  name: 'get_weather',
  description: 'Tells the weather',
  schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  // So that Bedrock shows whether an SDK's abort is seen; what drains is another test's.
  await rehearsal.bedrockAccount({ onClientLeave: 'cancel' });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

function lastSeen(): SimulatedRequest {
  const seen = rehearsal.simulator.requests.at(-1);
  if (seen === undefined) throw new Error('The simulator saw no request');
  return seen;
}

async function failureOf<T>(asked: PromiseLike<unknown>): Promise<T> {
  const answer = await asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ error: error as T }),
  );
  if (!('error' in answer)) throw new Error(`It did not fail: ${JSON.stringify(answer.value)}`);
  return answer.error;
}

async function all<T>(stream: AsyncIterable<T> | undefined): Promise<T[]> {
  const events: T[] = [];
  for await (const event of stream ?? []) events.push(event);
  return events;
}

/** A wire between a client and the relay that can be cut. */
class Wire {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async to(url: string): Promise<Wire> {
    const { hostname, port } = new URL(url);
    const server = createServer((near) => {
      const far = connect(Number(port), hostname);
      for (const socket of [near, far]) {
        wire.sockets.add(socket.on('error', () => undefined));
      }
      near.pipe(far).pipe(near);
    });
    const wire = new Wire(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

const HANDLERS = {
  // The one that the client takes by itself.
  'HTTP/2': () => new NodeHttp2Handler(),
  'HTTP/1.1': () => new NodeHttpHandler(),
};

describe.each(Object.entries(HANDLERS))('@aws-sdk/client-bedrock-runtime over %s', (version, handler) => {
  const clients: BedrockRuntimeClient[] = [];
  const make = (prefix = '/bedrock', token = key, url = rehearsal.url): BedrockRuntimeClient => {
    const client = new BedrockRuntimeClient({
      endpoint: `${url}${prefix}`,
      region: 'us-east-1',
      token: { token },
      authSchemePreference: ['httpBearerAuth'],
      maxAttempts: 1,
      requestHandler: handler(),
    });
    clients.push(client);
    return client;
  };
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
  });

  const invoke = (text: string, more: object = {}) => ({
    modelId: CLAUDE,
    body: JSON.stringify({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 300,
      messages: [{ role: 'user', content: text }],
      ...more,
    }),
  });
  const converse = (text: string, more: Partial<ConverseCommandInput> = {}): ConverseCommandInput => ({
    modelId: NOVA,
    messages: [{ role: 'user', content: [{ text }] }],
    inferenceConfig: { maxTokens: 300 },
    ...more,
  });
  const eventsIn = (parts: readonly ResponseStream[]): Anthropic.MessageStreamEvent[] =>
    parts.map(
      ({ chunk }) => JSON.parse(Buffer.from(chunk?.bytes ?? []).toString()) as Anthropic.MessageStreamEvent,
    );
  const textOf = (parts: readonly ConverseStreamOutput[]): string =>
    parts.map(({ contentBlockDelta }) => contentBlockDelta?.delta?.text ?? '').join('');

  it.each(['/bedrock', ''])('invokes a model at "%s"', async (prefix) => {
    const answer = await make(prefix).send(new InvokeModelCommand(invoke('[[sim: say="Good day, Ada."]]')));
    const message = JSON.parse(Buffer.from(answer.body).toString()) as Anthropic.Message;
    expect(message.content).toMatchObject([{ type: 'text', text: 'Good day, Ada.' }]);
    expect(answer.contentType).toBe('application/json');
    expect(answer.$metadata.requestId).toBe(lastSeen().requestId);
    expect(lastSeen()).toMatchObject({ url: `/model/${encodeURIComponent(CLAUDE)}/invoke`, status: 200 });
    expect(await rehearsal.lastRow()).toMatchObject({
      door: 'bedrock',
      outcome: 'completed',
      upstream_request_id: lastSeen().requestId,
    });
  });

  it('invokes one with a stream, event by event', async () => {
    const said = 'naïve 川 🙂 and the rest of it';
    const { body } = await make().send(
      new InvokeModelWithResponseStreamCommand(invoke(`[[sim: say="${said}" deltas=9 every=5 split=7]]`)),
    );
    const events = eventsIn(await all(body));
    expect(events.at(0)?.type).toBe('message_start');
    expect(events.at(-1)?.type).toBe('message_stop');
    const text = events.map((event) =>
      event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : '',
    );
    expect(text.join('')).toBe(said);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', stream: true });
  });

  it('converses, with a tool and its result', async () => {
    const toolConfig = {
      tools: [
        {
          toolSpec: {
            name: WEATHER.name,
            description: WEATHER.description,
            inputSchema: { json: WEATHER.schema },
          },
        },
      ],
    };
    const asked = converse('[[sim: tool=get_weather]]', { toolConfig });
    const first = await make().send(new ConverseCommand(asked));
    const call = first.output?.message?.content?.find(({ toolUse }) => toolUse !== undefined)?.toolUse;
    expect([first.stopReason, call?.name]).toEqual(['tool_use', 'get_weather']);
    const result = {
      toolResult: { toolUseId: call?.toolUseId ?? '', content: [{ text: 'It rains' }] },
    };
    const second = await make().send(
      new ConverseCommand({
        ...asked,
        messages: [...asked.messages!, first.output!.message!, { role: 'user', content: [result] }],
      }),
    );
    expect(second.stopReason).toBe('end_turn');
    expect(second.usage?.totalTokens).toBe(second.usage!.inputTokens! + second.usage!.outputTokens!);
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: String(second.usage?.inputTokens),
      output_tokens: String(second.usage?.outputTokens),
    });
  });

  it.each([NOVA, CLAUDE])('converses with a stream, and reads on to its metadata: %s', async (modelId) => {
    const { stream } = await make().send(
      new ConverseStreamCommand(converse('[[sim: say="one two three" deltas=3 every=5]]', { modelId })),
    );
    const parts = await all(stream);
    expect(textOf(parts)).toBe('one two three');
    const usage = parts.at(-1)?.metadata?.usage;
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: String(usage?.inputTokens),
      output_tokens: String(usage?.outputTokens),
    });
  });

  it('counts tokens, of either kind of call, and pays nothing', async () => {
    const { messages } = converse('How many?');
    const counts = await Promise.all(
      [{ converse: { messages } }, { invokeModel: { body: Buffer.from(invoke('How many?').body) } }].map(
        (input) => make().send(new CountTokensCommand({ modelId: CLAUDE, input: input })),
      ),
    );
    for (const { inputTokens } of counts) expect(inputTokens).toBeGreaterThan(0);
    expect(await rehearsal.lastRow()).toMatchObject({ lane: 'count', cost_nanos: '0' });
  });

  it('has many streams at once', async () => {
    const client = make();
    const texts = Array.from({ length: 30 }, (_, at) => `stream ${at} of thirty`);
    const told = await Promise.all(
      texts.map(async (text) => {
        const { stream } = await client.send(
          new ConverseStreamCommand(converse(`[[sim: say="${text}" deltas=4 every=5]]`)),
        );
        return textOf(await all(stream));
      }),
    );
    expect(told).toEqual(texts);
  });

  it.each([
    ['status=400 message="Bad input"', 'ValidationException', 400, 'Bad input'],
    ['status=424', 'ModelErrorException', 424, /./],
    ['status=500', 'InternalServerException', 500, /./],
    ['status=503', 'ServiceUnavailableException', 503, /./],
  ])('throws what the upstream refuses by its class: %s', async (directive, name, status, message) => {
    const failure = await failureOf<BedrockRuntimeServiceException>(
      make().send(new ConverseCommand(converse(`[[sim: ${directive}]]`))),
    );
    expect(failure).toMatchObject({
      name,
      message: expect.stringMatching(message) as string,
      $metadata: { httpStatusCode: status, requestId: lastSeen().requestId },
    });
    expect(failure.constructor.name).toBe(name);
  });

  it('throws what the relay refuses by its class', async () => {
    const ask = (client: BedrockRuntimeClient, modelId = NOVA) =>
      failureOf<BedrockRuntimeServiceException>(
        client.send(new ConverseCommand(converse('Hi', { modelId }))),
      );
    expect(await ask(make('/bedrock', 'rk_wrong'))).toMatchObject({
      name: 'UnrecognizedClientException',
      $metadata: { httpStatusCode: 401, requestId: expect.stringMatching(/^[0-9a-f]{8}-/) as string },
    });
    const other = (await rehearsal.key({ scopes: ['claude'] })).key;
    const denied = await ask(make('/bedrock', other));
    expect([denied.constructor.name, denied.$metadata.httpStatusCode]).toEqual([
      'AccessDeniedException',
      403,
    ]);
    const unknown = await ask(make(), 'nobody-knows-it');
    expect([unknown.constructor.name, unknown.$metadata.httpStatusCode]).toEqual([
      'ResourceNotFoundException',
      404,
    ]);
    const invalid = await ask(make(), 'a#b');
    expect([invalid.constructor.name, invalid.message]).toEqual([
      'ValidationException',
      expect.stringMatching(/^model: /),
    ]);
    expect(rehearsal.simulator.requests).toEqual([]);
  });

  it('is told to use the key when it signs instead', async () => {
    const client = new BedrockRuntimeClient({
      endpoint: `${rehearsal.url}/bedrock`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIASIMCLIENT', secretAccessKey: 'secret' },
      maxAttempts: 1,
      requestHandler: handler(),
    });
    clients.push(client);
    const failure = await failureOf<BedrockRuntimeServiceException>(
      client.send(new ConverseCommand(converse('Hi'))),
    );
    expect([failure.$metadata.httpStatusCode, failure.message]).toEqual([
      401,
      expect.stringContaining('AWS_BEARER_TOKEN_BEDROCK'),
    ]);
  });

  it.each([
    ['error=4 type=ThrottlingException message="Slow down"', 'ThrottlingException', 'Slow down'],
    ['reset=4 every=5', 'ModelStreamErrorException', 'The upstream broke off'],
    ['bad-crc=4', 'ModelStreamErrorException', 'The upstream ended its answer early'],
    ['giant=4', 'ModelStreamErrorException', 'The upstream ended its answer early'],
    ['torn=4', 'ModelStreamErrorException', 'The upstream ended its answer early'],
  ])('throws in the middle of a stream by the class of the exception: %s', async (directive, name, text) => {
    const { stream } = await make().send(
      new ConverseStreamCommand(converse(`[[sim: say="one two three four five" deltas=5 ${directive}]]`)),
    );
    const parts: ConverseStreamOutput[] = [];
    const failure = await failureOf<Error>(
      (async () => {
        for await (const part of stream!) parts.push(part);
      })(),
    );
    expect([failure.constructor.name, failure.message]).toEqual([name, text]);
    expect(textOf(parts)).not.toBe('');
    expect((await rehearsal.lastRow())['outcome']).toMatch(/^(partial|unknown)$/);
  });

  const broken = async (client: BedrockRuntimeClient, leave: () => void, abortSignal?: AbortSignal) => {
    const { stream } = await client.send(
      new ConverseStreamCommand(converse('[[sim: deltas=400 every=20]]')),
      abortSignal && { abortSignal },
    );
    await failureOf(
      (async () => {
        for await (const _part of stream!) leave();
        throw new Error('The stream just ended');
      })(),
    );
    await eventually(() => expect(lastSeen()).toMatchObject({ ended: 'client-closed' }));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left' });
  };

  it('cancels the upstream when its connection goes', async () => {
    const wire = await Wire.to(rehearsal.url);
    try {
      await broken(make('/bedrock', key, wire.url), () => wire.cut());
    } finally {
      await wire.close();
    }
  });

  // Over HTTP/2 the SDK tells nobody that it aborts: it reads the stream to its end (3.1164).
  if (version === 'HTTP/1.1') {
    it('cancels the upstream when it aborts', async () => {
      const leaving = new AbortController();
      await broken(make(), () => leaving.abort(), leaving.signal);
    });
  }
});

describe('@anthropic-ai/bedrock-sdk', () => {
  const make = (apiKey = key): AnthropicBedrock =>
    new AnthropicBedrock({
      baseURL: `${rehearsal.url}/bedrock`,
      apiKey,
      awsRegion: 'us-east-1',
      maxRetries: 0,
    });
  const ask = (text: string) => ({
    model: CLAUDE,
    max_tokens: 300,
    messages: [{ role: 'user' as const, content: text }],
  });

  it('creates a message, and streams one', async () => {
    const message = await make().messages.create(ask('[[sim: say="Good day, Ada."]]'));
    expect(message.content).toMatchObject([{ type: 'text', text: 'Good day, Ada.' }]);
    const stream = make().messages.stream(ask('[[sim: say="one two three" deltas=3 every=5]]'));
    const final = await stream.finalMessage();
    expect(final.content).toMatchObject([{ type: 'text', text: 'one two three' }]);
    expect(lastSeen().url).toBe(`/model/${encodeURIComponent(CLAUDE)}/invoke-with-response-stream`);
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: String(final.usage.input_tokens),
      output_tokens: String(final.usage.output_tokens),
    });
  });

  it('calls a tool', async () => {
    const { name, description, schema } = WEATHER;
    const tools = [{ name, description, input_schema: schema as Anthropic.Tool.InputSchema }];
    const message = await make().messages.create({ ...ask('[[sim: tool=get_weather]]'), tools });
    expect(message).toMatchObject({ stop_reason: 'tool_use' });
    expect(message.content.at(-1)).toMatchObject({ type: 'tool_use', name });
  });

  it('throws by status, before the answer and within', async () => {
    type Failure = InstanceType<typeof Anthropic.APIError>;
    const refused = await failureOf<Failure>(
      make().messages.create(ask('[[sim: status=400 message="Bad"]]')),
    );
    expect([refused.constructor.name, refused.status]).toEqual(['BadRequestError', 400]);
    const wrong = await failureOf<Failure>(make('rk_wrong').messages.create(ask('Hi')));
    expect([wrong.constructor.name, wrong.status]).toEqual(['AuthenticationError', 401]);
    const broken = await failureOf<Failure>(
      make().messages.stream(ask('[[sim: deltas=9 error=4 message="Gone wrong"]]')).finalMessage(),
    );
    expect(broken.message).toContain('Gone wrong');
  });

  it('cancels the upstream when it aborts', async () => {
    const stream = await make().messages.create({ ...ask('[[sim: deltas=400 every=20]]'), stream: true });
    for await (const _event of stream) break;
    await eventually(() => expect(lastSeen()).toMatchObject({ ended: 'client-closed' }));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left' });
  });
});
