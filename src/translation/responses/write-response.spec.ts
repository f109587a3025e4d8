import { NO_USAGE, type Usage } from '../../dialects/dialect.ts';
import { packCarried, packToolId } from '../carried.ts';
import type { AnswerContext, NeutralEvent, NeutralRequest, StopReason } from '../neutral.ts';
import { responsesClient } from './responses-client.ts';

/** Events by OpenAI's API reference: "Streaming events", "The response object". */
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
  input_tokens: 120,
  input_tokens_details: { cached_tokens: 100, cache_write_tokens: 10 },
  output_tokens: 50,
  output_tokens_details: { reasoning_tokens: 20 },
  total_tokens: 170,
};
const ENCRYPTED = { include: ['reasoning.encrypted_content'] };

function contextOf(source: object = {}, show = false): AnswerContext {
  const thinking = { value: { mode: 'adaptive', show }, at: 'reasoning' };
  const request = { source, thinking } as unknown as NeutralRequest;
  return { request, model: 'public', requestId: '0199-ab', now: 1_763_900, usage: () => USAGE };
}

/** What every response says where nothing was asked. */
const BARE = {
  id: 'resp_msg_1',
  object: 'response',
  created_at: 1763,
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  model: 'claude-x',
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  store: false,
  temperature: null,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_logprobs: 0,
  top_p: null,
  truncation: 'disabled',
  user: null,
};

const START: NeutralEvent = { type: 'start', id: 'msg_1', model: 'claude-x' };
const END: NeutralEvent = { type: 'part-end' };
const CLAUDES = { minted: 'anthropic', value: 'EqQB' } as const;
const GOOGLES = { minted: 'google', value: 'CiEB' } as const;
const deltas = (texts: readonly string[]): readonly NeutralEvent[] =>
  texts.map((text) => ({ type: 'delta', text }));
const textOf = (...texts: readonly string[]): readonly NeutralEvent[] => [
  { type: 'part', part: 'text' },
  ...deltas(texts),
  END,
];
const thoughtOf = (...texts: readonly string[]): readonly NeutralEvent[] => [
  { type: 'part', part: 'thinking' },
  ...deltas(texts),
  { type: 'signature', signature: CLAUDES },
  END,
];
const callOf = (id: string, ...pieces: readonly string[]): readonly NeutralEvent[] => [
  { type: 'part', part: 'tool-call', id, name: 'f' },
  ...deltas(pieces),
  END,
];
const ends = (reason: StopReason, detail?: string): readonly NeutralEvent[] => [
  { type: 'stop', reason, ...(detail !== undefined && { detail }) },
  { type: 'end' },
];

interface Event {
  readonly type: string;
  readonly sequence_number: number;
  readonly response?: { readonly output: readonly object[] };
}

/** The events of a stream, whose names and numbers are checked. */
function eventsOf(events: readonly NeutralEvent[], context = contextOf()): readonly Event[] {
  const writer = responsesClient.writer(context, 'sse');
  const text = events.map((event) => writer.write(event)).join('');
  expect(text.endsWith('\n\n')).toBe(true);
  const told = text
    .slice(0, -2)
    .split('\n\n')
    .map((frame) => {
      const [name, data] = frame.split('\n') as [string, string];
      const event = JSON.parse(data.replace(/^data: /, '')) as Event;
      expect(name).toBe(`event: ${event.type}`);
      return event;
    });
  expect(told.map((event) => event.sequence_number)).toEqual(told.map((_, i) => i));
  return told;
}

const typesOf = (events: readonly Event[]): readonly string[] =>
  events.map(({ type }) => type.replace(/^response\./, ''));
const outputOf = (events: readonly NeutralEvent[], context?: AnswerContext): readonly object[] =>
  (responsesClient.document(events, context ?? contextOf()) as { output: readonly object[] }).output;

const spoken = (text: string) => ({ type: 'output_text', annotations: [], logprobs: [], text });
const message = (id: string, text: string, status = 'completed') => ({
  id,
  type: 'message',
  status,
  content: [spoken(text)],
  role: 'assistant',
});
const fn = (id: string, call_id: string, json: string, status = 'completed') => ({
  id,
  type: 'function_call',
  status,
  arguments: json,
  call_id,
  name: 'f',
});

describe('a response', () => {
  it('streams a message in the documented order, whole at the end', () => {
    const here = { item_id: 'msg_msg_1_0', output_index: 0, content_index: 0 };
    const whole = message('msg_msg_1_0', 'Look.');
    const answer = { ...BARE, status: 'completed', output: [whole], usage: TOLD };
    const begun = { ...BARE, status: 'in_progress', output: [], usage: null };
    const events = [START, ...textOf('Lo', 'ok.'), ...ends('end')];
    expect(eventsOf(events)).toEqual(
      [
        { type: 'response.created', response: begun },
        { type: 'response.in_progress', response: begun },
        {
          type: 'response.output_item.added',
          output_index: 0,
          item: { ...whole, status: 'in_progress', content: [] },
        },
        { type: 'response.content_part.added', ...here, part: spoken('') },
        { type: 'response.output_text.delta', ...here, delta: 'Lo', logprobs: [] },
        { type: 'response.output_text.delta', ...here, delta: 'ok.', logprobs: [] },
        { type: 'response.output_text.done', ...here, text: 'Look.', logprobs: [] },
        { type: 'response.content_part.done', ...here, part: spoken('Look.') },
        { type: 'response.output_item.done', output_index: 0, item: whole },
        { type: 'response.completed', response: answer },
      ].map((event, i) => ({ ...event, sequence_number: i })),
    );
    expect(responsesClient.document(events, contextOf())).toEqual(answer);
  });

  it('streams calls with their arguments', () => {
    const events = [START, ...callOf('toolu_1', '{"n"', ':1}'), ...callOf('toolu_2'), ...ends('tool-calls')];
    const items = [fn('fc_msg_1_0', 'toolu_1', '{"n":1}'), fn('fc_msg_1_1', 'toolu_2', '{}')];
    expect(outputOf(events)).toEqual(items);
    const here = { item_id: 'fc_msg_1_0', output_index: 0 };
    expect(eventsOf(events).slice(2, 7)).toMatchObject([
      { type: 'response.output_item.added', item: { ...items[0], status: 'in_progress', arguments: '' } },
      { type: 'response.function_call_arguments.delta', ...here, delta: '{"n"' },
      { type: 'response.function_call_arguments.delta', ...here, delta: ':1}' },
      { type: 'response.function_call_arguments.done', ...here, name: 'f', arguments: '{"n":1}' },
      { type: 'response.output_item.done', output_index: 0, item: items[0] },
    ]);
    expect(eventsOf(events).at(-1)).toMatchObject({
      type: 'response.completed',
      response: { output: items },
    });
  });

  it('shows the summary of a thought where one was asked for, and seals it where it is to be kept', () => {
    const events = [START, ...thoughtOf('Hm. ', '思.'), ...textOf('Look.'), ...ends('end')];
    const here = { item_id: 'rs_msg_1_0', output_index: 0, summary_index: 0 };
    const part = (text: string) => ({ type: 'summary_text', text });
    const item = {
      id: 'rs_msg_1_0',
      type: 'reasoning',
      summary: [part('Hm. 思.')],
      encrypted_content: packCarried([{ kind: 'thinking', text: 'Hm. 思.', signature: CLAUDES }]),
    };
    expect(eventsOf(events, contextOf(ENCRYPTED, true)).slice(2, 9)).toMatchObject([
      { type: 'response.output_item.added', item: { id: item.id, type: 'reasoning', summary: [] } },
      { type: 'response.reasoning_summary_part.added', ...here, part: part('') },
      { type: 'response.reasoning_summary_text.delta', ...here, delta: 'Hm. ' },
      { type: 'response.reasoning_summary_text.delta', ...here, delta: '思.' },
      { type: 'response.reasoning_summary_text.done', ...here, text: 'Hm. 思.' },
      { type: 'response.reasoning_summary_part.done', ...here, part: part('Hm. 思.') },
      { type: 'response.output_item.done', output_index: 0, item },
    ]);
    expect(outputOf(events, contextOf(ENCRYPTED, true))).toEqual([item, message('msg_msg_1_1', 'Look.')]);
    expect(outputOf(events, contextOf(ENCRYPTED))[0]).toEqual({ ...item, summary: [] });
    const { encrypted_content: _kept, ...shown } = item;
    expect(outputOf(events, contextOf({}, true))[0]).toEqual(shown);
    expect(outputOf(events)).toEqual([message('msg_msg_1_0', 'Look.')]);
  });

  it('carries thoughts in the id of the next call where the client keeps none, and a call’s seal always', () => {
    const sealedCall: readonly NeutralEvent[] = [
      ...callOf('c', '{}').slice(0, -1),
      { type: 'signature', signature: GOOGLES },
      END,
    ];
    const redacted: readonly NeutralEvent[] = [
      { type: 'part', part: 'redacted-thinking', data: CLAUDES },
      END,
    ];
    const events = [START, ...thoughtOf('Hm.'), ...redacted, ...sealedCall, ...ends('tool-calls')];
    const thought = { kind: 'thinking', text: 'Hm.', signature: CLAUDES } as const;
    const hidden = { kind: 'redacted', data: CLAUDES } as const;
    const seal = { kind: 'call', signature: GOOGLES } as const;
    expect(outputOf(events)).toEqual([fn('fc_msg_1_0', packToolId('c', [thought, hidden, seal]), '{}')]);
    expect(outputOf(events, contextOf(ENCRYPTED))).toMatchObject([
      { type: 'reasoning', summary: [], encrypted_content: packCarried([thought]) },
      { type: 'reasoning', summary: [], encrypted_content: packCarried([hidden]) },
      { type: 'function_call', call_id: packToolId('c', [seal]) },
    ]);
    expect(eventsOf(events, contextOf(ENCRYPTED)).at(-1)?.response?.output).toHaveLength(3);
  });

  it('has the seal of a text in a reasoning item after it, where the client keeps those', () => {
    const sealedText: readonly NeutralEvent[] = [
      ...textOf('Hi').slice(0, -1),
      { type: 'signature', signature: GOOGLES },
      END,
    ];
    const events = [START, ...sealedText, ...ends('end')];
    expect(outputOf(events, contextOf(ENCRYPTED))).toMatchObject([
      { type: 'message', content: [{ text: 'Hi' }] },
      { type: 'reasoning', encrypted_content: packCarried([{ kind: 'call', signature: GOOGLES }]) },
    ]);
    expect(outputOf(events)).toHaveLength(1);
  });

  it.each<[StopReason, string]>([
    ['max-tokens', 'max_output_tokens'],
    ['context-full', 'max_output_tokens'],
    ['filtered', 'content_filter'],
    ['blocked', 'content_filter'],
    ['refusal', 'content_filter'],
  ])('is incomplete for %s, and so is the item at hand', (reason, told) => {
    const events = [START, ...textOf('One'), ...callOf('c', '{"a":'), ...ends(reason)];
    expect(responsesClient.document(events, contextOf())).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: told },
      output: [message('msg_msg_1_0', 'One'), fn('fc_msg_1_1', 'c', '{"a":', 'incomplete')],
      usage: TOLD,
    });
    expect(typesOf(eventsOf(events)).slice(-2)).toEqual(['output_item.done', 'incomplete']);
  });

  it.each<[StopReason, string]>([
    ['refusal', 'completed'],
    ['blocked', 'incomplete'],
  ])('says why the model or its vendor would not, for %s', (reason, status) => {
    const events = [START, ...ends(reason, 'Not this.')];
    const refused = { type: 'refusal', refusal: 'Not this.' };
    expect(responsesClient.document(events, contextOf())).toMatchObject({
      status,
      output: [{ type: 'message', status: 'completed', content: [refused], role: 'assistant' }],
    });
    expect(typesOf(eventsOf(events)).slice(2)).toEqual([
      'output_item.added',
      'content_part.added',
      'refusal.delta',
      'refusal.done',
      'content_part.done',
      'output_item.done',
      status,
    ]);
  });

  it('says again what was asked, and is named by the relay where the upstream names nothing', () => {
    const asked = {
      instructions: 'Be brief.',
      max_output_tokens: 9,
      metadata: { a: 'b' },
      parallel_tool_calls: false,
      reasoning: { effort: 'low' },
      temperature: 0.5,
      text: { format: { type: 'json_object' } },
      tool_choice: 'required',
      tools: [{ type: 'function', name: 'f' }],
      top_p: 0.9,
      user: 'ada',
    };
    const events: readonly NeutralEvent[] = [{ type: 'start', id: '', model: undefined }, ...ends('end')];
    const source = { ...asked, store: true, background: true, previous_response_id: 'resp_0' };
    expect(responsesClient.document(events, contextOf(source))).toMatchObject({
      ...asked,
      id: 'resp_0199ab',
      model: 'public',
      store: false,
      background: false,
      previous_response_id: null,
    });
  });

  it('writes nothing for an error, which the relay tells, and cannot hold a file', () => {
    const writer = responsesClient.writer(contextOf(), 'sse');
    expect(writer.write({ type: 'error', failure: { type: 'x', message: 'y' } })).toBe('');
    expect(() =>
      writer.write({ type: 'part', part: 'media', mediaType: 'image/png', data: 'aGk=' }),
    ).toThrow();
    expect(() => responsesClient.document([START, ...textOf('Hi')], contextOf())).toThrow('no end');
  });
});
