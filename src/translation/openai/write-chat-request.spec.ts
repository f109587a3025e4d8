import { CallError } from '../../dialects/dialect.ts';
import type { MediaPart, Message, NeutralRequest, Part, ThinkingPart } from '../neutral.ts';
import { openaiUpstream } from './openai-upstream.ts';

/**
 * Expected documents by the API reference, "Create chat completion"
 * (https://platform.openai.com/docs/api-reference/chat/create), and `ChatCompletionCreateParams` of openai 6.49.
 */
function write(request: Partial<NeutralRequest>) {
  const { body, headers, edits } = openaiUpstream.writeRequest({
    lane: 'generate',
    model: 'gpt-4.1',
    stream: false,
    system: [],
    messages: [say('hi')],
    tools: [],
    leftovers: [],
    source: {},
    ...request,
  });
  return { body: body as Readonly<Record<string, unknown>>, headers, edits };
}

const text = (said: string): Part => ({ type: 'text', at: 'm', text: said });
const turn = (role: Message['role'], ...parts: readonly Part[]): Message => ({ role, at: 'm', parts });
const say = (said: string, role: Message['role'] = 'user'): Message => turn(role, text(said));
const call = (id: string, input = '{"n":1}'): Part => ({ type: 'tool-call', at: 'm', id, name: 'f', input });
const result = (id: string, content: readonly Part[], failed = false): Part => ({
  type: 'tool-result',
  at: 'm',
  id,
  name: 'f',
  content: content as readonly MediaPart[],
  failed,
});
const thought = (more: Partial<ThinkingPart> = {}): Part => ({
  type: 'thinking',
  at: 'm',
  text: 'hm',
  ...more,
});
const image: MediaPart = {
  type: 'image',
  at: 'm',
  media: { from: 'base64', mediaType: 'image/png', data: 'iVBORw0KGgo=' },
};
const IMAGE = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
const CALL = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{"n":1}' } });

const given = <T>(value: T, at: string) => ({ value, at });
const messagesOf = (messages: readonly Message[], more: Partial<NeutralRequest> = {}) =>
  write({ messages, ...more }).body['messages'];

describe('A request for chat completions', () => {
  it('says everything that the middle form can', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' } } };
    const { body, headers, edits } = write({
      stream: true,
      system: [
        { type: 'text', at: 'system[0]', text: 'Be.', cache: { ttl: '1h', at: 'system[0].cache_control' } },
        { type: 'text', at: 'system[1]', text: 'Brief.' },
      ],
      tools: [
        { at: 'tools[0]', name: 'f', description: 'Does.', schema, strict: true },
        { at: 'tools[1]', name: 'g', description: undefined, schema: {} },
      ],
      toolChoice: given({ mode: 'one', name: 'f' } as const, 'tool_choice'),
      parallelTools: given(false, 'tool_choice.disable_parallel_tool_use'),
      maxOutputTokens: given(100, 'max_tokens'),
      temperature: given(0.5, 'temperature'),
      topP: given(0.9, 'top_p'),
      stop: given(['END'], 'stop_sequences'),
      seed: given(7, 'seed'),
      presencePenalty: given(0.1, 'presence_penalty'),
      frequencyPenalty: given(0.2, 'frequency_penalty'),
      output: given({ name: 'a b', schema, strict: false }, 'output_config.format'),
    });
    expect(body).toEqual({
      model: 'gpt-4.1',
      messages: [
        { role: 'system', content: 'Be.\n\nBrief.' },
        { role: 'user', content: 'hi' },
      ],
      tools: [
        {
          type: 'function',
          function: { name: 'f', description: 'Does.', parameters: schema, strict: true },
        },
        { type: 'function', function: { name: 'g', parameters: { type: 'object', properties: {} } } },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
      parallel_tool_calls: false,
      max_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      stop: ['END'],
      seed: 7,
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
      response_format: { type: 'json_schema', json_schema: { name: 'a_b', schema, strict: false } },
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(headers).toEqual({});
    expect(edits).toEqual(['left-out:cache_control']);
  });

  it('says no more than it must', () => {
    const { body, edits } = write({
      tools: [],
      toolChoice: given({ mode: 'auto' } as const, 'tool_choice'),
      parallelTools: given(false, 'parallel_tool_calls'),
      stop: given([], 'stop'),
    });
    // Choice and parallel calls are refused without tools.
    expect(body).toEqual({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'hi' }] });
    expect(edits).toEqual([]);
  });

  it.each([
    ['o4-mini', 'max_completion_tokens'],
    ['gpt-5-mini', 'max_completion_tokens'],
    ['openai/gpt-5.2', 'max_completion_tokens'],
    ['gpt-4o', 'max_tokens'],
    ['gpt-oss-120b', 'max_tokens'],
    ['llama-4', 'max_tokens'],
    ['deepseek-v4-pro', 'max_tokens'],
  ])('bounds the answer of %s by %s', (model, field) => {
    const { body } = write({ model, maxOutputTokens: given(9, 'max_tokens') });
    expect(body[field]).toBe(9);
    expect(Object.keys(body).filter((name) => name.startsWith('max_'))).toEqual([field]);
  });

  it.each([
    [{ mode: 'auto' } as const, 'auto', 2],
    [{ mode: 'any' } as const, 'required', 2],
    [{ mode: 'none' } as const, 'none', 2],
    [{ mode: 'any', only: ['g'] } as const, 'required', 1],
  ])('says the choice %j', (choice, told, offered) => {
    const tools = ['f', 'g'].map((name) => ({ at: 't', name, description: 'd', schema: {} }));
    const { body } = write({ tools, toolChoice: given(choice, 'tool_choice') });
    expect(body['tool_choice']).toBe(told);
    expect(body['tools']).toHaveLength(offered);
  });

  it('leaves out the word for one call at a time where the model has no other way', () => {
    const tools = [{ at: 't', name: 'f', description: 'd', schema: {} }];
    const { body } = write({ model: 'o3', tools, parallelTools: given(false, 'p') });
    expect(body).not.toHaveProperty('parallel_tool_calls');
  });

  it('is strict about a schema that says nothing else where strict mode takes it', () => {
    const open = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] };
    const format = (schema: Readonly<Record<string, unknown>>) =>
      write({ output: given({ schema }, 'output_config.format') }).body['response_format'];
    expect(format({ ...open, additionalProperties: false })).toMatchObject({
      json_schema: { name: 'answer', strict: true },
    });
    expect(format(open)).toMatchObject({ json_schema: { strict: false } });
    expect(write({ output: given({}, 'responseMimeType') }).body['response_format']).toEqual({
      type: 'json_object',
    });
  });
});

describe('What this model does not take', () => {
  it.each<[string, Partial<NeutralRequest>, string]>([
    ['gpt-4.1', { topK: given(40, 'generationConfig.topK') }, 'generationConfig.topK'],
    ['gpt-4.1', { stop: given(['a', 'b', 'c', 'd', 'e'], 'stop_sequences') }, 'stop_sequences'],
    ['gpt-5-mini', { stop: given(['a'], 'stop_sequences') }, 'stop_sequences'],
    ['gpt-5-mini', { temperature: given(0, 'temperature') }, 'temperature'],
    ['o3', { topP: given(0.9, 'top_p') }, 'top_p'],
    ['o3', { presencePenalty: given(1, 'generationConfig.presencePenalty') }, 'generationConfig.presence'],
    [
      'gpt-5.2',
      {
        temperature: given(0, 'temperature'),
        thinking: given({ mode: 'effort', effort: 'low', show: false }, 'thinking'),
      },
      'temperature',
    ],
  ])('of %s is refused by the client’s name: %j', (model, request, at) => {
    const written = (): unknown => write({ model, ...request });
    expect(written).toThrow(CallError);
    expect(written).toThrow(new RegExp(`^${at.replace('.', '\\.')}`));
  });

  it('goes unsaid where it is what happens anyway', () => {
    const { body } = write({
      model: 'gpt-5-mini',
      temperature: given(1, 'temperature'),
      topP: given(1, 'top_p'),
      frequencyPenalty: given(0, 'f'),
    });
    expect(body).toEqual({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'hi' }] });
  });

  it('is taken by a model that can do without thinking, while it does', () => {
    expect(write({ model: 'gpt-5.2', temperature: given(0, 't') }).body).toMatchObject({ temperature: 0 });
  });

  it.each<[string, Part, RegExp]>([
    ['video', { ...image, type: 'video' }, /video/],
    [
      'audio of another kind',
      { ...image, type: 'audio', media: { from: 'base64', mediaType: 'audio/ogg', data: 'x' } },
      /wav nor mp3/,
    ],
    [
      'a document’s URL',
      { ...image, type: 'document', media: { from: 'url', url: 'https://x/a.pdf' } },
      /URL/,
    ],
    [
      'a spreadsheet',
      {
        ...image,
        type: 'document',
        media: { from: 'base64', mediaType: 'application/vnd.ms-excel', data: 'x' },
      },
      /PDF and text/,
    ],
  ])('is refused as a part: %s', (_what, part, why) => {
    expect(() => write({ messages: [turn('user', part)] })).toThrow(why);
    expect(() => write({ messages: [turn('user', part)] })).toThrow(CallError);
  });

  it('is an image of the assistant’s own', () => {
    expect(() => write({ messages: [turn('assistant', image)] })).toThrow(/assistant's own/);
  });
});

describe('Thinking', () => {
  it.each<[string, NonNullable<NeutralRequest['thinking']>['value'], string | undefined, boolean]>([
    ['gpt-5-mini', { mode: 'budget', budgetTokens: 1024, show: true }, 'low', true],
    ['gpt-5-mini', { mode: 'budget', budgetTokens: 4096, show: true }, 'medium', true],
    ['gpt-5-mini', { mode: 'budget', budgetTokens: 31_999, show: true }, 'high', true],
    ['gpt-5-mini', { mode: 'budget', budgetTokens: 0, show: true }, 'minimal', false],
    ['gpt-5-mini', { mode: 'adaptive', show: true }, undefined, true],
    ['gpt-5-mini', { mode: 'adaptive', effort: 'high', show: true }, 'high', true],
    ['gpt-5-mini', { mode: 'off', show: false }, 'minimal', false],
    ['gpt-5.2', { mode: 'off', show: false }, 'none', true],
    ['gpt-5.2', { mode: 'effort', effort: 'max', show: false }, 'xhigh', false],
    ['o4-mini', { mode: 'effort', effort: 'minimal', show: false }, 'low', false],
    ['deepseek-v4-pro', { mode: 'effort', effort: 'medium', show: false }, 'high', false],
    ['gpt-oss-20b', { mode: 'effort', effort: 'medium', show: false }, 'medium', true],
    ['gpt-4.1', { mode: 'budget', budgetTokens: 1024, show: true }, undefined, false],
    ['gpt-4.1', { mode: 'off', show: false }, undefined, true],
    ['llama-4', { mode: 'effort', effort: 'high', show: false }, undefined, false],
  ])('is for %s from %j the word %s', (model, thinking, effort, exact) => {
    const { body, edits } = write({ model, thinking: given(thinking, 'thinking') });
    expect(body['reasoning_effort']).toBe(effort);
    expect(edits).toEqual(exact ? [] : ['left-out:thinking']);
  });
});

describe('The conversation', () => {
  it('is one message for each turn, with system messages where they stood', () => {
    const messages = [
      say('one'),
      say('two'),
      say('Mind.', 'system'),
      say('three'),
      say('four', 'assistant'),
      say('five', 'assistant'),
    ];
    expect(messagesOf(messages)).toEqual([
      { role: 'user', content: 'one\n\ntwo' },
      { role: 'system', content: 'Mind.' },
      { role: 'user', content: 'three' },
      { role: 'assistant', content: 'four\n\nfive' },
    ]);
  });

  it('takes images by data and by address, documents and sound', () => {
    const content: readonly Part[] = [
      text('What?'),
      { ...image, detail: 'low' },
      { ...image, media: { from: 'url', url: 'https://example.com/a.png' } },
      {
        ...image,
        type: 'document',
        name: 'a.pdf',
        media: { from: 'base64', mediaType: 'application/pdf', data: 'JVBE' },
      },
      { ...image, type: 'document', name: 'notes', media: { from: 'text', text: 'Buy milk.' } },
      { ...image, type: 'audio', media: { from: 'base64', mediaType: 'audio/mpeg', data: 'SUQz' } },
    ];
    expect(messagesOf([turn('user', ...content)])).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What?' },
          { type: 'image_url', image_url: { url: IMAGE.image_url.url, detail: 'low' } },
          { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
          {
            type: 'file',
            file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBE' },
          },
          { type: 'text', text: 'notes\n\nBuy milk.' },
          { type: 'input_audio', input_audio: { data: 'SUQz', format: 'mp3' } },
        ],
      },
    ]);
  });

  it('has the results of calls right after them, each a message, whatever stood before', () => {
    const messages = [
      turn('assistant', text('Let me see.'), call('a'), call('b')),
      turn('user', text('And?'), result('b', [text('second')])),
      turn('user', result('a', [text('no'), text('way')], true)),
    ];
    expect(messagesOf(messages)).toEqual([
      { role: 'assistant', content: 'Let me see.', tool_calls: [CALL('a'), CALL('b')] },
      { role: 'tool', tool_call_id: 'b', content: 'second' },
      { role: 'tool', tool_call_id: 'a', content: 'Error: no\n\nway' },
      { role: 'user', content: 'And?' },
    ]);
  });

  it('moves what a result holds beside text into the user’s next message, and says whose it is', () => {
    const messages = [
      turn('assistant', call('a'), call('b')),
      turn('user', result('a', [text('shot'), image]), result('b', [image]), text('Well?')),
    ];
    expect(messagesOf(messages)).toEqual([
      { role: 'assistant', content: null, tool_calls: [CALL('a'), CALL('b')] },
      { role: 'tool', tool_call_id: 'a', content: 'shot' },
      { role: 'tool', tool_call_id: 'b', content: '(See the next message.)' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'From the result of f (a):' },
          IMAGE,
          { type: 'text', text: 'From the result of f (b):' },
          IMAGE,
          { type: 'text', text: 'Well?' },
        ],
      },
    ]);
  });

  it('shortens an id that is longer than the API takes, in the call and in its result alike', () => {
    const long = `toolu_${'x'.repeat(60)}`;
    const messages = messagesOf([
      turn('assistant', call(long)),
      turn('user', result(long, [text('ok')])),
    ]) as [{ tool_calls: [{ id: string }] }, { tool_call_id: string }];
    const { id } = messages[0].tool_calls[0];
    expect(id.length).toBeLessThanOrEqual(40);
    expect(messages[1].tool_call_id).toBe(id);
  });
});

describe('What others sealed', () => {
  const sealed = thought({ signature: { minted: 'anthropic', value: 'c2ln' } });

  it('is taken out with its block, and told', () => {
    const signature = { minted: 'google', value: 'x' } as const;
    const parts: readonly Part[] = [
      sealed,
      thought({ text: '', redacted: { minted: 'anthropic', value: 'x' } }),
      { type: 'text', at: 'm', text: 'Said.', signature },
      { type: 'tool-call', at: 'm', id: 'a', name: 'f', input: '{"n":1}', signature },
    ];
    const { body, edits } = write({ messages: [turn('assistant', ...parts)] });
    expect(body['messages']).toEqual([{ role: 'assistant', content: 'Said.', tool_calls: [CALL('a')] }]);
    expect(edits).toEqual(['signature:foreign']);
  });

  it('leaves no message where there is nothing else', () => {
    expect(messagesOf([say('hi'), turn('assistant', sealed), say('again')])).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'user', content: 'again' },
    ]);
  });

  it('comes back as text with its calls to a model that wants its thoughts', () => {
    const messages = [turn('assistant', thought(), text('Said.'), call('a')), turn('user', result('a', []))];
    const wanted = write({ model: 'deepseek-v4-pro', messages });
    expect(wanted.body['messages']).toEqual([
      { role: 'assistant', content: 'Said.', reasoning_content: 'hm', tool_calls: [CALL('a')] },
      { role: 'tool', tool_call_id: 'a', content: '' },
    ]);
    expect(wanted.edits).toEqual([]);
    const foreign = write({ model: 'deepseek-v4-pro', messages: [turn('assistant', sealed, call('a'))] });
    expect(foreign.body['messages']).toMatchObject([{ reasoning_content: 'hm' }]);
    expect(foreign.edits).toEqual(['signature:foreign']);
    const unwanted = write({ messages });
    expect(JSON.stringify(unwanted.body)).not.toContain('reasoning');
    expect(unwanted.edits).toEqual(['left-out:thinking']);
  });
});
