import { type BedrockInput, readBedrockCall } from './bedrock-call.ts';
import { CallError } from './dialect.ts';

const MODEL = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const INVOKE = {
  anthropic_version: 'bedrock-2023-05-31',
  max_tokens: 10,
  messages: [{ role: 'user', content: 'hi' }],
};
const CONVERSE = { messages: [{ role: 'user', content: [{ text: 'hi' }] }] };

const read = (body: unknown, input: Partial<BedrockInput> = {}) =>
  readBedrockCall({
    operation: 'invoke',
    model: MODEL,
    headers: {},
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    ...input,
  });
const base64 = (body: unknown): string => Buffer.from(JSON.stringify(body)).toString('base64');

describe('a call of InvokeModel', () => {
  it('is read from its body, which stays as it came, and its model from the path', async () => {
    const text = `{ "anthropic_version":"bedrock-2023-05-31", "max_t\\u006fkens": 128000, "messages": [] }`;
    const call = await read(text);
    expect(call).toMatchObject({
      dialect: 'bedrock-invoke',
      operation: 'generate',
      lane: 'generate',
      model: MODEL,
      modelSpans: [],
      framing: 'json',
      maxOutputTokens: 128_000,
      query: '',
      otherModels: [],
    });
    expect(call.body.toString()).toBe(text);
  });

  it('streams by its path, whatever it accepts', async () => {
    const headers = { accept: 'application/json' };
    const call = await read(INVOKE, { operation: 'invoke-with-response-stream', headers });
    expect(call.framing).toBe('event-stream');
  });

  it.each([
    ['model', { ...INVOKE, model: 'anthropic.claude-opus-4-5' }],
    ['Model', { ...INVOKE, Model: 'x' }],
    ['anthropic_version', { ...INVOKE, anthropic_version: undefined }],
    ['anthropic_version', { ...INVOKE, anthropic_version: 1 }],
    ['messages', { ...INVOKE, messages: undefined }],
    ['messages', { ...INVOKE, messages: 'hi' }],
    ['max_tokens', { ...INVOKE, max_tokens: undefined }],
    ['max_tokens', { ...INVOKE, max_tokens: 1.5 }],
    ['max_tokens', { ...INVOKE, max_tokens: -1 }],
    ['Max_Tokens', { ...INVOKE, Max_Tokens: 3 }],
    ['anthropic_version', '{"inputText":"a body of Titan"}'],
    ['max_tokens', '{"anthropic_version":"x","messages":[],"max_tokens":1,"max_tokens":2}'],
    ['body', '[]'],
    ['body', ''],
  ])('is refused by the name of %s', async (name, body) => {
    const failure: unknown = await read(body).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CallError);
    expect((failure as CallError).message).toMatch(new RegExp(`^${name}: `));
    expect((failure as CallError).kind).toBe('invalid-request');
  });

  it('names every model that its body would run beside the one of the path', async () => {
    const body = { ...INVOKE, fallbacks: [{ model: 'claude-a' }], tools: [{ name: 't', model: 'claude-b' }] };
    expect((await read(body)).otherModels).toEqual(['claude-a', 'claude-b']);
  });
});

describe('a call of Converse', () => {
  it.each([
    ['converse', 'json'],
    ['converse-stream', 'event-stream'],
  ] as const)('%s is answered as %s', async (operation, framing) => {
    const body = { ...CONVERSE, inferenceConfig: { maxTokens: 77, temperature: 0.5 } };
    expect(await read(body, { operation, model: 'amazon.nova-pro-v1:0' })).toMatchObject({
      dialect: 'bedrock-converse',
      operation: 'generate',
      lane: 'generate',
      model: 'amazon.nova-pro-v1:0',
      framing,
      maxOutputTokens: 77,
    });
  });

  it('may leave everything to a prompt that its ARN names', async () => {
    const model = 'arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1';
    const body = { promptVariables: { name: { text: 'x' } }, inferenceConfig: null, messages: null };
    const call = await read(body, { operation: 'converse', model });
    expect(call).toMatchObject({ model, maxOutputTokens: undefined });
  });

  it.each([
    ['messages', { messages: {} }],
    ['inferenceConfig', { ...CONVERSE, inferenceConfig: [] }],
    ['inferenceConfig.maxTokens', { ...CONVERSE, inferenceConfig: { maxTokens: '9' } }],
    ['modelId', { ...CONVERSE, modelId: 'amazon.nova-pro-v1:0' }],
    ['inferenceConfig.maxTokens', '{"inferenceConfig":{"maxTokens":1,"max\\u0054okens":2}}'],
  ])('is refused by the name of %s', async (name, body) => {
    const failure: unknown = await read(body, { operation: 'converse' }).catch((error: unknown) => error);
    expect((failure as CallError).message).toMatch(new RegExp(`^${name.replace('.', '\\.')}: `));
  });

  it('names the models in what it hands on to the model', async () => {
    const fields = { fallbacks: [{ model: 'claude-a' }], tools: [{ type: 'advisor', model: 'claude-b' }] };
    const call = await read({ ...CONVERSE, additionalModelRequestFields: fields }, { operation: 'converse' });
    expect(call.otherModels).toEqual(['claude-a', 'claude-b']);
  });
});

describe('a call of CountTokens', () => {
  const count = (body: unknown) => read(body, { operation: 'count-tokens' });

  it('is about a call of either kind, in a lane of its own', async () => {
    const { max_tokens: _most, ...counted } = INVOKE;
    const invoke = await count({ input: { invokeModel: { body: base64({ ...counted, fallbacks: [] }) } } });
    expect(invoke).toMatchObject({
      dialect: 'bedrock-invoke',
      operation: 'count',
      lane: 'count',
      framing: 'json',
      maxOutputTokens: undefined,
    });
    const converse = await count({ input: { converse: CONVERSE } });
    expect(converse).toMatchObject({ dialect: 'bedrock-converse', operation: 'count', lane: 'count' });
  });

  it('names the models of the body inside', async () => {
    const body = base64({ ...INVOKE, fallbacks: [{ model: 'claude-a' }] });
    expect((await count({ input: { invokeModel: { body } } })).otherModels).toEqual(['claude-a']);
    // A JSON writer may escape the slashes of base64.
    const escaped = `{"input":{"invokeModel":{"body":"${body.replaceAll('/', '\\/')}"}}}`;
    expect((await count(escaped)).otherModels).toEqual(['claude-a']);
  });

  it.each([
    ['input', {}],
    ['input', { input: {} }],
    ['input', { input: { converse: CONVERSE, invokeModel: { body: base64(INVOKE) } } }],
    ['input.converse', { input: { converse: [] } }],
    ['input.invokeModel.body', { input: { invokeModel: {} } }],
    ['input.invokeModel.body', { input: { invokeModel: { body: INVOKE } } }],
    ['input.invokeModel.body', { input: { invokeModel: { body: base64({}) } } }],
    ['input.invokeModel.body', { input: { invokeModel: { body: 'not base64' } } }],
  ])('is refused by the name of %s', async (name, body) => {
    const failure: unknown = await count(body).catch((error: unknown) => error);
    expect((failure as CallError).message).toMatch(new RegExp(`^${name.replaceAll('.', '\\.')}: `));
  });
});

describe('the model of a path', () => {
  it.each([
    'anthropic.claude-3-haiku-20240307-v1:0',
    'global.amazon.nova-2-lite-v1:0',
    'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3',
    'arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine',
  ])('may be %s', async (model) => {
    expect((await read(INVOKE, { model })).model).toBe(model);
  });

  it.each(['', '../x', '%2e%2e%2f', 'a#b', 'a?b', 'a\r\nhost: evil', 'x'.repeat(10_240), 'arn:aws//x', 'ä'])(
    'may not be %j',
    async (model) => {
      await expect(read(INVOKE, { model })).rejects.toThrow(/^model: /);
    },
  );
});

describe('the headers that go on', () => {
  it('are those of the runtime, and neither a signature nor a key', async () => {
    const { headers } = await read(INVOKE, {
      headers: {
        accept: 'application/json',
        authorization: 'Bearer rk_1',
        'x-api-key': 'rk_1',
        'x-amz-date': '20261101T000000Z',
        'x-amz-security-token': 'secret',
        'x-amz-content-sha256': 'abc',
        'x-amz-user-agent': 'aws-sdk-js',
        'amz-sdk-invocation-id': 'id',
        'amz-sdk-request': 'attempt=1',
        'anthropic-version': '2023-06-01',
        'user-agent': 'aws-sdk-js/3',
        'x-amzn-bedrock-guardrailidentifier': 'g1',
        'x-amzn-bedrock-trace': 'ENABLED',
        'content-type': 'application/json',
        host: 'relay',
      },
    });
    expect(Object.keys(headers).sort()).toEqual([
      'accept',
      'content-type',
      'user-agent',
      'x-amzn-bedrock-guardrailidentifier',
      'x-amzn-bedrock-trace',
    ]);
  });
});
