import type { Call } from '../../dialects/dialect.ts';
import { packCarried, packToolId } from '../carried.ts';
import type { NeutralRequest } from '../neutral.ts';
import { readRequest } from './read-responses-request.ts';

/** Bodies by OpenAI's API reference, "Create a model response", and `ResponseCreateParams` of openai 6.49. */
function read(body: object): NeutralRequest {
  const call: Call = {
    dialect: 'openai-responses',
    operation: 'generate',
    lane: 'generate',
    model: 'public',
    modelSpans: [],
    framing: 'json',
    maxOutputTokens: undefined,
    headers: {},
    query: '',
    body: Buffer.from(JSON.stringify(body)),
  };
  return readRequest(call, 'upstream');
}

const ask = (...input: readonly object[]): NeutralRequest => read({ model: 'public', input });
const HI = { model: 'public', input: 'Hi' };
const DATA = 'aGk=';
const PIXEL = { type: 'input_image', detail: 'low', image_url: `data:image/png;base64,${DATA}` };
const CLAUDES = { minted: 'anthropic', value: 'EqQB' } as const;
const GOOGLES = { minted: 'google', value: 'CiEB' } as const;
const call = (call_id: string, more: object = {}) => ({
  type: 'function_call',
  call_id,
  name: 'weather',
  arguments: '{"city":"Bonn"}',
  ...more,
});
const said = (text: string) => ({
  type: 'message',
  role: 'assistant',
  content: [{ type: 'output_text', text }],
});
const callPart = (id: string, at: string, more: object = {}) => ({
  type: 'tool-call',
  at,
  id,
  name: 'weather',
  input: '{"city":"Bonn"}',
  ...more,
});

describe('the input of a response', () => {
  it('is a text, or messages, with instructions before all', () => {
    expect(read({ ...HI, instructions: 'Be brief.' })).toMatchObject({
      system: [{ type: 'text', at: 'instructions', text: 'Be brief.' }],
      messages: [{ role: 'user', at: 'input', parts: [{ type: 'text', at: 'input', text: 'Hi' }] }],
    });
    const { system, messages } = ask(
      { role: 'developer', content: 'In German.' },
      { role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
      { type: 'message', role: 'system', content: 'Now in French.' },
    );
    expect(system).toEqual([{ type: 'text', at: 'input[0].content', text: 'In German.' }]);
    expect(messages.map(({ role, parts }) => [role, parts])).toEqual([
      ['user', [{ type: 'text', at: 'input[1].content[0]', text: 'Hi' }]],
      ['system', [{ type: 'text', at: 'input[2].content', text: 'Now in French.' }]],
    ]);
  });

  it('holds images, files and audio', () => {
    const { messages, leftovers } = ask({
      role: 'user',
      content: [
        PIXEL,
        { type: 'input_image', detail: 'auto', image_url: 'https://example.com/a.png' },
        { type: 'input_file', filename: 'a.pdf', file_data: `data:application/pdf;base64,${DATA}` },
        { type: 'input_file', file_url: 'https://example.com/b.pdf' },
        { type: 'input_audio', input_audio: { data: DATA, format: 'mp3' } },
        { type: 'input_text', text: 'Look', prompt_cache_breakpoint: { mode: 'explicit' } },
      ],
    });
    const at = (i: number): string => `input[0].content[${i}]`;
    const bytes = (mediaType: string) => ({ from: 'base64', mediaType, data: DATA });
    expect(messages[0]?.parts).toEqual([
      { type: 'image', at: at(0), media: bytes('image/png'), detail: 'low' },
      { type: 'image', at: at(1), media: { from: 'url', url: 'https://example.com/a.png' }, detail: 'auto' },
      { type: 'document', at: at(2), media: bytes('application/pdf'), name: 'a.pdf' },
      { type: 'document', at: at(3), media: { from: 'url', url: 'https://example.com/b.pdf' } },
      { type: 'audio', at: at(4), media: bytes('audio/mp3') },
      {
        type: 'text',
        at: at(5),
        text: 'Look',
        cache: { ttl: undefined, at: `${at(5)}.prompt_cache_breakpoint` },
      },
    ]);
    expect(leftovers).toEqual([]);
  });

  it('has the model’s items in a row as one turn, and the results of their calls as one', () => {
    const { messages, leftovers } = ask(
      { role: 'user', content: 'Weather?' },
      {
        id: 'rs_1',
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: 'Hm.' }],
        encrypted_content: packCarried([{ kind: 'thinking', text: 'Hm.', signature: CLAUDES }]),
      },
      { id: 'msg_1', status: 'completed', ...said('Let me see.') },
      { id: 'fc_1', status: 'completed', parsed_arguments: null, ...call('toolu_1') },
      call(packToolId('call_2', [{ kind: 'call', signature: GOOGLES }]), { caller: { type: 'direct' } }),
      { type: 'function_call_output', call_id: 'toolu_1', output: 'rain' },
      {
        type: 'function_call_output',
        call_id: packToolId('call_2', [{ kind: 'call', signature: GOOGLES }]),
        output: [{ type: 'input_text', text: 'sun' }, PIXEL],
      },
      { role: 'user', content: 'And?' },
    );
    expect(messages.map(({ role, at }) => [role, at])).toEqual([
      ['user', 'input[0]'],
      ['assistant', 'input[1]'],
      ['user', 'input[5]'],
      ['user', 'input[7]'],
    ]);
    expect(messages[1]?.parts).toEqual([
      { type: 'thinking', at: 'input[1].encrypted_content', text: 'Hm.', signature: CLAUDES },
      { type: 'text', at: 'input[2].content[0]', text: 'Let me see.' },
      callPart('toolu_1', 'input[3]'),
      callPart('call_2', 'input[4]', { signature: GOOGLES }),
    ]);
    expect(messages[2]?.parts).toEqual([
      {
        type: 'tool-result',
        at: 'input[5]',
        id: 'toolu_1',
        name: 'weather',
        content: [{ type: 'text', at: 'input[5].output', text: 'rain' }],
        failed: false,
      },
      {
        type: 'tool-result',
        at: 'input[6]',
        id: 'call_2',
        name: 'weather',
        content: [
          { type: 'text', at: 'input[6].output[0]', text: 'sun' },
          {
            type: 'image',
            at: 'input[6].output[1]',
            media: { from: 'base64', mediaType: 'image/png', data: DATA },
            detail: 'low',
          },
        ],
        failed: false,
      },
    ]);
    expect(leftovers).toEqual([]);
  });

  it('has thoughts that an id carried before all that was said since the call before', () => {
    const thought = { kind: 'thinking', text: 'Hm.', signature: CLAUDES } as const;
    const { messages } = ask(
      said('One.'),
      call(packToolId('a', [thought])),
      said('Two.'),
      call(packToolId('b', [{ kind: 'redacted', data: CLAUDES }])),
    );
    expect(messages).toHaveLength(1);
    expect(messages[0]?.parts.map((part) => [part.type, part.at])).toEqual([
      ['thinking', 'input[1]'],
      ['text', 'input[0].content[0]'],
      ['tool-call', 'input[1]'],
      ['thinking', 'input[3]'],
      ['text', 'input[2].content[0]'],
      ['tool-call', 'input[3]'],
    ]);
  });

  it('has the seal of a text in a reasoning item after it', () => {
    const seal = {
      type: 'reasoning',
      summary: [],
      encrypted_content: packCarried([{ kind: 'call', signature: GOOGLES }]),
    };
    expect(ask(said('Hi'), seal).messages[0]?.parts).toEqual([
      { type: 'text', at: 'input[0].content[0]', text: 'Hi', signature: GOOGLES },
    ]);
    expect(ask(seal).messages[0]?.parts).toEqual([
      { type: 'text', at: 'input[0]', text: '', signature: GOOGLES },
    ]);
  });

  it('has OpenAI’s own sealed thoughts as those of a foreign vendor', () => {
    const { messages, leftovers } = ask(
      {
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: 'Hm.' }],
        encrypted_content: 'gAAAAABo',
      },
      said('Hi'),
    );
    expect(messages[0]?.parts[0]).toEqual({
      type: 'thinking',
      at: 'input[0].encrypted_content',
      text: '',
      redacted: { minted: 'openai', value: 'gAAAAABo' },
    });
    expect(leftovers).toEqual([]);
  });

  it('tells of thoughts that are dropped: shown without a seal, or with one that is broken', () => {
    const summary = [{ type: 'summary_text', text: 'Hm.' }];
    expect(ask({ type: 'reasoning', summary }, said('Hi')).leftovers).toEqual([
      { at: 'input[0].summary[0]', advice: true },
    ]);
    const broken = packCarried([{ kind: 'thinking', text: 'Hm.' }]).slice(0, 20);
    expect(ask({ type: 'reasoning', summary: [], encrypted_content: broken }, said('Hi')).leftovers).toEqual([
      { at: 'input[0].encrypted_content', advice: true },
    ]);
  });
});

describe('settings of a response', () => {
  it('are read by their names', () => {
    const request = read({
      ...HI,
      max_output_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      parallel_tool_calls: false,
      reasoning: { effort: 'high', summary: 'auto' },
      text: {
        verbosity: 'medium',
        format: {
          type: 'json_schema',
          name: 'answer',
          description: 'What',
          schema: { type: 'object' },
          strict: true,
        },
      },
      include: ['reasoning.encrypted_content', 'web_search_call.action.sources'],
    });
    expect(request).toMatchObject({
      model: 'upstream',
      maxOutputTokens: { value: 100, at: 'max_output_tokens' },
      temperature: { value: 0.5, at: 'temperature' },
      topP: { value: 0.9, at: 'top_p' },
      parallelTools: { value: false, at: 'parallel_tool_calls' },
      thinking: { value: { mode: 'effort', effort: 'high', show: true }, at: 'reasoning' },
      output: {
        value: { name: 'answer', schema: { description: 'What', type: 'object' }, strict: true },
        at: 'text.format',
      },
      leftovers: [],
    });
  });

  it.each<[object, unknown]>([
    [{ effort: 'low' }, { mode: 'effort', effort: 'low', show: false }],
    [
      { effort: 'none', summary: 'auto' },
      { mode: 'off', show: false },
    ],
    [{ summary: 'concise' }, { mode: 'adaptive', show: true }],
    [{ generate_summary: 'detailed' }, { mode: 'adaptive', show: true }],
    [{ effort: null, summary: null, context: 'auto', mode: 'standard' }, undefined],
  ])('think by %j', (reasoning, expected) => {
    const { thinking, leftovers } = read({ ...HI, reasoning });
    expect(thinking?.value).toEqual(expected);
    expect(leftovers).toEqual([]);
  });

  it.each<object>([
    { background: false, store: false, service_tier: 'auto', truncation: 'disabled', top_logprobs: 0 },
    { max_tool_calls: 3, previous_response_id: null, conversation: null, prompt: null },
    { text: { format: { type: 'text' } }, include: [], stream_options: { include_obfuscation: false } },
  ])('ask for nothing with %j', (more) => {
    const { output, leftovers } = read({ ...HI, ...more });
    expect([output, leftovers]).toEqual([undefined, []]);
  });

  it.each<[object, string]>([
    [{ store: true }, 'store'],
    [{ metadata: { a: 'b' } }, 'metadata'],
    [{ user: 'ada' }, 'user'],
    [{ safety_identifier: 'x' }, 'safety_identifier'],
    [{ service_tier: 'flex' }, 'service_tier'],
    [{ prompt_cache_key: 'x' }, 'prompt_cache_key'],
    [{ truncation: 'auto' }, 'truncation'],
    [{ reasoning: { context: 'all_turns' } }, 'reasoning.context'],
    [{ stream_options: { include_obfuscation: true } }, 'stream_options.include_obfuscation'],
  ])('leave the advice %j out', (more, at) => {
    expect(read({ ...HI, ...more }).leftovers).toEqual([{ at, advice: true }]);
  });

  it.each<[object, string]>([
    [{ top_logprobs: 2 }, 'top_logprobs'],
    [{ include: ['message.output_text.logprobs'] }, 'include'],
    [{ include: ['nonesuch'] }, 'include'],
    [{ text: { verbosity: 'low' } }, 'text.verbosity'],
    [{ reasoning: { mode: 'pro' } }, 'reasoning.mode'],
    [{ moderation: { model: 'x' } }, 'moderation'],
    [{ stop: ['x'] }, 'stop'],
    [{ constructor: 1 }, 'constructor'],
    [{ input: [{ role: 'user', content: 'x', name: 'ada' }] }, 'input[0].name'],
    [{ input: [call('a', { namespace: 'crm' })] }, 'input[0].namespace'],
  ])('have no place for %j', (more, at) => {
    expect(read({ ...HI, ...more }).leftovers).toEqual([{ at, advice: false }]);
  });
});

describe('tools of a response', () => {
  it('are functions, with parameters or without', () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } } };
    const { tools, leftovers } = read({
      ...HI,
      tools: [
        { type: 'function', name: 'weather', description: 'Tells', parameters: schema, strict: true },
        {
          type: 'function',
          name: 'time',
          parameters: null,
          strict: null,
          defer_loading: false,
          allowed_callers: ['direct'],
        },
      ],
    });
    expect(tools).toEqual([
      { at: 'tools[0]', name: 'weather', description: 'Tells', schema, strict: true },
      { at: 'tools[1]', name: 'time', description: undefined, schema: { type: 'object', properties: {} } },
    ]);
    expect(leftovers).toEqual([]);
  });

  it.each<[unknown, object]>([
    ['required', { mode: 'any' }],
    [
      { type: 'function', name: 'weather' },
      { mode: 'one', name: 'weather' },
    ],
    [
      { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'weather' }] },
      { mode: 'auto', only: ['weather'] },
    ],
  ])('are chosen by %j', (tool_choice, value) => {
    expect(read({ ...HI, tool_choice })).toMatchObject({
      toolChoice: { value, at: 'tool_choice' },
      leftovers: [],
    });
  });
});

const message = (content: unknown, role = 'user') => ({ input: [{ role, content }] });

it.each<[object, string]>([
  [{ input: ['Hi', { role: 'robot', content: 'x' }] }, 'input[1].role: must be'],
  [{ input: [{ role: 'user' }] }, 'input[0].content: is required'],
  [{ input: [7] }, 'input[0]: must be an object'],
  [message([PIXEL], 'system'), 'input[0].content[0]: must be text'],
  [message([{ type: 'input_video' }]), 'input[0].content[0]: is a part of type input_video'],
  [message([{ type: 'input_image', file_id: 'file_1' }]), 'input[0].content[0].file_id: lies at OpenAI'],
  [message([{ type: 'input_image' }]), 'input[0].content[0].image_url: is required'],
  [message([{ type: 'input_file', file_id: 'file_1' }]), 'input[0].content[0].file_id: lies at OpenAI'],
  [message([{ type: 'input_file' }]), 'input[0].content[0]: must have file_data or file_url'],
  [message([{ type: 'input_file', file_url: 'file:///x' }]), 'input[0].content[0].file_url: must be'],
  [message([{ type: 'input_audio' }]), 'input[0].content[0].input_audio: must have data'],
  [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, 'input[0]: is an item_reference'],
  [{ input: [{ type: 'web_search_call', id: 'ws_1' }] }, 'input[0]: is an item of type web_search_call'],
  [{ input: [{ type: 'compaction' }] }, 'input[0]: is an item of type compaction'],
  [{ input: [call('')] }, 'input[0]: must have call_id and name'],
  [{ input: [call('a', { arguments: '{"a"' })] }, 'input[0].arguments: must be JSON'],
  [
    { input: [{ type: 'function_call_output', call_id: 'x', output: 'y' }] },
    'input[0].call_id: answers no function_call',
  ],
  [{ input: [call('a'), { type: 'function_call_output', call_id: 'a' }] }, 'input[1].output: is required'],
  [{ reasoning: { effort: 'huge' } }, 'reasoning.effort: is not known'],
  [{ text: { format: { type: 'grammar' } } }, 'text.format.type: must be'],
  [{ text: { format: { type: 'json_schema' } } }, 'text.format.name: is required'],
  [{ tools: [{ type: 'web_search' }] }, 'tools[0]: is a tool of type web_search'],
  [{ tools: [{ type: 'custom', name: 'x' }] }, 'tools[0]: is a tool of type custom'],
  [{ tools: [{ type: 'function' }] }, 'tools[0].name: is required'],
  [{ tool_choice: 'maybe' }, 'tool_choice: must be none'],
  [{ tool_choice: { type: 'file_search' } }, 'tool_choice: chooses a tool of type file_search'],
  [
    { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'mcp' }] } },
    'tool_choice.tools[0]: chooses a tool of type mcp',
  ],
])('refuses %j', (more, words) => {
  expect(() => read({ ...HI, ...more })).toThrow(words);
});
