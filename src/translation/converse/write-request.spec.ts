import { CallError } from '../../dialects/dialect.ts';
import type { MediaPart, Message, NeutralRequest, Part, Thinking, Tool } from '../neutral.ts';
import { converseUpstream } from './converse-upstream.ts';

/**
 * Expected documents by the AWS Bedrock API reference (Converse, CountTokens, and the types that they name) and the
 * types of @aws-sdk/client-bedrock-runtime 3.1164.
 */
const NOVA = 'us.amazon.nova-pro-v1:0';
const NOVA_2 = 'us.amazon.nova-2-lite-v1:0';
const GPT_OSS = 'openai.gpt-oss-120b-1:0';
const QWEN = 'qwen.qwen3-32b-v1:0';
const LLAMA = 'us.meta.llama4-scout-17b-instruct-v1:0';
const R1 = 'us.deepseek.r1-v1:0';
const OWN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2';

function write(request: Partial<NeutralRequest>) {
  return converseUpstream.writeRequest({
    lane: 'generate',
    model: NOVA,
    stream: false,
    system: [],
    messages: [say('hi')],
    tools: [],
    leftovers: [],
    source: {},
    ...request,
  });
}

const text = (words: string, more: object = {}): Part => ({ type: 'text', at: 'm', text: words, ...more });

function say(words: string, role: Message['role'] = 'user'): Message {
  return turn(role, text(words));
}

function turn(role: Message['role'], ...parts: readonly Part[]): Message {
  return { role, at: 'messages[0]', parts };
}

function call(id: string, more: object = {}): Part {
  return { type: 'tool-call', at: 'c', id, name: 'f', input: '{"n":1}', ...more };
}

function result(id: string, content: readonly Part[] = [text('ok')], more: object = {}): Part {
  return { type: 'tool-result', at: 'r', id, name: 'f', content: content as never, failed: false, ...more };
}

const thought = (words: string, more: object = {}): Part => ({
  type: 'thinking',
  at: 't',
  text: words,
  ...more,
});
const sealed = (value: string, minted = 'bedrock') => ({ signature: { minted, value } });
const mark = (ttl?: string) => ({ cache: { ttl, at: 'm.cache_control' } });
const TOOL: Tool = { at: 'tools[0]', name: 'f', description: 'Does.', schema: { properties: {} } };
const TOOLS = { tools: [TOOL] };

const media = (type: MediaPart['type'], mediaType: string, more: object = {}): Part => ({
  type,
  at: 'i',
  media: { from: 'base64', mediaType, data: 'AAAA' },
  ...more,
});

interface Body {
  readonly messages: readonly { readonly role: string; readonly content: readonly unknown[] }[];
  readonly [name: string]: unknown;
}
const bodyOf = (request: Partial<NeutralRequest>) => write(request).body as Body;
const contentOf = (...parts: readonly Part[]) =>
  bodyOf({ messages: [turn('user', ...parts)] }).messages[0]!.content;

function refused(request: Partial<NeutralRequest>): string {
  try {
    write(request);
  } catch (error) {
    if (error instanceof CallError) return error.message;
    throw error;
  }
  throw new Error('It was not refused');
}

describe('A request for Converse', () => {
  it('says everything that the middle form can', () => {
    const { body, headers, edits } = write({
      stream: true,
      system: [
        { type: 'text', at: 'system[0]', text: 'Be.', ...mark() },
        { type: 'text', at: 'system[1]', text: 'Brief.' },
      ],
      tools: [TOOL, { at: 'tools[1]', name: 'g', description: '', schema: { type: 'object' } }],
      toolChoice: { value: { mode: 'one', name: 'f' }, at: 'tool_choice' },
      parallelTools: { value: true, at: 'parallel_tool_calls' },
      maxOutputTokens: { value: 100, at: 'max_tokens' },
      temperature: { value: 0.5, at: 'temperature' },
      topP: { value: 0.9, at: 'top_p' },
      topK: { value: 40, at: 'top_k' },
      stop: { value: ['END'], at: 'stop' },
      seed: { value: 0, at: 'seed' },
    });
    expect(body).toEqual({
      messages: [{ role: 'user', content: [{ text: 'hi' }] }],
      system: [{ text: 'Be.' }, { cachePoint: { type: 'default' } }, { text: 'Brief.' }],
      toolConfig: {
        tools: [
          {
            toolSpec: {
              name: 'f',
              description: 'Does.',
              inputSchema: { json: { type: 'object', properties: {} } },
            },
          },
          { toolSpec: { name: 'g', inputSchema: { json: { type: 'object' } } } },
        ],
        toolChoice: { tool: { name: 'f' } },
      },
      inferenceConfig: { maxTokens: 100, temperature: 0.5, topP: 0.9, stopSequences: ['END'] },
      additionalModelRequestFields: { inferenceConfig: { topK: 40 } },
    });
    expect(headers).toEqual({ accept: 'application/vnd.amazon.eventstream' });
    expect(edits).toEqual([]);
  });

  it('says nothing that was not said', () => {
    const { body, headers } = write({ stop: { value: [], at: 'stop' }, system: [text(' ') as never] });
    expect(body).toEqual({ messages: [{ role: 'user', content: [{ text: 'hi' }] }] });
    expect(headers).toEqual({ accept: 'application/json' });
  });

  it('counts by CountTokens, which takes no settings', () => {
    const { body } = write({
      lane: 'count',
      ...TOOLS,
      system: [text('Be.') as never],
      maxOutputTokens: { value: 9, at: 'max_tokens' },
    });
    expect(body).toEqual({
      input: {
        converse: {
          messages: [{ role: 'user', content: [{ text: 'hi' }] }],
          system: [{ text: 'Be.' }],
          toolConfig: expect.anything() as unknown,
        },
      },
    });
  });

  it.each<[string, Partial<NeutralRequest>, string]>([
    ['a seed', { seed: { value: 7, at: 'seed' } }, 'seed: '],
    ['a penalty', { presencePenalty: { value: 0.1, at: 'presence_penalty' } }, 'presence_penalty: '],
    [
      'too much heat',
      { temperature: { value: 1.2, at: 'generationConfig.temperature' } },
      'generationConfig.temp',
    ],
    ['topK of a family that has none', { model: QWEN, topK: { value: 1, at: 'top_k' } }, 'top_k: '],
    [
      'a schema of Amazon’s own models',
      { output: { value: { schema: {} }, at: 'output_config.format' } },
      'output_c',
    ],
    ['a schema of Llama', { model: LLAMA, output: { value: { schema: {} }, at: 'format' } }, 'format: '],
    [
      'JSON without a schema',
      { model: QWEN, output: { value: {}, at: 'response_format' } },
      'response_format: needs',
    ],
    ['one call at a time', { ...TOOLS, parallelTools: { value: false, at: 'parallel' } }, 'parallel: '],
    [
      'a tool by a long name',
      { tools: [{ ...TOOL, name: 'f'.repeat(65) }] },
      'tools[0].name: must be 1 to 64',
    ],
    [
      'a tool that is not declared',
      { messages: [say('a'), turn('assistant', call('1'))] },
      'c: is of a tool',
    ],
    [
      'no calls where there were some',
      {
        ...TOOLS,
        messages: [say('a'), turn('assistant', call('1')), turn('user', result('1'))],
        toolChoice: { value: { mode: 'none' }, at: 'tool_choice' },
      },
      'tool_choice: ',
    ],
    [
      'an answer first',
      { messages: [say('a', 'assistant'), say('b')] },
      'messages[0]: must not be the first',
    ],
    [
      'an image by its URL',
      {
        messages: [
          turn('user', { type: 'image', at: 'i.url', media: { from: 'url', url: 'https://x/a.png' } }),
        ],
      },
      'i.url: is given by its URL',
    ],
    [
      'an image of a strange kind',
      { messages: [turn('user', media('image', 'image/tiff'))] },
      'i: is image/tiff',
    ],
    [
      'a document of a strange kind',
      { messages: [turn('user', media('document', 'application/zip'))] },
      'i: is app',
    ],
    [
      'a document alone',
      { messages: [turn('user', media('document', 'text/csv'))] },
      'messages[0]: has a document',
    ],
    [
      'a file in an answer',
      { messages: [say('a'), turn('assistant', media('image', 'image/png'))] },
      'i: is a file in an answer',
    ],
  ])('is refused for %s, by the client’s own name', (_, request, message) => {
    expect(refused(request)).toContain(message);
  });
});

describe('The conversation', () => {
  it('has user and assistant in turn, and what is blank is not said', () => {
    const { messages } = bodyOf({
      messages: [
        say('a'),
        say('b', 'system'),
        say('\n\n', 'assistant'),
        say('c'),
        say('d', 'assistant'),
        say('e', 'assistant'),
      ],
    });
    expect(messages).toEqual([
      { role: 'user', content: [{ text: 'a' }, { text: 'b' }, { text: 'c' }] },
      { role: 'assistant', content: [{ text: 'd' }, { text: 'e' }] },
    ]);
  });

  it('has the results of a turn first, whatever was said beside them', () => {
    const long = `call_${'x'.repeat(80)}`;
    const { messages } = bodyOf({
      ...TOOLS,
      messages: [
        say('a'),
        turn('assistant', text('Well.'), call('t_1'), call(long)),
        turn('user', text('And?'), result('t_1'), result(long, [], { json: { a: [1] } })),
      ],
    });
    const [first, second] = messages[1]!.content.slice(1) as { toolUse: { toolUseId: string } }[];
    expect(first).toEqual({ toolUse: { toolUseId: 't_1', name: 'f', input: { n: 1 } } });
    const { toolUseId } = second!.toolUse;
    expect(toolUseId).toMatch(/^call_[0-9a-f]{40}$/);
    expect(messages[2]).toEqual({
      role: 'user',
      content: [
        { toolResult: { toolUseId: 't_1', content: [{ text: 'ok' }] } },
        { toolResult: { toolUseId, content: [{ json: { a: [1] } }] } },
        { text: 'And?' },
      ],
    });
  });

  it('tells of a failure, and shows images in a result, where the model takes both', () => {
    const parts = [text('no'), media('image', 'image/png')];
    const messages = [
      say('a'),
      turn('assistant', call('1')),
      turn('user', result('1', parts, { failed: true })),
    ];
    const image = { image: { format: 'png', source: { bytes: 'AAAA' } } };
    const nova = write({ ...TOOLS, messages });
    expect((nova.body as Body).messages[2]!.content).toEqual([
      { toolResult: { toolUseId: '1', content: [{ text: 'no' }, image], status: 'error' } },
    ]);
    expect(nova.edits).toEqual([]);
    const qwen = write({ ...TOOLS, messages, model: QWEN });
    expect((qwen.body as Body).messages[2]!.content).toEqual([
      { toolResult: { toolUseId: '1', content: [{ text: 'no' }] } },
      image,
    ]);
    expect(qwen.edits).toEqual(['left-out:is_error']);
  });

  it('holds media by their formats, and documents by names that are told apart', () => {
    expect(
      contentOf(
        text('Look.'),
        media('image', 'image/jpeg', { detail: 'auto' }),
        media('document', 'application/pdf', { name: 'Report (1)' }),
        media('document', 'application/pdf', { name: 'Report (1)' }),
        media('document', 'text/markdown', { name: '../é_a.md' }),
        { type: 'document', at: 'i', media: { from: 'text', text: 'né' } },
        media('audio', 'audio/wav; rate=16000'),
        media('video', 'video/quicktime'),
      ),
    ).toEqual([
      { text: 'Look.' },
      { image: { format: 'jpeg', source: { bytes: 'AAAA' } } },
      { document: { format: 'pdf', name: 'Report (1)', source: { bytes: 'AAAA' } } },
      { document: { format: 'pdf', name: 'Report (1) (2)', source: { bytes: 'AAAA' } } },
      { document: { format: 'md', name: 'a md', source: { bytes: 'AAAA' } } },
      {
        document: {
          format: 'txt',
          name: 'document',
          source: { bytes: Buffer.from('né').toString('base64') },
        },
      },
      { audio: { format: 'wav', source: { bytes: 'AAAA' } } },
      { video: { format: 'mov', source: { bytes: 'AAAA' } } },
    ]);
  });

  it('tells what goes with a part and has no place', () => {
    const image = media('image', 'image/png', { name: 'x', detail: 'high' });
    expect(write({ messages: [turn('user', image)] }).edits).toEqual(['left-out:detail', 'left-out:title']);
  });

  it('puts base64 into the form that AWS reads', () => {
    const data = Buffer.from([0xfb, 0xff, 0xfe, 0x01]).toString('base64url');
    const image = media('image', 'image/png', { media: { from: 'base64', mediaType: 'image/png', data } });
    expect(contentOf(image)).toEqual([{ image: { format: 'png', source: { bytes: '+//+AQ==' } } }]);
  });
});

describe('What was thought', () => {
  const asked = (model: string, ...parts: readonly Part[]) =>
    write({
      ...TOOLS,
      model,
      messages: [say('a'), turn('assistant', ...parts, call('1')), turn('user', result('1'))],
    });

  it('goes back as it came', () => {
    const redacted = thought('', { redacted: { minted: 'bedrock', value: 'c2VjcmV0' } });
    const { body, edits } = asked(NOVA_2, thought('Hm.', sealed('abc')), redacted);
    expect((body as Body).messages[1]!.content.slice(0, 2)).toEqual([
      { reasoningContent: { reasoningText: { text: 'Hm.', signature: 'abc' } } },
      { reasoningContent: { redactedContent: 'c2VjcmV0' } },
    ]);
    expect(edits).toEqual([]);
  });

  it.each([
    ['another vendor’s', NOVA_2, sealed('abc', 'anthropic'), 'signature:foreign'],
    ['none that this model reads', R1, sealed('abc'), 'signature:foreign'],
    ['not sealed', NOVA_2, {}, 'left-out:thinking'],
  ])('is left out where it is %s', (_, model, seal, edit) => {
    const { body, edits } = asked(model, thought('Hm.', seal));
    expect((body as Body).messages[1]!.content).toEqual([{ toolUse: expect.anything() as unknown }]);
    expect(edits).toEqual([edit]);
  });

  it('is nothing to answer with alone', () => {
    const { body, edits } = write({
      messages: [say('a'), turn('assistant', thought('Hm.', sealed('abc'))), say('b')],
    });
    expect((body as Body).messages).toEqual([{ role: 'user', content: [{ text: 'a' }, { text: 'b' }] }]);
    expect(edits).toEqual(['left-out:thinking']);
  });

  it('loses the seal of another vendor on a call or a text', () => {
    const { edits } = write({
      ...TOOLS,
      messages: [
        say('a'),
        turn('assistant', text('b', sealed('x', 'google')), call('1', sealed('x', 'google'))),
        turn('user', result('1')),
      ],
    });
    expect(edits).toEqual(['signature:foreign']);
  });
});

describe('How much to think', () => {
  const asked = (model: string, value: Omit<Thinking, 'show'>, more: Partial<NeutralRequest> = {}) => {
    const thinking = { value: { ...value, show: true }, at: 'thinking' };
    const { body, edits } = write({ model, thinking, ...more });
    return { fields: (body as Body)['additionalModelRequestFields'], edits };
  };
  const nova = (maxReasoningEffort: string) => ({ reasoningConfig: { type: 'enabled', maxReasoningEffort } });
  const limit = { maxOutputTokens: { value: 9, at: 'max_tokens' } };

  it.each<[string, Omit<Thinking, 'show'>, Partial<NeutralRequest>, unknown, readonly string[]]>([
    [NOVA_2, { mode: 'off' }, {}, undefined, []],
    [NOVA_2, { mode: 'adaptive' }, {}, nova('medium'), []],
    [NOVA_2, { mode: 'budget', budgetTokens: 1024 }, limit, nova('low'), []],
    [NOVA_2, { mode: 'budget', budgetTokens: 8192 }, limit, nova('medium'), []],
    [NOVA_2, { mode: 'budget', budgetTokens: 32_000 }, {}, nova('high'), []],
    [NOVA_2, { mode: 'effort', effort: 'high' }, limit, nova('medium'), ['left-out:thinking']],
    [GPT_OSS, { mode: 'effort', effort: 'minimal' }, {}, { reasoning_effort: 'low' }, []],
    [GPT_OSS, { mode: 'effort', effort: 'high' }, limit, { reasoning_effort: 'high' }, []],
    [GPT_OSS, { mode: 'off' }, {}, { reasoning_effort: 'low' }, ['left-out:thinking']],
    [NOVA, { mode: 'effort', effort: 'low' }, {}, undefined, ['left-out:thinking']],
    [NOVA, { mode: 'off' }, {}, undefined, []],
    [OWN, { mode: 'budget', budgetTokens: 1024 }, {}, undefined, ['left-out:thinking']],
  ])('is said to %s: %j %j', (model, value, more, fields, edits) => {
    expect(asked(model, value, more)).toEqual({ fields, edits });
  });
});

describe('Tools', () => {
  const choice = (value: NonNullable<NeutralRequest['toolChoice']>['value'], messages = [say('a')]) =>
    bodyOf({ ...TOOLS, messages, toolChoice: { value, at: 'tool_choice' } })['toolConfig'];

  it.each([
    [{ mode: 'auto' } as const, { auto: {} }],
    [{ mode: 'any' } as const, { any: {} }],
    [{ mode: 'one', name: 'f' } as const, { tool: { name: 'f' } }],
  ])('may be chosen: %j', (value, toolChoice) => {
    expect(choice(value)).toMatchObject({ toolChoice });
  });

  it('are not there where none may be called', () => {
    expect(choice({ mode: 'none' })).toBeUndefined();
  });

  it('are only those among which the choice is', () => {
    const tools = [TOOL, { ...TOOL, name: 'g' }];
    const toolChoice = { value: { mode: 'any', only: ['g'] }, at: 'tool_choice' } as const;
    const { toolConfig } = bodyOf({ tools, toolChoice }) as unknown as { toolConfig: { tools: object[] } };
    expect(toolConfig.tools).toMatchObject([{ toolSpec: { name: 'g' } }]);
  });

  it('are strict where the model can be', () => {
    const tools = [{ ...TOOL, strict: true }];
    expect(bodyOf({ tools, model: QWEN })['toolConfig']).toMatchObject({
      tools: [{ toolSpec: { strict: true } }],
    });
    const nova = write({ tools });
    expect(JSON.stringify(nova.body)).not.toContain('strict');
    expect(nova.edits).toEqual(['left-out:strict']);
  });
});

describe('A schema for the answer', () => {
  it('is JSON within JSON', () => {
    const output = { value: { name: 'zone', schema: { type: 'object' } }, at: 'response_format' };
    expect(bodyOf({ model: QWEN, output })['outputConfig']).toEqual({
      textFormat: {
        type: 'json_schema',
        structure: { jsonSchema: { schema: '{"type":"object"}', name: 'zone' } },
      },
    });
  });
});

describe('A cache mark', () => {
  const messages = [turn('user', text('a', mark('1h')), text('b'))];

  it('is a cache point where the model caches, of the time that it keeps', () => {
    const { body, edits } = write({ messages, tools: [{ ...TOOL, ...mark() }] });
    expect((body as Body).messages[0]!.content).toEqual([
      { text: 'a' },
      { cachePoint: { type: 'default' } },
      { text: 'b' },
    ]);
    expect(JSON.stringify((body as Body)['toolConfig'])).not.toContain('cachePoint');
    expect(edits).toEqual(['left-out:ttl', 'left-out:cache_control']);
  });

  it('is left out, and told, where it does not', () => {
    const { body, edits } = write({ messages, model: QWEN });
    expect((body as Body).messages[0]!.content).toEqual([{ text: 'a' }, { text: 'b' }]);
    expect(edits).toEqual(['left-out:cache_control']);
  });
});
