import type { NeutralEvent } from '../neutral.ts';
import { openaiUpstream } from './openai-upstream.ts';

/**
 * Frames by the API reference, "Chat completion chunk object" and "Streaming"
 * (https://platform.openai.com/docs/api-reference/chat-streaming); those of other servers by the pages named beside them.
 */
const CHUNK = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4.1' };
const delta = (fields: object, finish: string | null = null, more: object = {}): object => ({
  ...CHUNK,
  choices: [{ index: 0, delta: fields, logprobs: null, finish_reason: finish }],
  ...more,
});
const USAGE = { ...CHUNK, choices: [], usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 } };

const frame = (data: object | string): string =>
  `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const DONE = '[DONE]';

function streamed(frames: readonly (object | string)[], size = Infinity): readonly NeutralEvent[] {
  const reader = openaiUpstream.reader();
  const bytes = Buffer.from(frames.map(frame).join(''));
  const events: NeutralEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    events.push(...reader.push(bytes.subarray(at, Math.min(at + size, bytes.length))));
  }
  return [...events, ...reader.finish()];
}

const START = { type: 'start', id: 'chatcmpl-1', model: 'gpt-4.1' };
const END = { type: 'end' };
const CLOSE = { type: 'part-end' };
const part = (name: 'text' | 'thinking') => ({ type: 'part', part: name });
const said = (text: string) => ({ type: 'delta', text });
const stop = (reason: string) => ({ type: 'stop', reason });
const called = (id: string, name: string) => ({ type: 'part', part: 'tool-call', id, name });
/** A piece of a call: the first has id and name. */
const piece = (index: number | undefined, args: string, begin?: { id?: string; name: string }): object => ({
  tool_calls: [
    {
      ...(index !== undefined && { index }),
      ...(begin && { id: begin.id, type: 'function' }),
      function: { ...(begin && { name: begin.name }), arguments: args },
    },
  ],
});
const A = { id: 'call_a', name: 'f' };
const B = { id: 'call_b', name: 'g' };
const CALL_A = [called('call_a', 'f'), said('{"n":'), said('1}'), CLOSE];
const CALL_B = (...inputs: readonly string[]) => [called('call_b', 'g'), ...inputs.map(said), CLOSE];

const ROWS: readonly { title: string; frames: readonly (object | string)[]; events: readonly object[] }[] = [
  {
    title: 'text in pieces is one part, and its end comes after the usage',
    frames: [
      delta({ role: 'assistant', content: '', refusal: null }),
      delta({ content: 'naï' }),
      delta({ content: 've 🙂' }),
      delta({}, 'stop'),
      USAGE,
      DONE,
    ],
    events: [START, part('text'), said('naï'), said('ve 🙂'), CLOSE, stop('end'), END],
  },
  {
    title: 'calls one after another are told as they come',
    frames: [
      delta({ role: 'assistant', content: null }),
      delta({ content: 'Look.' }),
      delta(piece(0, '', A)),
      delta(piece(0, '{"n":')),
      delta(piece(0, '1}')),
      delta(piece(1, '', B)),
      delta(piece(1, '{}')),
      delta({}, 'tool_calls'),
      DONE,
    ],
    events: [START, part('text'), said('Look.'), CLOSE, ...CALL_A, ...CALL_B('{}'), stop('tool-calls'), END],
  },
  {
    title: 'calls whose pieces are mixed are told one after another',
    frames: [
      delta({
        tool_calls: [
          { index: 0, id: 'call_a', type: 'function', function: { name: 'f', arguments: '' } },
          { index: 1, id: 'call_b', type: 'function', function: { name: 'g', arguments: '' } },
        ],
      }),
      delta(piece(0, '{"n":')),
      delta(piece(1, '{"m"')),
      delta(piece(0, '1}')),
      delta(piece(1, ':2}')),
      delta({}, 'tool_calls'),
      DONE,
    ],
    // The second is told from where the first is whole: what had come of it, then the rest.
    events: [START, ...CALL_A, ...CALL_B('{"m"', ':2}'), stop('tool-calls'), END],
  },
  {
    title: 'a call without arguments',
    frames: [delta(piece(0, '', A)), delta(piece(1, '{"m":2}', B)), delta({}, 'tool_calls'), DONE],
    events: [START, called('call_a', 'f'), CLOSE, ...CALL_B('{"m":2}'), stop('tool-calls'), END],
  },
  {
    // Index 0 for every call, or none at all: https://github.com/ollama/ollama/issues/15457 and …/7881.
    title: 'calls that are told apart by their ids or names only',
    frames: [
      delta(piece(0, '{"n":1}', A)),
      delta(piece(0, '{}', B)),
      delta(piece(undefined, '{}', { name: 'h' })),
      delta({}, 'stop'),
      DONE,
    ],
    events: [
      START,
      called('call_a', 'f'),
      said('{"n":1}'),
      CLOSE,
      ...CALL_B('{}'),
      called('call_chatcmpl-1_3', 'h'),
      said('{}'),
      CLOSE,
      stop('tool-calls'),
      END,
    ],
  },
  {
    // https://api-docs.deepseek.com/guides/thinking_mode
    title: 'a thought in reasoning_content',
    frames: [
      delta({ role: 'assistant', content: null, reasoning_content: '' }),
      delta({ content: null, reasoning_content: 'Let me ' }),
      delta({ content: null, reasoning_content: 'see.' }),
      delta({ content: 'Yes.', reasoning_content: null }),
      delta({ content: '', reasoning_content: null }, 'stop'),
      DONE,
    ],
    events: [
      START,
      part('thinking'),
      said('Let me '),
      said('see.'),
      CLOSE,
      part('text'),
      said('Yes.'),
      CLOSE,
      stop('end'),
      END,
    ],
  },
  {
    // https://openrouter.ai/docs/use-cases/reasoning-tokens; some servers tell it under both names.
    title: 'a thought in reasoning, once',
    frames: [
      delta({ reasoning: 'hm', reasoning_content: 'hm' }),
      delta({ reasoning: 'so' }),
      delta({}, 'stop'),
    ],
    events: [START, part('thinking'), said('hm'), said('so'), CLOSE, stop('end'), END],
  },
  {
    title: 'a refusal in the model’s words',
    frames: [
      delta({ role: 'assistant', content: null, refusal: '' }),
      delta({ refusal: "I can't " }),
      delta({ refusal: 'do that.' }),
      delta({}, 'stop'),
      DONE,
    ],
    events: [START, { type: 'stop', reason: 'refusal', detail: "I can't do that." }, END],
  },
  {
    // https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter
    title: 'a chunk without a choice first, and a filter that cut the answer',
    frames: [
      { id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [] },
      delta({ content: 'Well' }),
      delta({}, 'content_filter'),
      DONE,
    ],
    events: [START, part('text'), said('Well'), CLOSE, stop('filtered'), END],
  },
  {
    title: 'an end without [DONE], the usage in the last chunk',
    frames: [delta({ content: 'a' }), delta({}, 'length', { usage: USAGE.usage, error: null })],
    events: [START, part('text'), said('a'), CLOSE, stop('max-tokens'), END],
  },
  {
    title: 'an error in the stream, which is the last',
    frames: [
      delta({ content: 'a' }),
      { error: { message: 'gone', type: 'server_error', param: null, code: null } },
      delta({ content: 'b' }),
      DONE,
    ],
    events: [
      START,
      part('text'),
      said('a'),
      { type: 'error', failure: { type: 'server_error', message: 'gone', status: 500 } },
    ],
  },
  {
    title: 'an error as a text, and one on top',
    frames: [{ error: 'out of memory' }, { object: 'error', message: 'x' }],
    events: [{ type: 'error', failure: { type: 'error', message: 'out of memory' } }],
  },
];

describe('A stream of chat completions', () => {
  it.each(ROWS)('$title', ({ frames, events }) => {
    expect(streamed(frames)).toEqual(events);
  });

  it.each([1, 3, 64])('reads the same from pieces of %i bytes', (size) => {
    for (const { frames, events } of ROWS) expect(streamed(frames, size)).toEqual(events);
  });

  it('may leave the choices out of its usage, and write a space behind its end', () => {
    const { choices: _none, ...usage } = USAGE;
    expect(streamed([delta({ content: 'a' }), delta({}, 'stop'), usage, `${DONE} `])).toEqual([
      START,
      part('text'),
      said('a'),
      CLOSE,
      stop('end'),
      END,
    ]);
  });

  it('is no answer when it is empty, or another vendor’s', () => {
    expect(() => streamed([DONE])).toThrow('empty');
    expect(() => streamed([])).toThrow('empty');
    expect(() => streamed([{ type: 'message_start', message: {} }])).toThrow('no chat completion');
    expect(() => streamed(['{"choices":'])).toThrow();
  });

  it('does not take arguments for a call that is over', () => {
    const frames = [delta(piece(0, '{}', A)), delta(piece(1, '{}', B)), delta(piece(0, '"more"'))];
    expect(() => streamed(frames)).toThrow('after its call was over');
  });

  it('is bounded by what a tool may be given', () => {
    const reader = openaiUpstream.reader();
    const mega = 'x'.repeat(1024 * 1024);
    reader.push(Buffer.from(frame(delta(piece(0, '{"a":"', A)))));
    expect(() => {
      for (let n = 0; n < 20; n += 1) reader.push(Buffer.from(frame(delta(piece(0, mega)))));
    }).toThrow('too large');
  });
});

describe('A whole chat completion', () => {
  const whole = (message: object, finish = 'stop'): object => ({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4.1',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', refusal: null, annotations: [], ...message },
        finish_reason: finish,
      },
    ],
  });
  const read = (document: unknown) => openaiUpstream.read(document);

  it('is told as its stream would be', () => {
    const calls = [
      { id: 'call_a', type: 'function', function: { name: 'f', arguments: '{"n":1}' } },
      // As an object, as some servers have it.
      { id: 'call_b', type: 'function', function: { name: 'g', arguments: { m: 2 } } },
    ];
    expect(
      read(whole({ reasoning_content: 'hm', content: 'Look.', tool_calls: calls }, 'tool_calls')),
    ).toEqual([
      START,
      part('thinking'),
      said('hm'),
      CLOSE,
      part('text'),
      said('Look.'),
      CLOSE,
      called('call_a', 'f'),
      said('{"n":1}'),
      CLOSE,
      ...CALL_B('{"m":2}'),
      stop('tool-calls'),
      END,
    ]);
  });

  it('tells a refusal, and why it ended', () => {
    expect(read(whole({ content: null, refusal: 'No.' }))).toEqual([
      START,
      { type: 'stop', reason: 'refusal', detail: 'No.' },
      END,
    ]);
    for (const [finish, reason] of [
      ['length', 'max-tokens'],
      ['content_filter', 'filtered'],
      ['function_call', 'tool-calls'],
      ['toString', 'end'],
    ] as const) {
      expect(read(whole({ content: null }, finish))).toEqual([START, stop(reason), END]);
    }
  });

  it('may say its words and thoughts in pieces, as Mistral does', () => {
    // https://docs.mistral.ai/capabilities/reasoning
    const pieces = [
      { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] },
      { type: 'text', text: 'Well' },
      { type: 'reference', reference_ids: [1] },
      { type: 'text', text: '.' },
    ];
    const events = [part('thinking'), said('Hm.'), CLOSE, part('text'), said('Well'), said('.'), CLOSE];
    expect(read(whole({ content: pieces }))).toEqual([START, ...events, stop('end'), END]);
    expect(streamed([delta({ content: pieces }), delta({ content: '' }, 'stop'), DONE])).toEqual([
      START,
      ...events,
      stop('end'),
      END,
    ]);
    expect(() => read(whole({ content: [{ type: 'hologram' }] }))).toThrow(Error);
  });

  it.each([[{ type: 'message', content: [] }], [{ choices: [] }], [[]], [null], ['text']])(
    'is not %j',
    (document) => {
      expect(() => read(document)).toThrow(Error);
    },
  );
});
