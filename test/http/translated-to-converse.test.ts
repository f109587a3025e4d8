import Anthropic from '@anthropic-ai/sdk';
import { type Content, GoogleGenAI } from '@google/genai';
import { eventually } from '../support/eventually.ts';
import { closeLentDispatcher } from '../support/genai.ts';
import { admin, type CreatedAccount, Rehearsal } from '../support/relay.ts';
import { lastSeen } from '../support/simulated-calls.ts';

/** Anthropic's and Google's SDKs on models of Converse, beyond what the matrix asks of every cell. */

const NOVA = 'us.amazon.nova-2-lite-v1:0';
const QWEN = 'qwen.qwen3-32b-v1:0';
const R1 = 'us.deepseek.r1-v1:0';
const SIGNER = 'AKIASIMCONVERSE00001';

let rehearsal: Rehearsal;
let account: CreatedAccount;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  account = await rehearsal.bedrockAccount({
    credentials: {
      region: 'eu-west-1',
      accessKeyId: SIGNER,
      secretAccessKey: `simulator-secret-${SIGNER}`,
    },
  });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  await admin(rehearsal.url, 'POST', `/accounts/${account.id}/clear-cooldowns`);
  rehearsal.simulator.clear();
});
afterAll(async () => {
  await rehearsal.close();
  await closeLentDispatcher();
});

const claude = () => new Anthropic({ baseURL: rehearsal.url, apiKey: key, maxRetries: 0 });
const gemini = () => new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: rehearsal.url } });
const user = (content: Anthropic.MessageParam['content']) => ({ role: 'user' as const, content });
const ask = (
  directive: string,
  more: Partial<Anthropic.MessageCreateParamsNonStreaming> = {},
): Anthropic.MessageCreateParamsNonStreaming => ({
  model: NOVA,
  max_tokens: 4096,
  messages: [user(`Well?[[sim: ${directive}]]`)],
  ...more,
});
const GET_TIME: Anthropic.Tool = {
  name: 'get_time',
  description: 'Tells the time',
  input_schema: { type: 'object', properties: { zone: { type: 'string' } } },
};
const THINKS = { thinking: { type: 'enabled' as const, budget_tokens: 1024 } };

const last = () => lastSeen(rehearsal.simulator);

interface Seen {
  readonly messages: readonly {
    readonly role: string;
    readonly content: readonly Record<string, unknown>[];
  }[];
  readonly [name: string]: unknown;
}
const seen = (): Seen => JSON.parse(last().body.toString()) as Seen;
/** The answer that the simulator gave to the request before the last, as Converse has it. */
const answeredContent = (): unknown => {
  const before = rehearsal.simulator.requests.at(-2)!;
  return (JSON.parse(before.answer.toString()) as { output: { message: { content: unknown } } }).output
    .message.content;
};

async function failureOf(asked: PromiseLike<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  const failure: unknown = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure instanceof Anthropic.APIError) return failure;
  throw new Error(`It did not fail as expected: ${String(failure)}`);
}

describe('a model of Converse behind the claude door', () => {
  it('is asked as the account’s record says: path, types, signature', async () => {
    const { response } = await claude().messages.create(ask('say=Well.')).withResponse();
    expect(response.headers.get('x-relay-edits')).toBe('translated:anthropic>bedrock-converse');
    const { url, headers, credential, status } = last();
    expect([url, credential, status]).toEqual([`/model/${encodeURIComponent(NOVA)}/converse`, SIGNER, 200]);
    expect(headers).toMatchObject({ accept: 'application/json', 'content-type': 'application/json' });
    expect(headers.authorization).toContain('/eu-west-1/bedrock/aws4_request');
    for (const name of ['x-api-key', 'anthropic-version', 'x-stainless-lang'])
      expect(headers).not.toHaveProperty(name);
    await claude().messages.stream(ask('say=Well.')).finalMessage();
    expect(last()).toMatchObject({
      url: `/model/${encodeURIComponent(NOVA)}/converse-stream`,
      headers: { accept: 'application/vnd.amazon.eventstream' },
      status: 200,
    });
  });

  it('is given its thoughts and the results of its calls in the second turn, as it wrote them', async () => {
    const first = await claude().messages.create(
      ask('thinking="Which zone?" tool=get_time', { tools: [GET_TIME], ...THINKS }),
    );
    expect(first.content).toMatchObject([
      { type: 'thinking', thinking: 'Which zone?' },
      { type: 'tool_use', name: 'get_time' },
    ]);
    expect(seen()).toMatchObject({
      additionalModelRequestFields: { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } },
    });
    const { id } = first.content.find((block) => block.type === 'tool_use')!;
    const second = await claude().messages.create(
      ask('', {
        tools: [GET_TIME],
        ...THINKS,
        messages: [
          user('Well?'),
          { role: 'assistant', content: first.content },
          user([{ type: 'tool_result', tool_use_id: id, content: 'Noon' }]),
        ],
      }),
    );
    expect(second.content.at(-1)).toMatchObject({ type: 'text', text: 'The tool answered: Noon' });
    expect(seen().messages[1]!.content).toEqual(answeredContent());
  });

  it('loses thoughts that another vendor sealed, or nobody', async () => {
    const unsealed = await claude().messages.create(ask('thinking=Hm. say=Well.', { model: R1, ...THINKS }));
    expect(unsealed.content).toMatchObject([{ type: 'thinking', thinking: 'Hm.' }, { text: 'Well.' }]);
    const { response } = await claude()
      .messages.create(
        ask('', {
          model: R1,
          messages: [user('Well?'), { role: 'assistant', content: unsealed.content }, user('And?')],
        }),
      )
      .withResponse();
    expect(seen().messages[1]!.content).toEqual([{ text: 'Well.' }]);
    expect(response.headers.get('x-relay-edits')).toMatch(/left-out:thinking|signature:foreign/);
  });

  it('counts what the cache was given and gave, to the token', async () => {
    const system: Anthropic.TextBlockParam[] = [
      { type: 'text', text: 's'.repeat(400), cache_control: { type: 'ephemeral' } },
    ];
    const asked = ask('say="one two"', { system });
    const written = await claude().messages.create(asked);
    expect(written.usage).toMatchObject({
      input_tokens: 2,
      cache_creation_input_tokens: 100,
      cache_read_input_tokens: 0,
      output_tokens: 2,
    });
    expect(await rehearsal.lastRow()).toMatchObject({
      input_tokens: '2',
      cache_write_5m_tokens: '100',
      cache_read_tokens: '0',
      output_tokens: '2',
    });
    const read = await claude().messages.stream(asked).finalMessage();
    expect(read.usage).toMatchObject({ input_tokens: 2, cache_read_input_tokens: 100, output_tokens: 2 });
    expect(await rehearsal.lastRow()).toMatchObject({
      outcome: 'completed',
      input_tokens: '2',
      cache_write_5m_tokens: '0',
      cache_read_tokens: '100',
      output_tokens: '2',
      estimated: false,
      suspicious: false,
    });
    expect(seen()['system']).toEqual([{ text: 's'.repeat(400) }, { cachePoint: { type: 'default' } }]);
  });

  it('answers in JSON of a schema where it can, and is refused by name where not', async () => {
    const schema = {
      type: 'object',
      properties: { zone: { type: 'string' } },
      required: ['zone'],
      additionalProperties: false,
    };
    const output_config = { format: { type: 'json_schema' as const, schema } };
    const { content } = await claude().messages.create(ask('latency=0', { model: QWEN, output_config }));
    expect(JSON.parse((content[0] as Anthropic.TextBlock).text)).toEqual({ zone: 'sim zone' });
    const rows = await rehearsal.rowCount();
    const failure = await failureOf(claude().messages.create(ask('latency=0', { output_config })));
    expect([failure.status, failure.message]).toEqual([400, expect.stringContaining('output_config')]);
    expect(await rehearsal.rowCount()).toBe(rows);
  });

  it('has its tokens counted', async () => {
    const counted = { model: NOVA, messages: [user('sixteen letters.')], tools: [GET_TIME] };
    const { input_tokens } = await claude().messages.countTokens(counted);
    expect(input_tokens).toBeGreaterThan(4);
    expect(last()).toMatchObject({ url: `/model/${encodeURIComponent(NOVA)}/count-tokens`, status: 200 });
  });

  it.each([
    [
      'status=400 type=ValidationException message="No such field"',
      400,
      'invalid_request_error',
      'No such field',
    ],
    ['status=404 message="No such model"', 404, 'not_found_error', 'No such model'],
    ['status=503 message="Come back"', 503, undefined, 'Come back'],
  ])('says in Anthropic’s words what AWS refuses: %s', async (directive, status, type, message) => {
    const failure = await failureOf(claude().messages.create(ask(directive)));
    expect([failure.status, failure.message]).toEqual([status, expect.stringContaining(message)]);
    if (type !== undefined) expect(failure.type).toBe(type);
  });

  it.each(['status=403 type=UnrecognizedClientException', 'status=403', 'status=404 reason=use-case-form'])(
    'does not blame the client for the account’s faults: %s',
    async (directive) => {
      const failure = await failureOf(claude().messages.create(ask(directive)));
      expect(failure.status).toBe(503);
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed' });
    },
  );

  it.each([
    ['error=4 type=ThrottlingException message="No more"', 'No more', 'partial'],
    ['error=4 type=ModelStreamErrorException message="Oh"', 'Oh', 'partial'],
    ['error=4 code=InternalFailure message="Hm"', 'Hm', 'partial'],
    ['bad-crc=4', 'not its own format', 'unknown'],
    ['giant=4', 'not its own format', 'unknown'],
    ['torn=4', '', 'partial'],
    ['end=4', '', 'partial'],
    ['reset=4', '', 'partial'],
  ])('breaks off in mid-stream with an error: %s', async (fault, message, outcome) => {
    const pieces: string[] = [];
    const stream = claude().messages.stream(ask(`say="one two three four" deltas=8 every=2 ${fault}`));
    stream.on('text', (piece) => pieces.push(piece));
    const failure = await failureOf(stream.finalMessage());
    expect(failure.message).toContain(message);
    expect(pieces.length).toBeGreaterThan(0);
    expect(await rehearsal.lastRow()).toMatchObject({ outcome });
  });

  it('is read on when its client leaves, and booked in full', async () => {
    const answer = await claude().messages.create({ ...ask('deltas=20 every=20'), stream: true });
    for await (const event of answer) if (event.type === 'content_block_delta') break;
    await eventually(() => expect(last().ended).toBe('finished'));
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'client-left', estimated: false });
  });
});

describe('a model of Converse behind the gemini door', () => {
  const tools = [
    {
      functionDeclarations: [
        {
          name: 'get_time',
          description: 'Tells the time',
          parametersJsonSchema: { type: 'object', properties: { zone: { type: 'string' } } },
        },
      ],
    },
  ];
  const config = { tools, thinkingConfig: { thinkingBudget: 1024, includeThoughts: true } };

  it('is given its thoughts and the results of its calls in the second turn, as it wrote them', async () => {
    const said = { role: 'user', parts: [{ text: 'Well?[[sim: thinking="Which zone?" tool=get_time]]' }] };
    const first = await gemini().models.generateContent({ model: NOVA, contents: [said], config });
    const { content } = first.candidates![0]!;
    // Clients keep what was said and called, and leave thoughts behind.
    const kept = { role: 'model', parts: content!.parts!.filter((part) => part.thought !== true) };
    const { id, name } = first.functionCalls![0]!;
    const answered: Content = {
      role: 'user',
      parts: [{ functionResponse: { id: id!, name: name!, response: { output: 'Noon' } } }],
    };
    const second = await gemini().models.generateContent({
      model: NOVA,
      contents: [said, kept, answered],
      config,
    });
    expect(second.text).toContain('Noon');
    expect(seen().messages[1]!.content).toEqual(answeredContent());
    expect(seen().messages[2]!.content).toMatchObject([
      { toolResult: { content: [{ json: { output: 'Noon' } }] } },
    ]);
  });

  it('tells its usage, and its end behind it', async () => {
    const contents = 'Well?[[sim: say="one two" input-tokens=100 cached-tokens=7 output-tokens=23]]';
    const frames = [];
    for await (const frame of await gemini().models.generateContentStream({ model: NOVA, contents }))
      frames.push(frame);
    expect(frames.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 107, cachedContentTokenCount: 7, candidatesTokenCount: 23 },
    });
  });
});
