import type { Call } from '../../dialects/dialect.ts';
import { packToolId } from '../carried.ts';
import type { NeutralRequest } from '../neutral.ts';
import { readRequest } from './read-chat-request.ts';

/** Bodies by OpenAI's API reference, "Create chat completion", and `ChatCompletionCreateParams` of openai 6.49. */
function read(body: object): NeutralRequest {
  const call: Call = {
    dialect: 'openai',
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

const HI = { model: 'public', messages: [{ role: 'user', content: 'Hi' }] };
const ask = (...messages: readonly object[]): NeutralRequest => read({ model: 'public', messages });
const user = (...content: readonly object[]): NeutralRequest => ask({ role: 'user', content });
const weather = (id: string, json = '{"city":"Bonn"}') => ({
  id,
  type: 'function',
  function: { name: 'weather', arguments: json },
});
const callPart = (id: string, at: string, more: object = {}) => ({
  type: 'tool-call',
  at,
  id,
  name: 'weather',
  input: '{"city":"Bonn"}',
  ...more,
});
const DATA = 'aGk=';

describe('messages of a chat completion', () => {
  it('have their instructions in front, and later ones where they stand', () => {
    const { system, messages } = ask(
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: [{ type: 'text', text: 'In German.' }] },
      { role: 'user', content: 'Hi' },
      { role: 'developer', content: 'Now in French.' },
    );
    expect(system).toEqual([
      { type: 'text', at: 'messages[0].content', text: 'Be brief.' },
      { type: 'text', at: 'messages[1].content[0]', text: 'In German.' },
    ]);
    expect(messages).toEqual([
      {
        role: 'user',
        at: 'messages[2]',
        parts: [{ type: 'text', at: 'messages[2].content', text: 'Hi' }],
      },
      {
        role: 'system',
        at: 'messages[3]',
        parts: [{ type: 'text', at: 'messages[3].content', text: 'Now in French.' }],
      },
    ]);
  });

  it('hold images, audio and files', () => {
    const { messages, leftovers } = user(
      { type: 'text', text: 'Look', prompt_cache_breakpoint: { mode: 'explicit' } },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${DATA}`, detail: 'low' } },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
      { type: 'input_audio', input_audio: { data: DATA, format: 'wav' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${DATA}` } },
      { type: 'file', file: { filename: 'b.pdf', file_data: DATA } },
      { type: 'file', file: { file_data: `data:text/plain;charset=utf-8;base64,${DATA}` } },
    );
    const at = (i: number): string => `messages[0].content[${i}]`;
    const bytes = (mediaType: string) => ({ from: 'base64', mediaType, data: DATA });
    expect(messages[0]?.parts).toEqual([
      {
        type: 'text',
        at: at(0),
        text: 'Look',
        cache: { ttl: undefined, at: `${at(0)}.prompt_cache_breakpoint` },
      },
      { type: 'image', at: at(1), media: bytes('image/png'), detail: 'low' },
      { type: 'image', at: at(2), media: { from: 'url', url: 'https://example.com/a.png' } },
      { type: 'audio', at: at(3), media: bytes('audio/wav') },
      { type: 'document', at: at(4), media: bytes('application/pdf'), name: 'a.pdf' },
      { type: 'document', at: at(5), media: bytes('application/pdf'), name: 'b.pdf' },
      { type: 'document', at: at(6), media: { from: 'text', text: 'hi' } },
    ]);
    expect(leftovers).toEqual([]);
  });

  it('give calls and results back with what their ids carry', () => {
    const thought = { minted: 'anthropic', value: 'EqQB' } as const;
    const seal = { minted: 'google', value: 'CiEB' } as const;
    const one = packToolId('toolu_1', [{ kind: 'thinking', text: 'Hm.', signature: thought }]);
    const two = packToolId('call_2', [
      { kind: 'redacted', data: thought },
      { kind: 'call', signature: seal },
    ]);
    const { messages, leftovers } = ask(
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: 'Let me see.',
        refusal: null,
        annotations: [],
        parsed: null,
        reasoning_content: 'Hm.',
        tool_calls: [{ index: 0, ...weather(one) }, weather(two)],
      },
      { role: 'tool', tool_call_id: one, content: 'rain' },
      {
        role: 'tool',
        tool_call_id: two,
        name: 'weather',
        content: [
          { type: 'text', text: 'sun' },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${DATA}` } },
        ],
      },
    );
    const calls = 'messages[1].tool_calls';
    expect(messages[1]?.parts).toEqual([
      { type: 'thinking', at: `${calls}[0]`, text: 'Hm.', signature: thought },
      { type: 'text', at: 'messages[1].content', text: 'Let me see.' },
      callPart('toolu_1', `${calls}[0]`),
      { type: 'thinking', at: `${calls}[1]`, text: '', redacted: thought },
      callPart('call_2', `${calls}[1]`, { signature: seal }),
    ]);
    expect(messages.slice(2).map(({ role, parts }) => [role, parts])).toEqual([
      [
        'user',
        [
          {
            type: 'tool-result',
            at: 'messages[2]',
            id: 'toolu_1',
            name: 'weather',
            content: [{ type: 'text', at: 'messages[2].content', text: 'rain' }],
            failed: false,
          },
        ],
      ],
      ['user', [expect.objectContaining({ id: 'call_2', name: 'weather', failed: false })]],
    ]);
    expect(leftovers).toEqual([]);
  });

  it('tell a refusal as what was said, and an answer of nothing not at all', () => {
    const { messages } = ask(
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: null, refusal: 'I cannot.' },
      { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
      { role: 'assistant', content: '' },
    );
    expect(messages.slice(1)).toEqual([
      {
        role: 'assistant',
        at: 'messages[1]',
        parts: [{ type: 'text', at: 'messages[1].refusal', text: 'I cannot.' }],
      },
      {
        role: 'assistant',
        at: 'messages[2]',
        parts: [{ type: 'text', at: 'messages[2].content[0]', text: 'No.' }],
      },
    ]);
  });

  it('take a call without arguments for one of none', () => {
    const { messages } = ask({ role: 'assistant', tool_calls: [weather('call_1', '')] });
    expect(messages[0]?.parts).toMatchObject([{ type: 'tool-call', input: '{}' }]);
  });
});

describe('settings of a chat completion', () => {
  it('are read by their names', () => {
    const request = read({
      ...HI,
      max_completion_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      seed: 7,
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
      stop: 'END',
      reasoning_effort: 'high',
      parallel_tool_calls: false,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'answer', description: 'What', schema: { type: 'object' }, strict: true },
      },
    });
    expect(request).toMatchObject({
      model: 'upstream',
      maxOutputTokens: { value: 100, at: 'max_completion_tokens' },
      temperature: { value: 0.5, at: 'temperature' },
      topP: { value: 0.9, at: 'top_p' },
      seed: { value: 7, at: 'seed' },
      presencePenalty: { value: 0.1, at: 'presence_penalty' },
      frequencyPenalty: { value: 0.2, at: 'frequency_penalty' },
      stop: { value: ['END'], at: 'stop' },
      thinking: { value: { mode: 'effort', effort: 'high', show: false }, at: 'reasoning_effort' },
      parallelTools: { value: false, at: 'parallel_tool_calls' },
      output: {
        value: { name: 'answer', schema: { description: 'What', type: 'object' }, strict: true },
        at: 'response_format',
      },
      leftovers: [],
    });
  });

  it.each<[object, Partial<NeutralRequest>]>([
    [{ max_tokens: 5 }, { maxOutputTokens: { value: 5, at: 'max_tokens' } }],
    [{ stop: ['a', 'b'] }, { stop: { value: ['a', 'b'], at: 'stop' } }],
    [
      { reasoning_effort: 'none' },
      { thinking: { value: { mode: 'off', show: false }, at: 'reasoning_effort' } },
    ],
    [{ response_format: { type: 'json_object' } }, { output: { value: {}, at: 'response_format' } }],
  ])('are read in their other forms: %j', (more, expected) => {
    expect(read({ ...HI, ...more })).toMatchObject(expected);
  });

  it.each<object>([
    { n: 1, stream: false, logprobs: false, top_logprobs: 0, logit_bias: {}, modalities: ['text'] },
    { verbosity: 'medium', store: false, service_tier: 'auto', response_format: { type: 'text' } },
    { temperature: null, stop: null, tools: null, tool_choice: null, stream_options: null, user: null },
    { stream: true, stream_options: { include_usage: true, include_obfuscation: false } },
  ])('ask for nothing with %j', (more) => {
    const { output, stop, leftovers } = read({ ...HI, ...more });
    expect([output, stop, leftovers]).toEqual([undefined, undefined, []]);
  });

  it.each([
    'metadata',
    'user',
    'safety_identifier',
    'prompt_cache_key',
    'prompt_cache_options',
    'prompt_cache_retention',
  ])('leave the advice %s out', (name) => {
    expect(read({ ...HI, [name]: 'x' }).leftovers).toEqual([{ at: name, advice: true }]);
  });

  it.each<[object, string]>([
    [{ logprobs: true }, 'logprobs'],
    [{ top_logprobs: 2 }, 'top_logprobs'],
    [{ logit_bias: { 50256: -100 } }, 'logit_bias'],
    [{ modalities: ['text', 'audio'] }, 'modalities'],
    [{ audio: { voice: 'alloy', format: 'wav' } }, 'audio'],
    [{ prediction: { type: 'content', content: 'x' } }, 'prediction'],
    [{ verbosity: 'low' }, 'verbosity'],
    [{ web_search_options: {} }, 'web_search_options'],
    [{ functions: [{ name: 'f' }] }, 'functions'],
    [{ function_call: 'auto' }, 'function_call'],
    [{ nonesuch: 1 }, 'nonesuch'],
    [{ constructor: 1 }, 'constructor'],
    [{ messages: [{ role: 'assistant', audio: { id: 'audio_1' } }] }, 'messages[0].audio'],
    [
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'a', citations: [] }] }] },
      'messages[0].content[0].citations',
    ],
  ])('have no place for %j', (more, at) => {
    expect(read({ ...HI, ...more }).leftovers).toEqual([{ at, advice: false }]);
  });

  it('tell of a thought that is dropped with no seal to hold it', () => {
    const messages = [{ role: 'assistant', content: 'Hi', reasoning_content: 'Hm.' }];
    expect(read({ ...HI, messages }).leftovers).toEqual([
      { at: 'messages[0].reasoning_content', advice: true },
    ]);
  });
});

describe('tools of a chat completion', () => {
  const tool = (more: object) => ({ type: 'function', function: { name: 'weather', ...more } });

  it('are functions, with parameters or without', () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } } };
    const { tools } = read({
      ...HI,
      tools: [tool({ description: 'Tells', parameters: schema, strict: true }), tool({ strict: null })],
    });
    expect(tools).toEqual([
      { at: 'tools[0]', name: 'weather', description: 'Tells', schema, strict: true },
      {
        at: 'tools[1]',
        name: 'weather',
        description: undefined,
        schema: { type: 'object', properties: {} },
      },
    ]);
  });

  it.each<[unknown, object]>([
    ['auto', { mode: 'auto' }],
    ['none', { mode: 'none' }],
    ['required', { mode: 'any' }],
    [
      { type: 'function', function: { name: 'weather' } },
      { mode: 'one', name: 'weather' },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'weather' } }] },
      },
      { mode: 'any', only: ['weather'] },
    ],
  ])('are chosen by %j', (tool_choice, value) => {
    expect(read({ ...HI, tool_choice })).toMatchObject({
      toolChoice: { value, at: 'tool_choice' },
      leftovers: [],
    });
  });
});

it.each<[object, string]>([
  [{ messages: [{ role: 'user' }] }, 'messages[0].content: is required'],
  [{ messages: ['Hi'] }, 'messages[0]: must be an object'],
  [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role: must be'],
  [{ messages: [{ role: 'function', name: 'f', content: 'x' }] }, 'messages[0].role: function is no longer'],
  [
    { messages: [{ role: 'tool', tool_call_id: 'x', content: 'y' }] },
    'messages[0].tool_call_id: answers none',
  ],
  [
    {
      messages: [{ role: 'system', content: [{ type: 'image_url', image_url: { url: 'https://a/b.png' } }] }],
    },
    'messages[0].content[0]: must be text',
  ],
  [
    { messages: [{ role: 'user', content: [{ type: 'video', video: {} }] }] },
    'messages[0].content[0]: is a part of type video',
  ],
  [
    {
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }] },
      ],
    },
    'messages[0].content[0].image_url.url: must be a data URL',
  ],
  [
    {
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png,raw' } }] },
      ],
    },
    'messages[0].content[0].image_url.url: must be a data URL of base64',
  ],
  [
    {
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:text/html;base64,aGk=' } }] },
      ],
    },
    'messages[0].content[0].image_url.url: must be an image',
  ],
  [
    { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }] },
    'messages[0].content[0].file.file_id: lies at OpenAI',
  ],
  [
    { messages: [{ role: 'user', content: [{ type: 'file', file: { file_data: 'aGk=' } }] }] },
    'messages[0].content[0].file.file_data: does not tell its type',
  ],
  [
    { messages: [{ role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: {} }] }] },
    'messages[0].tool_calls[0]: calls a tool of type custom',
  ],
  [
    { messages: [{ role: 'assistant', tool_calls: [{ type: 'function', function: { name: 'f' } }] }] },
    'messages[0].tool_calls[0]: must have id',
  ],
  [
    { messages: [{ role: 'assistant', tool_calls: [weather('c', '{"a"')] }] },
    'messages[0].tool_calls[0].function.arguments: must be JSON',
  ],
  [
    { messages: [{ role: 'assistant', tool_calls: [weather('c', '[]')] }] },
    'messages[0].tool_calls[0].function.arguments: must be an object',
  ],
  [{ max_tokens: 1, max_completion_tokens: 1 }, 'max_tokens: goes without max_completion_tokens'],
  [{ temperature: 'hot' }, 'temperature: must be a number'],
  [{ stop: [1] }, 'stop: must be a string or a list'],
  [{ reasoning_effort: 'huge' }, 'reasoning_effort: is not known'],
  [{ response_format: { type: 'grammar' } }, 'response_format.type: must be'],
  [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema: is required'],
  [
    { response_format: { type: 'json_schema', json_schema: {} } },
    'response_format.json_schema.name: is required',
  ],
  [{ tools: [{ type: 'custom', custom: { name: 'x' } }] }, 'tools[0]: is a tool of type custom'],
  [{ tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name: is required'],
  [{ tool_choice: 'maybe' }, 'tool_choice: must be none'],
  [{ tool_choice: { type: 'custom', custom: { name: 'x' } } }, 'tool_choice: chooses a tool of type custom'],
])('refuses %j', (more, message) => {
  expect(() => read({ ...HI, ...more })).toThrow(message);
});
