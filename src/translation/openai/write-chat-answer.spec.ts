import { NO_USAGE, type Usage } from '../../dialects/dialect.ts';
import { packToolId, unpackToolId } from '../carried.ts';
import type { AnswerContext, NeutralEvent, NeutralRequest, StopReason } from '../neutral.ts';
import { openaiClient } from './openai-client.ts';

/** Frames by OpenAI's API reference: "Chat completion chunk object", "Chat completion object". */
const USAGE: Usage = {
  ...NO_USAGE,
  inputTokens: 10,
  cacheReadTokens: 100,
  cacheWrite5mTokens: 7,
  cacheWrite1hTokens: 3,
  outputTokens: 50,
  reasoningTokens: 20,
};
const TOLD = {
  prompt_tokens: 120,
  completion_tokens: 50,
  total_tokens: 170,
  prompt_tokens_details: { cached_tokens: 100, cache_write_tokens: 10 },
  completion_tokens_details: { reasoning_tokens: 20 },
};
const NAMES = { id: 'chatcmpl-msg_1', object: 'chat.completion.chunk', created: 1763, model: 'claude-x' };

function contextOf(source: object = {}, usage = USAGE): AnswerContext {
  const request = { source } as unknown as NeutralRequest;
  return { request, model: 'public', requestId: '0199-ab', now: 1_763_900, usage: () => usage };
}

const START: NeutralEvent = { type: 'start', id: 'msg_1', model: 'claude-x' };
const CLAUDES = { minted: 'anthropic', value: 'EqQB' } as const;
const GOOGLES = { minted: 'google', value: 'CiEB' } as const;
const partOf = (part: 'text' | 'thinking', ...texts: readonly string[]): readonly NeutralEvent[] => [
  { type: 'part', part },
  ...texts.map((text): NeutralEvent => ({ type: 'delta', text })),
  { type: 'part-end' },
];
const THOUGHT: readonly NeutralEvent[] = [
  ...partOf('thinking', 'Hm. ', '思.').slice(0, -1),
  { type: 'signature', signature: CLAUDES },
  { type: 'part-end' },
];
const callOf = (id: string, ...pieces: readonly string[]): readonly NeutralEvent[] => [
  { type: 'part', part: 'tool-call', id, name: 'f' },
  ...pieces.map((text): NeutralEvent => ({ type: 'delta', text })),
  { type: 'part-end' },
];
const ends = (reason: StopReason, detail?: string): readonly NeutralEvent[] => [
  { type: 'stop', reason, ...(detail !== undefined && { detail }) },
  { type: 'end' },
];

function stream(events: readonly NeutralEvent[], context = contextOf()): string {
  const writer = openaiClient.writer(context, 'sse');
  return events.map((event) => writer.write(event)).join('');
}

function framesOf(text: string): readonly unknown[] {
  expect(text.endsWith('\n\n')).toBe(true);
  return text
    .slice(0, -2)
    .split('\n\n')
    .map((frame) => {
      const data = frame.replace(/^data: /, '');
      return data === '[DONE]' ? data : (JSON.parse(data) as unknown);
    });
}

const chunk = (delta: object, finish: string | null = null) => ({
  ...NAMES,
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
});
const FIRST = chunk({ role: 'assistant', content: '' });
const WITHOUT_TEXT = { role: 'assistant', content: null, refusal: null };

describe('an answer for clients of chat completions', () => {
  it('is streamed with the role first, piece by piece, the reason after all and [DONE] last', () => {
    const events = [START, ...partOf('text', 'Lo', 'ok.'), ...ends('end')];
    expect(framesOf(stream(events))).toEqual([
      FIRST,
      chunk({ content: 'Lo' }),
      chunk({ content: 'ok.' }),
      chunk({}, 'stop'),
      '[DONE]',
    ]);
  });

  it('tells usage in a chunk of its own only where it was asked for, and null before', () => {
    const events = [START, ...partOf('text', 'Look.'), ...ends('end')];
    const frames = framesOf(stream(events, contextOf({ stream_options: { include_usage: true } })));
    expect(frames).toEqual([
      { ...FIRST, usage: null },
      { ...chunk({ content: 'Look.' }), usage: null },
      { ...chunk({}, 'stop'), usage: null },
      { ...NAMES, choices: [], usage: TOLD },
      '[DONE]',
    ]);
    for (const stream_options of [null, {}, { include_usage: false }]) {
      expect(stream(events, contextOf({ stream_options }))).not.toContain('usage');
    }
  });

  it('streams calls by index, name and id once, thoughts inside the id of the next call', () => {
    const id = packToolId('toolu_1', [{ kind: 'thinking', text: 'Hm. 思.', signature: CLAUDES }]);
    const events = [
      START,
      ...THOUGHT,
      ...partOf('text', 'Look.'),
      ...callOf('toolu_1', '{"n"', ':', '1}'),
      ...callOf('toolu_2'),
      ...ends('tool-calls'),
    ];
    const begun = (index: number, name: string, json: string) => ({
      tool_calls: [{ index, id: name, type: 'function', function: { name: 'f', arguments: json } }],
    });
    const more = (json: string) => ({ tool_calls: [{ index: 0, function: { arguments: json } }] });
    expect(framesOf(stream(events))).toEqual([
      FIRST,
      chunk({ reasoning_content: 'Hm. ' }),
      chunk({ reasoning_content: '思.' }),
      chunk({ content: 'Look.' }),
      chunk(begun(0, id, '{"n"')),
      chunk(more(':')),
      chunk(more('1}')),
      chunk(begun(1, 'toolu_2', '{}')),
      chunk({}, 'tool_calls'),
      '[DONE]',
    ]);
    expect(openaiClient.document(events, contextOf())).toEqual({
      ...NAMES,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Look.',
            refusal: null,
            reasoning_content: 'Hm. 思.',
            tool_calls: [
              { id, type: 'function', function: { name: 'f', arguments: '{"n":1}' } },
              { id: 'toolu_2', type: 'function', function: { name: 'f', arguments: '{}' } },
            ],
          },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage: TOLD,
    });
  });

  it('carries the seal of a call in its own id, with redacted thoughts and those between two calls', () => {
    const [begin, end] = [callOf('call_1', '{}').slice(0, -1), { type: 'part-end' } as const];
    const redacted = { minted: 'bedrock', value: 'c2Vj' } as const;
    const events: readonly NeutralEvent[] = [
      START,
      { type: 'part', part: 'redacted-thinking', data: redacted },
      end,
      ...begin,
      { type: 'signature', signature: GOOGLES },
      end,
      ...partOf('thinking', 'And?'),
      ...callOf('call_2', '{}'),
      ...ends('tool-calls'),
    ];
    const { choices } = openaiClient.document(events, contextOf()) as {
      choices: [{ message: { content: unknown; tool_calls: { id: string }[] } }];
    };
    expect(choices[0].message.content).toBeNull();
    expect(choices[0].message.tool_calls.map(({ id }) => unpackToolId(id))).toEqual([
      {
        id: 'call_1',
        carried: [
          { kind: 'redacted', data: redacted },
          { kind: 'call', signature: GOOGLES },
        ],
      },
      { id: 'call_2', carried: [{ kind: 'thinking', text: 'And?' }] },
    ]);
    const ids = framesOf(stream(events)).flatMap(
      (frame) => JSON.stringify(frame).match(/"id":"rlsig[^"]*"/g) ?? [],
    );
    expect(ids).toEqual(choices[0].message.tool_calls.map(({ id }) => `"id":"${id}"`));
  });

  it.each<[StopReason, string]>([
    ['end', 'stop'],
    ['stop-sequence', 'stop'],
    ['max-tokens', 'length'],
    ['context-full', 'length'],
    ['tool-calls', 'tool_calls'],
    ['refusal', 'content_filter'],
    ['filtered', 'content_filter'],
    ['blocked', 'content_filter'],
  ])('stops for %s with %s', (reason, finish) => {
    const events = [START, ...ends(reason)];
    expect(framesOf(stream(events)).at(-2)).toEqual(chunk({}, finish));
    expect(openaiClient.document(events, contextOf())).toMatchObject({
      choices: [{ message: { content: '', refusal: null }, finish_reason: finish }],
    });
  });

  it('tells the vendor’s words for a refusal, and no other end’s', () => {
    const refused = [START, ...ends('refusal', 'Not this.')];
    expect(framesOf(stream(refused)).slice(1, 3)).toEqual([
      chunk({ refusal: 'Not this.' }),
      chunk({}, 'content_filter'),
    ]);
    expect(openaiClient.document(refused, contextOf())).toMatchObject({
      choices: [{ message: { ...WITHOUT_TEXT, refusal: 'Not this.' } }],
    });
    expect(stream([START, ...ends('end', 'x')])).not.toContain('refusal');
  });

  it('is named by the relay where the upstream names nothing', () => {
    const events: readonly NeutralEvent[] = [{ type: 'start', id: '', model: undefined }, ...ends('end')];
    const named = { id: 'chatcmpl-0199ab', model: 'public' };
    expect(framesOf(stream(events))[0]).toMatchObject(named);
    expect(openaiClient.document(events, contextOf())).toMatchObject(named);
  });

  it('leaves the arguments that a model did not finish as they are', () => {
    const events = [START, ...callOf('c', '{"a":', '"b'), ...ends('max-tokens')];
    expect(openaiClient.document(events, contextOf())).toMatchObject({
      choices: [
        { message: { tool_calls: [{ function: { arguments: '{"a":"b' } }] }, finish_reason: 'length' },
      ],
    });
  });

  it('writes nothing for an error, which the relay tells, and cannot hold a file', () => {
    const writer = openaiClient.writer(contextOf(), 'sse');
    expect(writer.write({ type: 'error', failure: { type: 'x', message: 'y' } })).toBe('');
    expect(() =>
      writer.write({ type: 'part', part: 'media', mediaType: 'image/png', data: 'aGk=' }),
    ).toThrow();
  });
});
