import { encodeEventMessage } from '../../dialects/event-stream.ts';
import type { NeutralEvent } from '../neutral.ts';
import { converseUpstream } from './converse-upstream.ts';

/**
 * Answers by the AWS Bedrock API reference (Converse and ConverseStream, "Response Syntax" and "Examples"); the bytes of the
 * stream by the codec that event-stream.spec.ts holds against AWS' own.
 */

function frame(type: string, payload: object): Buffer {
  const headers = { ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' };
  return encodeEventMessage(headers, JSON.stringify({ ...payload, p: 'abcd' }));
}

const delta = (contentBlockIndex: number, said: object): Buffer =>
  frame('contentBlockDelta', { contentBlockIndex, delta: said });
const stop = (contentBlockIndex: number): Buffer => frame('contentBlockStop', { contentBlockIndex });
const START = frame('messageStart', { role: 'assistant' });
const METADATA = frame('metadata', {
  usage: { inputTokens: 9, outputTokens: 7, totalTokens: 16 },
  metrics: { latencyMs: 300 },
});
const ended = (stopReason: string): Buffer[] => [frame('messageStop', { stopReason }), METADATA];

function told(...frames: readonly Buffer[]): readonly NeutralEvent[] {
  const reader = converseUpstream.reader();
  return [...frames.flatMap((bytes) => reader.push(bytes)), ...reader.finish()];
}

const read = (message: object, stopReason = 'end_turn'): readonly NeutralEvent[] =>
  converseUpstream.read({
    output: { message: { role: 'assistant', ...message } },
    stopReason,
    usage: { inputTokens: 9, outputTokens: 7, totalTokens: 16 },
    metrics: { latencyMs: 300 },
  });

const START_EVENT = { type: 'start', id: '', model: undefined };
const END = { type: 'end' };
const sealed = (value: string) => ({ type: 'signature', signature: { minted: 'bedrock', value } });

/** A thought, a text and a call, as both forms tell them. */
const EVENTS = [
  START_EVENT,
  { type: 'part', part: 'thinking' },
  { type: 'delta', text: 'Hm, Graz.' },
  sealed('abc=='),
  { type: 'part-end' },
  { type: 'part', part: 'text' },
  { type: 'delta', text: 'I look.' },
  { type: 'part-end' },
  { type: 'part', part: 'tool-call', id: 'tooluse_1', name: 'weather' },
  { type: 'delta', text: '{"city":"Graz"}' },
  { type: 'part-end' },
  { type: 'stop', reason: 'tool-calls' },
  END,
];
const FRAMES = [
  START,
  delta(0, { reasoningContent: { text: 'Hm, Graz.' } }),
  delta(0, { reasoningContent: { signature: 'abc==' } }),
  stop(0),
  delta(1, { text: 'I look.' }),
  stop(1),
  frame('contentBlockStart', {
    contentBlockIndex: 2,
    start: { toolUse: { toolUseId: 'tooluse_1', name: 'weather' } },
  }),
  delta(2, { toolUse: { input: '{"city":"Graz"}' } }),
  stop(2),
  ...ended('tool_use'),
];

describe('An answer of Converse', () => {
  it('is told as its stream would be', () => {
    expect(
      read(
        {
          content: [
            { reasoningContent: { reasoningText: { text: 'Hm, Graz.', signature: 'abc==' } } },
            { text: 'I look.' },
            { toolUse: { toolUseId: 'tooluse_1', name: 'weather', input: { city: 'Graz' } } },
          ],
        },
        'tool_use',
      ),
    ).toEqual(EVENTS);
  });

  it('may have been encrypted in part, or not sealed', () => {
    const content = [
      { reasoningContent: { redactedContent: 'c2VjcmV0' } },
      { reasoningContent: { reasoningText: { text: 'Hm.' } } },
    ];
    expect(read({ content })).toEqual([
      START_EVENT,
      { type: 'part', part: 'redacted-thinking', data: { minted: 'bedrock', value: 'c2VjcmV0' } },
      { type: 'part-end' },
      { type: 'part', part: 'thinking' },
      { type: 'delta', text: 'Hm.' },
      { type: 'part-end' },
      { type: 'stop', reason: 'end' },
      END,
    ]);
  });

  it.each([
    ['end_turn', { reason: 'end' }],
    ['max_tokens', { reason: 'max-tokens' }],
    ['stop_sequence', { reason: 'stop-sequence' }],
    ['guardrail_intervened', { reason: 'filtered', detail: 'guardrail_intervened' }],
    ['content_filtered', { reason: 'filtered', detail: 'content_filtered' }],
    ['malformed_tool_use', { reason: 'filtered', detail: 'malformed_tool_use' }],
    ['model_context_window_exceeded', { reason: 'context-full' }],
    ['something_new', { reason: 'end' }],
  ])('ends for %s', (stopReason, expected) => {
    expect(read({ content: [] }, stopReason).at(-2)).toEqual({ type: 'stop', ...expected });
    expect(told(START, ...ended(stopReason)).at(-2)).toEqual({ type: 'stop', ...expected });
  });

  it.each([
    ['no object', 'x'],
    ['no message', { output: {} }],
    ['a block that was not asked for', { output: { message: { content: [{ image: {} }] } } }],
  ])('is refused where it is %s', (_, document) => {
    expect(() => converseUpstream.read(document)).toThrow('answer');
  });
});

describe('A stream of Converse', () => {
  it('is told event by event, however its bytes are split', () => {
    expect(told(...FRAMES)).toEqual(EVENTS);
    const bytes = Buffer.concat(FRAMES);
    expect(told(...Array.from(bytes, (byte) => Buffer.of(byte)))).toEqual(EVENTS);
  });

  it('tells why it stopped behind the usage, which its writer asks for', () => {
    const reader = converseUpstream.reader();
    expect(FRAMES.slice(0, -1).flatMap((bytes) => reader.push(bytes))).toEqual(EVENTS.slice(0, -2));
    expect(reader.push(METADATA)).toEqual(EVENTS.slice(-2));
    expect(reader.finish()).toEqual([]);
  });

  it('ends without usage where none is told', () => {
    expect(told(...FRAMES.slice(0, -1))).toEqual(EVENTS);
  });

  it('has its pieces of one block as one part, and of two as two', () => {
    const events = told(
      START,
      delta(0, { text: 'a' }),
      delta(0, { text: 'b' }),
      stop(0),
      delta(1, { text: 'c' }),
      delta(2, { text: 'd' }),
      ...ended('end_turn'),
    );
    expect(events.map((event) => ('text' in event ? event.text : event.type)).slice(1, -2)).toEqual(
      'part a b part-end part c part-end part d part-end'.split(' '),
    );
  });

  it('puts encrypted thoughts together', () => {
    const events = told(
      START,
      delta(0, { reasoningContent: { redactedContent: Buffer.from('one').toString('base64') } }),
      delta(0, { reasoningContent: { redactedContent: Buffer.from('two').toString('base64') } }),
      stop(0),
      ...ended('end_turn'),
    );
    expect(events[1]).toEqual({
      type: 'part',
      part: 'redacted-thinking',
      data: { minted: 'bedrock', value: Buffer.from('onetwo').toString('base64') },
    });
  });

  it('passes over what AWS may add', () => {
    const strange = encodeEventMessage({ ':event-type': 'future', ':message-type': 'event' }, 'no JSON');
    expect(told(START, strange, delta(0, { future: {} }), ...FRAMES.slice(1))).toEqual(EVENTS);
  });

  it('tells an exception', () => {
    const headers = { ':exception-type': 'throttlingException', ':message-type': 'exception' };
    const reader = converseUpstream.reader();
    reader.push(START);
    expect(reader.push(encodeEventMessage(headers, '{"message":"No more"}'))).toEqual([
      { type: 'error', failure: { type: 'ThrottlingException', message: 'No more', status: 429 } },
    ]);
  });

  it.each([
    ['without an end', [START, delta(0, { text: 'a' })]],
    ['that never began', [METADATA]],
    ['inside a message', [...FRAMES.slice(0, -1), METADATA.subarray(0, 20)]],
    ['with a file', [START, frame('contentBlockStart', { contentBlockIndex: 0, start: { image: {} } })]],
    ['that is no stream', [Buffer.from('<html>an answer of some edge</html>')]],
  ])('is refused %s', (_, frames) => {
    expect(() => told(...frames)).toThrow();
  });
});

describe('A count', () => {
  it('is read', () => {
    expect(converseUpstream.readCount?.({ inputTokens: 42 })).toBe(42);
    expect(() => converseUpstream.readCount?.({ input_tokens: 42 })).toThrow('no token count');
  });
});
