import AnthropicBedrock from '@anthropic-ai/bedrock-sdk';
import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  type ConverseStreamOutput,
  CountTokensCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
  type Message,
} from '@aws-sdk/client-bedrock-runtime';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';

/** AWS' own SDK against the simulated Bedrock runtime: it decodes every frame, and checks every checksum. */

const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const NOVA = 'us.amazon.nova-2-lite-v1:0';
const QWEN = 'qwen.qwen3-32b-v1:0';
const ARN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2';
const KEYS = { accessKeyId: 'AKIASIMTEST', secretAccessKey: 'simulator-secret-AKIASIMTEST' };

let simulator: Simulator;
let bearer: BedrockRuntimeClient;
let signing: BedrockRuntimeClient;

const base = () => ({
  endpoint: simulator.url,
  region: 'us-east-1',
  maxAttempts: 1,
  requestHandler: new NodeHttpHandler(),
});
const withToken = (token: string) =>
  new BedrockRuntimeClient({ ...base(), token: { token }, authSchemePreference: ['httpBearerAuth'] });
const withKeys = (credentials: typeof KEYS & { sessionToken?: string }, more: object = {}) =>
  new BedrockRuntimeClient({ ...base(), credentials, authSchemePreference: ['sigv4'], ...more });

beforeAll(async () => {
  simulator = await startSimulator();
  bearer = withToken('bedrock-api-key-sim-1');
  signing = withKeys(KEYS);
});
afterEach(() => simulator.clear());
afterAll(async () => {
  bearer.destroy();
  signing.destroy();
  await simulator.close();
});

const said = (text: string): Message[] => [{ role: 'user', content: [{ text }] }];
const asks = (directive: string, more: Partial<ConverseCommandInput> = {}): ConverseCommandInput => ({
  modelId: NOVA,
  messages: said(`Well?[[sim: ${directive}]]`),
  ...more,
});
const WEATHER = {
  toolSpec: {
    name: 'get_weather',
    inputSchema: { json: { type: 'object', properties: { city: { type: 'string' } } } },
  },
};
const REASONING = {
  additionalModelRequestFields: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } },
};

async function eventsOf(input: ConverseCommandInput, client = bearer): Promise<ConverseStreamOutput[]> {
  const { stream } = await client.send(new ConverseStreamCommand(input));
  const events: ConverseStreamOutput[] = [];
  for await (const event of stream ?? []) events.push(event);
  return events;
}

async function failureOf(
  asked: Promise<unknown>,
): Promise<Error & { $metadata?: { httpStatusCode?: number } }> {
  const answer = await asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in answer) return answer.error as Error;
  throw new Error(`It did not fail: ${JSON.stringify(answer.value)}`);
}

const invokeBody = (more: object = {}) =>
  JSON.stringify({
    anthropic_version: 'bedrock-2023-05-31',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Well?[[sim: say="naïve 川 🙂" input-tokens=20 cached-tokens=5]]' }],
    ...more,
  });
const invoking = (body: string, modelId = CLAUDE) => new InvokeModelCommand({ modelId, body });

describe('Converse', () => {
  it('answers a document whose usage leaves the cache out of the input', async () => {
    const answer = await bearer.send(
      new ConverseCommand(asks('say="naïve 川 🙂" input-tokens=100 cached-tokens=7 output-tokens=23')),
    );
    expect(answer.output?.message).toEqual({ role: 'assistant', content: [{ text: 'naïve 川 🙂' }] });
    expect(answer.stopReason).toBe('end_turn');
    expect(answer.usage).toEqual({
      inputTokens: 100,
      cacheReadInputTokens: 7,
      cacheWriteInputTokens: 0,
      outputTokens: 23,
      totalTokens: 130,
    });
    expect(answer.$metadata.requestId).toBe(simulator.requests[0]?.requestId);
  });

  it('streams its events in the documented order, metadata after messageStop', async () => {
    const events = await eventsOf(
      asks('say="It is" tool=get_weather thinking="Hm hm"', {
        toolConfig: { tools: [WEATHER] },
        ...REASONING,
      }),
    );
    const names = events.map((event) => Object.keys(event)[0]);
    expect(names[0]).toBe('messageStart');
    expect(names.slice(-3)).toEqual(['contentBlockStop', 'messageStop', 'metadata']);
    expect(events.filter((event) => event.contentBlockStart !== undefined)).toMatchObject([
      { contentBlockStart: { contentBlockIndex: 2, start: { toolUse: { name: 'get_weather' } } } },
    ]);
    const deltas = events.map(({ contentBlockDelta }) => contentBlockDelta?.delta);
    expect(deltas.map((delta) => delta?.reasoningContent?.text ?? '').join('')).toBe('Hm hm');
    expect(deltas.filter((delta) => delta?.reasoningContent?.signature !== undefined)).toHaveLength(1);
    expect(deltas.map((delta) => delta?.text ?? '').join('')).toBe('It is');
    const input = deltas.map((delta) => delta?.toolUse?.input ?? '').join('');
    expect(JSON.parse(input)).toEqual({ city: expect.stringContaining('é🙂') as unknown });
    expect(events.at(-2)?.messageStop?.stopReason).toBe('tool_use');
  });

  it('wants what was thought back as it was given, and the results of every call', async () => {
    const tools = { toolConfig: { tools: [WEATHER] }, ...REASONING };
    const ask = asks('tool=get_weather', tools);
    const first = (await bearer.send(new ConverseCommand(ask))).output?.message;
    const toolUseId = first?.content?.find((block) => block.toolUse)?.toolUse?.toolUseId;
    const result = {
      role: 'user' as const,
      content: [{ toolResult: { toolUseId, content: [{ text: 'Sun' }] } }],
    };
    const turn = (answer: unknown, last: unknown = result) =>
      bearer.send(
        new ConverseCommand({ ...ask, messages: [...ask.messages!, answer as Message, last as Message] }),
      );
    const second = await turn(first);
    expect(second.output?.message?.content?.at(-1)).toEqual({ text: 'The tool answered: Sun' });
    const forged = structuredClone(first)!;
    forged.content![0]!.reasoningContent!.reasoningText!.text += '!';
    expect((await failureOf(turn(forged))).message).toContain('unmodified');
    expect((await failureOf(turn(first, said('no')[0]))).message).toContain('Expected toolResult blocks');
  });

  it('writes what is before a cache point to the cache, and reads it the next time', async () => {
    const system = [
      { text: 'x'.repeat(400) },
      { cachePoint: { type: 'default' as const, ttl: '1h' as const } },
    ];
    const usages = [];
    for (const _ of [1, 2])
      usages.push((await bearer.send(new ConverseCommand(asks('say=a', { system })))).usage);
    expect(usages[0]).toMatchObject({
      inputTokens: 2,
      cacheWriteInputTokens: 100,
      cacheDetails: [{ ttl: '1h', inputTokens: 100 }],
    });
    expect(usages[1]).toMatchObject({ inputTokens: 2, cacheReadInputTokens: 100, cacheWriteInputTokens: 0 });
  });

  it('fills a JSON schema where the model takes one, and refuses it elsewhere', async () => {
    const schema = JSON.stringify({ type: 'object', properties: { zone: { type: 'string' } } });
    const outputConfig = {
      textFormat: { type: 'json_schema' as const, structure: { jsonSchema: { schema, name: 'zone' } } },
    };
    const answer = await bearer.send(new ConverseCommand(asks('latency=0', { modelId: QWEN, outputConfig })));
    expect(JSON.parse(answer.output?.message?.content?.[0]?.text ?? '')).toEqual({ zone: 'sim zone' });
    const refused = await failureOf(bearer.send(new ConverseCommand(asks('latency=0', { outputConfig }))));
    expect(refused.name).toBe('ValidationException');
  });

  it.each<[string, Partial<ConverseCommandInput>, string]>([
    ['two turns of one role', { messages: [...said('a'), ...said('b')] }, 'must alternate'],
    ['an answer first', { messages: [{ role: 'assistant', content: [{ text: 'a' }] }] }, 'start with a user'],
    ['a blank text', { messages: said(' ') }, 'messages.0.content.0 is blank'],
    ['no content', { messages: [{ role: 'user', content: [] }] }, 'messages.0 is empty'],
    ['no tokens', { inferenceConfig: { maxTokens: 0 } }, 'inferenceConfig.maxTokens'],
    ['too hot', { inferenceConfig: { temperature: 1.5 } }, 'inferenceConfig.temperature'],
    ['no tools', { toolConfig: { tools: [] } }, 'toolConfig.tools'],
    [
      'a call without tools',
      {
        messages: [
          ...said('a'),
          { role: 'assistant', content: [{ toolUse: { toolUseId: 't1', name: 'x', input: {} } }] },
        ],
      },
      'toolConfig field must be defined',
    ],
    [
      'a document alone',
      {
        messages: [
          {
            role: 'user',
            content: [{ document: { name: 'a b', format: 'txt', source: { bytes: Buffer.from('a') } } }],
          },
        ],
      },
      'a document needs one',
    ],
    [
      'a document with a bad name',
      {
        messages: [
          {
            role: 'user',
            content: [
              { text: 'a' },
              { document: { name: 'a.txt', format: 'txt', source: { bytes: Buffer.from('a') } } },
            ],
          },
        ],
      },
      'The file name can only contain',
    ],
    [
      'a field of another family',
      { additionalModelRequestFields: { thinking: {} } },
      'extraneous key [thinking]',
    ],
    ['an unknown model', { modelId: 'amazon.no-such' }, 'model identifier is invalid'],
    ['a model that wants a profile', { modelId: CLAUDE.slice(3) }, 'on-demand throughput'],
  ])('refuses %s', async (_, more, message) => {
    const failure = await failureOf(bearer.send(new ConverseCommand(asks('say=a', more))));
    expect([failure.name, failure.$metadata?.httpStatusCode]).toEqual(['ValidationException', 400]);
    expect(failure.message).toContain(message);
  });
});

describe('InvokeModel', () => {
  it('answers Claude’s own document, and counts in headers, too', async () => {
    const { body } = await bearer.send(invoking(invokeBody()));
    expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({
      id: expect.stringMatching(/^msg_bdrk_/) as unknown,
      model: 'claude-sonnet-4-5-20250929',
      content: [{ type: 'text', text: 'naïve 川 🙂' }],
      usage: { input_tokens: 20, cache_read_input_tokens: 5 },
    });
    const raw = await fetch(`${simulator.url}/model/${encodeURIComponent(CLAUDE)}/invoke`, {
      method: 'POST',
      headers: { authorization: 'Bearer bedrock-api-key-sim-1', 'content-type': 'application/json' },
      body: invokeBody(),
    });
    expect(raw.headers.get('x-amzn-bedrock-input-token-count')).toBe('20');
    expect(raw.headers.get('x-amzn-requestid')).not.toBeNull();
  });

  it('streams chunks of Anthropic’s events without pings, the metrics on the last', async () => {
    const { body } = await signing.send(
      new InvokeModelWithResponseStreamCommand({ modelId: CLAUDE, body: invokeBody() }),
    );
    const events = [];
    for await (const event of body ?? []) {
      events.push(JSON.parse(Buffer.from(event.chunk?.bytes ?? []).toString()) as { type: string });
    }
    expect(events.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(events.at(-1)).toMatchObject({
      'amazon-bedrock-invocationMetrics': {
        inputTokenCount: 20,
        cacheReadInputTokenCount: 5,
        outputTokenCount: 3,
      },
    });
  });

  it('serves @anthropic-ai/bedrock-sdk', async () => {
    const client = new AnthropicBedrock({
      baseURL: simulator.url,
      apiKey: 'bedrock-api-key-sim-1',
      awsRegion: 'us-east-1',
      maxRetries: 0,
    });
    const stream = client.messages.stream({
      model: 'us.anthropic.claude-opus-4-8',
      max_tokens: 50,
      messages: [{ role: 'user', content: 'Well?[[sim: say=Fine]]' }],
    });
    expect((await stream.finalMessage()).content).toMatchObject([{ text: 'Fine' }]);
  });

  it.each([
    [{ model: 'x' }, 'extraneous key [model]'],
    [{ stream: true }, 'extraneous key [stream]'],
    [{ anthropic_version: undefined }, 'required key [anthropic_version]'],
    [{ anthropic_version: '2023-06-01' }, '#/anthropic_version'],
    [{ anthropic_version: '2026-10-21' }, '#/anthropic_version'],
    [{ anthropic_beta: ['oauth-2025-04-20'] }, 'invalid beta flag'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ messages: [] }, 'at least one message'],
  ])('refuses %j', async (more, message) => {
    const failure = await failureOf(bearer.send(invoking(invokeBody(more))));
    expect([failure.name, failure.$metadata?.httpStatusCode]).toEqual(['ValidationException', 400]);
    expect(failure.message).toContain(message);
  });
});

describe('CountTokens', () => {
  it('counts either body', async () => {
    const converse = { messages: said('sixteen letters.') };
    const counted = await bearer.send(new CountTokensCommand({ modelId: NOVA, input: { converse } }));
    expect(counted.inputTokens).toBe(4);
    const body = invokeBody({ messages: [{ role: 'user', content: 'sixteen letters.' }] });
    const input = { invokeModel: { body: Buffer.from(body) } };
    expect((await bearer.send(new CountTokensCommand({ modelId: CLAUDE, input }))).inputTokens).toBe(4);
  });
});

describe('who may call', () => {
  const asking = (client: BedrockRuntimeClient, modelId = NOVA) =>
    client.send(new ConverseCommand(asks('say=a', { modelId })));

  it('is known by a signature, for any way to write a model', async () => {
    for (const modelId of [NOVA, ARN]) expect((await asking(signing, modelId)).stopReason).toBe('end_turn');
    expect(simulator.requests.map((one) => one.credential)).toEqual(['AKIASIMTEST', 'AKIASIMTEST']);
    expect(simulator.requests[1]?.url).toBe(`/model/${encodeURIComponent(ARN)}/converse`);
  });

  it('may be refused for a wrong or revoked key', async () => {
    expect((await failureOf(asking(withToken('other')))).message).toContain('API Key is valid');
    expect(await failureOf(asking(withKeys({ ...KEYS, secretAccessKey: 'x' })))).toMatchObject({
      name: 'InvalidSignatureException',
    });
    const unknown = { accessKeyId: 'AKIAOTHER', secretAccessKey: 'simulator-secret-AKIAOTHER' };
    expect((await failureOf(asking(withKeys(unknown)))).name).toBe('UnrecognizedClientException');
    simulator.revoke('AKIASIMTEST');
    expect((await failureOf(asking(signing))).name).toBe('UnrecognizedClientException');
    simulator.revoke('bedrock-api-key-sim-1');
    expect((await failureOf(asking(bearer))).name).toBe('AccessDeniedException');
  });

  it('is refused with a stale signature', async () => {
    // The SDK corrects its clock by the answer's date; so the first answer is what counts.
    const late = withKeys(KEYS, { systemClockOffset: -6 * 60_000 });
    const failure = await failureOf(asking(late));
    expect([failure.name, failure.$metadata?.httpStatusCode]).toEqual(['InvalidSignatureException', 403]);
    expect(failure.message).toContain('Signature expired');
  });

  it('needs a session token with temporary keys, until that has expired', async () => {
    const keys = { accessKeyId: 'ASIASIMTEMP', secretAccessKey: 'simulator-secret-ASIASIMTEMP' };
    expect((await failureOf(asking(withKeys(keys)))).name).toBe('UnrecognizedClientException');
    const client = withKeys({ ...keys, sessionToken: 'sim-session-1' });
    expect((await asking(client)).stopReason).toBe('end_turn');
    simulator.revoke('sim-session-1');
    expect((await failureOf(asking(client))).name).toBe('ExpiredTokenException');
  });

  it('assumes a role at STS', async () => {
    const credentials = fromTemporaryCredentials({
      params: { RoleArn: 'arn:aws:iam::123456789012:role/relay', RoleSessionName: 's' },
      masterCredentials: KEYS,
      clientConfig: { region: 'us-east-1', endpoint: `${simulator.url}/sts` },
    });
    const client = new BedrockRuntimeClient({ ...base(), credentials, authSchemePreference: ['sigv4'] });
    expect((await asking(client)).stopReason).toBe('end_turn');
    expect(simulator.requests.map(({ operation, credential }) => [operation, credential])).toEqual([
      ['sts:AssumeRole', 'AKIASIMTEST'],
      ['bedrock:converse', 'ASIASIMROLE000000001'],
    ]);
  });
});

describe('faults', () => {
  it.each([
    [400, '', 'ValidationException'],
    [403, '', 'AccessDeniedException'],
    [404, 'reason=use-case-form', 'ResourceNotFoundException'],
    [408, '', 'ModelTimeoutException'],
    [424, '', 'ModelErrorException'],
    [429, 'reason=tokens-per-day', 'ThrottlingException'],
    [429, 'type=ModelNotReadyException', 'ModelNotReadyException'],
    [400, 'type=ServiceQuotaExceededException', 'ServiceQuotaExceededException'],
    [500, '', 'InternalServerException'],
    [503, 'message="Come back"', 'ServiceUnavailableException'],
  ])('refuse with %d %s as %s', async (status, more, name) => {
    const failure = await failureOf(bearer.send(new ConverseCommand(asks(`status=${status} ${more}`))));
    expect([failure.name, failure.$metadata?.httpStatusCode]).toEqual([name, status]);
  });

  it.each([
    ['type=ThrottlingException message="No more"', 'ThrottlingException'],
    ['type=ModelStreamErrorException', 'ModelStreamErrorException'],
    ['type=ValidationException', 'ValidationException'],
    ['status=500', 'InternalServerException'],
    ['message=Later', 'ServiceUnavailableException'],
  ])('end a stream with an exception: %s', async (more, name) => {
    for (const ask of [asks(`error=3 ${more}`), asks(`error=0 ${more}`)]) {
      expect((await failureOf(eventsOf(ask))).name).toBe(name);
    }
  });

  it('end a stream with an error that the model of the service does not know', async () => {
    expect((await failureOf(eventsOf(asks('error=2 code=InternalFailure message=Oh')))).message).toContain(
      'Oh',
    );
  });

  it.each(['bad-crc=3', 'giant=3', 'torn=3', 'end=200b', 'reset=3', 'cut=4'])(
    'break the stream: %s',
    async (fault) => {
      await expect(failureOf(eventsOf(asks(`${fault} deltas=9 every=1`)))).resolves.toHaveProperty('message');
    },
  );

  it('split messages anywhere, slow them down and add unknown ones, and the SDK still reads them', async () => {
    const text = (events: ConverseStreamOutput[]) =>
      events.map((event) => event.contentBlockDelta?.delta?.text ?? '').join('');
    for (const fault of ['split=1', 'split=@5,13,99', 'every=2', 'unknown-events=1']) {
      expect(text(await eventsOf(asks(`say="one two three" deltas=3 ${fault}`)))).toBe('one two three');
    }
  });

  it('belong to event streams where they are about messages', async () => {
    const failure = await failureOf(bearer.send(new ConverseCommand(asks('bad-crc=1'))));
    expect(failure.message).toContain('"badCrc" is for event streams');
  });

  it.each(['missing', 'null', 'zero', 'negative', 'float', 'string', 'repeated'])(
    'change what is told of usage: %s',
    async (variant) => {
      const events = await eventsOf(asks(`say=a usage=${variant}`));
      const told = events.filter(({ metadata }) => metadata !== undefined);
      expect(told).toHaveLength(variant === 'repeated' ? 2 : 1);
      const seen = simulator.answered(simulator.requests[0]!.requestId)?.toString() ?? '';
      const shapes: Record<string, string> = {
        missing: '"metrics":{"latencyMs":900},"p"',
        null: '"inputTokens":null',
        zero: '"inputTokens":0',
        negative: '"inputTokens":-1',
        float: '"inputTokens":12.5',
        string: '"inputTokens":"12"',
        repeated: '"inputTokens":2',
      };
      expect(seen).toContain(shapes[variant]);
    },
  );
});
