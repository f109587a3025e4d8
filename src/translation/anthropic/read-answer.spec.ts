import type { NeutralEvent } from '../neutral.ts';
import { anthropicUpstream } from './anthropic-upstream.ts';

/** Events by platform.claude.com, "Streaming messages", "Extended thinking" and "Handling stop reasons". */
const frame = (event: { readonly type: string }): string =>
  `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

const EVENTS = [
  {
    type: 'message_start',
    message: { id: 'msg_1', type: 'message', model: 'claude-x', content: [], usage: { input_tokens: 3 } },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm. 思' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'EqQB' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'ping' },
  { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Look.' } },
  { type: 'content_block_stop', index: 1 },
  {
    type: 'content_block_start',
    index: 2,
    content_block: { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} },
  },
  { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '' } },
  { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"a":1}' } },
  { type: 'content_block_stop', index: 2 },
  { type: 'later_event', anything: true },
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: { output_tokens: 9 },
  },
  { type: 'message_stop' },
] as const;

const SAID: readonly NeutralEvent[] = [
  { type: 'start', id: 'msg_1', model: 'claude-x' },
  { type: 'part', part: 'thinking' },
  { type: 'delta', text: 'Hm. 思' },
  { type: 'signature', signature: { minted: 'anthropic', value: 'EqQB' } },
  { type: 'part-end' },
  { type: 'part', part: 'text' },
  { type: 'delta', text: 'Look.' },
  { type: 'part-end' },
  { type: 'part', part: 'tool-call', id: 'toolu_1', name: 'f' },
  { type: 'delta', text: '{"a":1}' },
  { type: 'part-end' },
  { type: 'stop', reason: 'tool-calls' },
  { type: 'end' },
];

function read(bytes: Buffer, size = bytes.length): readonly NeutralEvent[] {
  const reader = anthropicUpstream.reader();
  const events: NeutralEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) events.push(...reader.push(bytes.subarray(at, at + size)));
  return [...events, ...reader.finish()];
}

describe('an answer of Claude', () => {
  const bytes = Buffer.from(EVENTS.map(frame).join(''));

  it('is told event by event, however its bytes come', () => {
    expect(read(bytes)).toEqual(SAID);
    expect(read(bytes, 1)).toEqual(SAID);
    expect(read(Buffer.from(bytes.toString().replaceAll('\n', '\r\n')), 7)).toEqual(SAID);
  });

  it('stops once, for the last reason it tells, though it tells several', () => {
    const more = { type: 'message_delta', delta: { stop_reason: 'max_tokens' }, usage: { output_tokens: 4 } };
    const events = [...EVENTS.slice(0, -2), more, ...EVENTS.slice(-2)];
    expect(read(Buffer.from(events.map(frame).join('')))).toEqual(SAID);
    const none = [EVENTS[0], { type: 'message_stop' }];
    expect(() => read(Buffer.from(none.map(frame).join('')))).toThrow('tells no reason');
  });

  it('has an end, or is no answer', () => {
    const torso = Buffer.from(EVENTS.slice(0, -2).map(frame).join(''));
    expect(() => read(torso)).toThrow('has no end');
    expect(() => read(Buffer.from('event: x\ndata: [1]\n\n'))).toThrow('not of the Messages API');
    expect(() => read(Buffer.from('event: x\ndata: {"type":\n\n'))).toThrow(SyntaxError);
  });

  it('breaks off with the error that its stream tells', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const reader = anthropicUpstream.reader();
    expect(reader.push(Buffer.from(frame(error)))).toEqual([
      { type: 'error', failure: { type: 'overloaded_error', message: 'Overloaded' } },
    ]);
  });

  it.each([
    ['end_turn', 'end'],
    ['pause_turn', 'end'],
    ['max_tokens', 'max-tokens'],
    ['stop_sequence', 'stop-sequence'],
    ['refusal', 'refusal'],
    ['model_context_window_exceeded', 'context-full'],
    ['of_tomorrow', 'end'],
  ])('that stopped for %s stopped for %s', (told, reason) => {
    const message = { type: 'message', id: 'm', content: [], stop_reason: told, stop_sequence: null };
    expect(anthropicUpstream.read(message)).toContainEqual({ type: 'stop', reason });
  });

  it('says what its message says, whole', () => {
    const message = {
      type: 'message',
      id: 'msg_1',
      model: 'claude-x',
      content: [
        { type: 'thinking', thinking: 'Hm. 思', signature: 'EqQB' },
        { type: 'text', text: 'Look.' },
        { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
    };
    expect(anthropicUpstream.read(message)).toEqual(SAID);
    const hidden = { ...message, content: [{ type: 'redacted_thinking', data: 'EmwK' }] };
    const data = { minted: 'anthropic', value: 'EmwK' };
    expect(anthropicUpstream.read(hidden)).toContainEqual({ type: 'part', part: 'redacted-thinking', data });
    expect(() => anthropicUpstream.read({ type: 'error' })).toThrow('no message');
    const asked = { ...message, content: [{ type: 'server_tool_use', id: 's', name: 'web_search' }] };
    expect(() => anthropicUpstream.read(asked)).toThrow('not asked for');
  });

  it('counts, or is no count', () => {
    expect(anthropicUpstream.readCount?.({ input_tokens: 42 })).toBe(42);
    expect(() => anthropicUpstream.readCount?.({ input_tokens: '42' })).toThrow('no token count');
  });
});
