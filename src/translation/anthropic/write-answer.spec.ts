import { NO_USAGE, type Usage } from '../../dialects/dialect.ts';
import { packCarried, packSignature, unpackToolId } from '../carried.ts';
import type { AnswerContext, NeutralEvent, NeutralRequest } from '../neutral.ts';
import { anthropicClient } from './anthropic-client.ts';

/** Frames by platform.claude.com, "Streaming messages" and "Handling stop reasons". */
const USAGE: Usage = {
  ...NO_USAGE,
  inputTokens: 10,
  cacheReadTokens: 100,
  cacheWrite5mTokens: 7,
  cacheWrite1hTokens: 3,
  outputTokens: 50,
};
const INPUT = { input_tokens: 10, cache_creation_input_tokens: 10, cache_read_input_tokens: 100 };

function contextOf(show = true): AnswerContext {
  const request = { thinking: { value: { mode: 'adaptive', show }, at: 't' } } as unknown as NeutralRequest;
  return { request, model: 'public', requestId: '0199-aa', now: 0, usage: () => USAGE };
}

/** The frames, read back; each must be named by its type and end with a blank line. */
function stream(events: readonly NeutralEvent[], context = contextOf()): readonly Record<string, unknown>[] {
  const writer = anthropicClient.writer(context, 'sse');
  const text = events.map((event) => writer.write(event)).join('');
  expect(text.endsWith('\n\n')).toBe(true);
  return text
    .slice(0, -2)
    .split('\n\n')
    .map((frame) => {
      const [, name, json] = /^event: (\w+)\ndata: (.+)$/.exec(frame) ?? [];
      const data = JSON.parse(json ?? 'null') as Record<string, unknown>;
      expect(data['type']).toBe(name);
      return data;
    });
}

const START: NeutralEvent = { type: 'start', id: 'resp-1/x', model: 'gemini-x' };
const TEXT: readonly NeutralEvent[] = [
  { type: 'part', part: 'text' },
  { type: 'delta', text: 'Lo' },
  { type: 'delta', text: 'ok 川.' },
];
const END: NeutralEvent = { type: 'part-end' };
const OVER: readonly NeutralEvent[] = [{ type: 'stop', reason: 'end' }, { type: 'end' }];
const GOOGLES = { minted: 'google', value: 'c2ln' } as const;
const SEALED: NeutralEvent = { type: 'signature', signature: GOOGLES };

const CALL: readonly NeutralEvent[] = [
  { type: 'part', part: 'tool-call', id: 'call_1', name: 'look' },
  { type: 'delta', text: '{"a":' },
  { type: 'delta', text: '1}' },
];

const begun = (index: number, content_block: object) => ({
  type: 'content_block_start',
  index,
  content_block,
});
const changed = (index: number, delta: object) => ({ type: 'content_block_delta', index, delta });
const stopped = (index: number) => ({ type: 'content_block_stop', index });
const thought = (index: number, signature: string) => [
  begun(index, { type: 'thinking', thinking: '', signature: '' }),
  changed(index, { type: 'signature_delta', signature }),
  stopped(index),
];

describe('a Messages stream', () => {
  it('tells a text in the order of the documentation, usage from the meter', () => {
    expect(stream([START, ...TEXT, END, ...OVER])).toEqual([
      {
        type: 'message_start',
        message: {
          id: 'msg_resp-1x',
          type: 'message',
          role: 'assistant',
          model: 'gemini-x',
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { ...INPUT, output_tokens: 1 },
        },
      },
      begun(0, { type: 'text', text: '' }),
      changed(0, { type: 'text_delta', text: 'Lo' }),
      changed(0, { type: 'text_delta', text: 'ok 川.' }),
      stopped(0),
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { ...INPUT, output_tokens: 50 },
      },
      { type: 'message_stop' },
    ]);
  });

  it('names an answer without an id by the request, and a model that is not named as the client did', () => {
    const [start] = stream([{ type: 'start', id: '', model: undefined }]);
    expect(start).toMatchObject({ message: { id: 'msg_0199aa', model: 'public' } });
  });

  it('streams the arguments of a call as they come', () => {
    const told = stream([START, ...CALL, END, { type: 'stop', reason: 'tool-calls' }, { type: 'end' }]);
    expect(told.slice(1, 5)).toEqual([
      begun(0, { type: 'tool_use', id: 'call_1', name: 'look', input: {} }),
      changed(0, { type: 'input_json_delta', partial_json: '{"a":' }),
      changed(0, { type: 'input_json_delta', partial_json: '1}' }),
      stopped(0),
    ]);
    expect(told[5]).toMatchObject({ delta: { stop_reason: 'tool_use' } });
  });

  it('puts the seal of a call into an empty thought before it', () => {
    const [name, first, ...rest] = CALL as [NeutralEvent, NeutralEvent, NeutralEvent];
    const told = stream([START, name, first, SEALED, ...rest, END]);
    expect(told.slice(1)).toEqual([
      ...thought(0, packCarried([{ kind: 'call', signature: GOOGLES }])),
      begun(1, { type: 'tool_use', id: 'call_1', name: 'look', input: {} }),
      changed(1, { type: 'input_json_delta', partial_json: '{"a":' }),
      changed(1, { type: 'input_json_delta', partial_json: '1}' }),
      stopped(1),
    ]);
  });

  it('puts the seal of a text between it and what follows, and ends with the text where nothing does', () => {
    const followed = stream([START, ...TEXT, SEALED, END, ...CALL, END]);
    expect(followed.slice(4, 8)).toEqual([stopped(0), ...thought(1, packSignature(GOOGLES, 'anthropic'))]);
    expect(followed[8]).toMatchObject({ index: 2, content_block: { type: 'tool_use' } });
    const last = stream([START, ...TEXT, SEALED, END, ...OVER]);
    expect(last).toEqual(stream([START, ...TEXT, END, ...OVER]));
  });

  it('shows thoughts where the client wants to read them, seals them always', () => {
    const thinking: readonly NeutralEvent[] = [
      { type: 'part', part: 'thinking' },
      { type: 'delta', text: 'Hm.' },
      SEALED,
      END,
    ];
    const sealed = changed(0, {
      type: 'signature_delta',
      signature: packSignature(GOOGLES, 'anthropic'),
    });
    expect(stream([START, ...thinking]).slice(2)).toEqual([
      changed(0, { type: 'thinking_delta', thinking: 'Hm.' }),
      sealed,
      stopped(0),
    ]);
    expect(stream([START, ...thinking], contextOf(false)).slice(2)).toEqual([sealed, stopped(0)]);
    // Claude would refuse a thought without a signature later: nobody's is marked.
    const unsealed = stream([START, { type: 'part', part: 'thinking' }, END]);
    expect(unsealed.slice(1)).toEqual(thought(0, packCarried([])));
  });

  it.each([
    ['max-tokens', 'max_tokens'],
    ['stop-sequence', 'stop_sequence'],
    ['refusal', 'refusal'],
    ['blocked', 'refusal'],
    ['filtered', 'refusal'],
    ['context-full', 'model_context_window_exceeded'],
  ] as const)('tells %s as %s', (reason, word) => {
    const [, told] = stream([START, { type: 'stop', reason, sequence: 'STOP', detail: 'why' }]);
    const refusal = { stop_details: { type: 'refusal', category: null, explanation: 'why' } };
    expect(told?.['delta']).toEqual({
      stop_reason: word,
      stop_sequence: 'STOP',
      ...(word === 'refusal' && refusal),
    });
  });

  it('leaves an error to the relay, and cannot hold a file', () => {
    const writer = anthropicClient.writer(contextOf(), 'sse');
    expect(writer.write({ type: 'error', failure: { type: 'x', message: 'y' } })).toBe('');
    const file = { type: 'part', part: 'media', mediaType: 'image/png', data: 'AA==' } as const;
    expect(() => writer.write(file)).toThrow('cannot hold a file');
  });
});

describe('a message', () => {
  it('is what its stream would say, put together', () => {
    const events = [START, ...TEXT, END, ...CALL, END, { type: 'stop', reason: 'tool-calls' } as const];
    expect(anthropicClient.document(events, contextOf())).toEqual({
      id: 'msg_resp-1x',
      type: 'message',
      role: 'assistant',
      model: 'gemini-x',
      content: [
        { type: 'text', text: 'Look 川.' },
        { type: 'tool_use', id: 'call_1', name: 'look', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: { ...INPUT, output_tokens: 50 },
    });
  });

  it('has an empty object where a call has no arguments, and is none where they are no JSON', () => {
    const [name] = CALL as [NeutralEvent];
    expect(anthropicClient.document([START, name, END], contextOf())).toMatchObject({
      content: [{ input: {} }],
    });
    const torn: NeutralEvent = { type: 'delta', text: '{"a":' };
    expect(() => anthropicClient.document([START, name, torn, END], contextOf())).toThrow(SyntaxError);
  });

  it.each([
    ['max-tokens', 'max_tokens'],
    ['context-full', 'model_context_window_exceeded'],
  ] as const)(
    'leaves out a call that the model had no tokens to finish, and says so (%s)',
    (reason, told) => {
      const [name] = CALL as [NeutralEvent];
      const torn: NeutralEvent = { type: 'delta', text: '{"a":' };
      const over: readonly NeutralEvent[] = [{ type: 'stop', reason }, { type: 'end' }];
      const events = [START, ...TEXT, END, ...CALL, END, name, torn, END, ...over];
      expect(anthropicClient.document(events, contextOf())).toMatchObject({
        content: [
          { type: 'text', text: 'Look 川.' },
          { type: 'tool_use', id: 'call_1', name: 'look', input: { a: 1 } },
        ],
        stop_reason: told,
      });
      const wrong: readonly NeutralEvent[] = [{ type: 'stop', reason: 'tool-calls' }, { type: 'end' }];
      expect(() => anthropicClient.document([START, name, torn, END, ...wrong], contextOf())).toThrow(
        SyntaxError,
      );
    },
  );

  it('has ids of calls that Claude would take, and an upstream gets its own back', () => {
    const call: NeutralEvent = { type: 'part', part: 'tool-call', id: 'functions.look:0', name: 'look' };
    const { content } = anthropicClient.document([START, call, END, ...OVER], contextOf()) as {
      readonly content: readonly { readonly id: string }[];
    };
    expect(content[0]?.id).toMatch(/^[a-zA-Z0-9_-]+$/);
    expect(unpackToolId(content[0]!.id)).toEqual({ id: 'functions.look:0', carried: [] });
  });
});
