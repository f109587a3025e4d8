import type { NeutralEvent } from '../neutral.ts';
import { geminiUpstream } from './gemini-upstream.ts';

/** Frames by https://ai.google.dev/api/generate-content#generatecontentresponse and …/thought-signatures. */
function frame(parts: readonly object[], rest: object = {}): object {
  return {
    candidates: [{ content: { parts, role: 'model' }, index: 0, ...rest }],
    usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 },
    modelVersion: 'gemini-2.5-flash',
    responseId: 'r-1',
  };
}

function bytesOf(frames: readonly object[]): Buffer {
  return Buffer.from(frames.map((one) => `data: ${JSON.stringify(one)}\r\n\r\n`).join(''));
}

function streamed(frames: readonly object[]): readonly NeutralEvent[] {
  const reader = geminiUpstream.reader();
  return [...reader.push(bytesOf(frames)), ...reader.finish()];
}

const START = { type: 'start', id: 'r-1', model: 'gemini-2.5-flash' };
const END = { type: 'end' };
const seal = (value: string) => ({ type: 'signature', signature: { minted: 'google', value } });

const ROWS: readonly { title: string; frames: readonly object[]; events: readonly object[] }[] = [
  {
    title: 'text in pieces is one part',
    frames: [
      frame([{ text: 'naï' }]),
      frame([{ text: 've 思' }]),
      frame([{ text: '' }], { finishReason: 'STOP' }),
    ],
    events: [
      START,
      { type: 'part', part: 'text' },
      { type: 'delta', text: 'naï' },
      { type: 'delta', text: 've 思' },
      { type: 'part-end' },
      { type: 'stop', reason: 'end' },
      END,
    ],
  },
  {
    title: 'a thought, a text, and two calls, with and without an id and a signature',
    frames: [
      frame([{ text: 'hm', thought: true }]),
      frame([{ text: 'Look.' }]),
      frame([
        { functionCall: { name: 'f', args: { a: 'ü' } }, thoughtSignature: 'CiEB' },
        { functionCall: { id: 'fc-9', name: 'g' } },
      ]),
      frame([], { finishReason: 'STOP' }),
    ],
    events: [
      START,
      { type: 'part', part: 'thinking' },
      { type: 'delta', text: 'hm' },
      { type: 'part-end' },
      { type: 'part', part: 'text' },
      { type: 'delta', text: 'Look.' },
      { type: 'part-end' },
      { type: 'part', part: 'tool-call', id: 'call_r-1_1', name: 'f' },
      { type: 'delta', text: '{"a":"ü"}' },
      seal('CiEB'),
      { type: 'part-end' },
      { type: 'part', part: 'tool-call', id: 'fc-9', name: 'g' },
      { type: 'delta', text: '{}' },
      { type: 'part-end' },
      { type: 'stop', reason: 'tool-calls' },
      END,
    ],
  },
  {
    title: 'a signature on a text of no length is over the text before it',
    frames: [
      frame([{ text: 'a' }]),
      frame([{ text: '', thoughtSignature: 'CiEC' }], { finishReason: 'STOP' }),
    ],
    events: [
      START,
      { type: 'part', part: 'text' },
      { type: 'delta', text: 'a' },
      seal('CiEC'),
      { type: 'part-end' },
      { type: 'stop', reason: 'end' },
      END,
    ],
  },
  {
    title: 'a file is whole',
    frames: [frame([{ inlineData: { mimeType: 'image/png', data: 'aGk=' } }], { finishReason: 'STOP' })],
    events: [
      START,
      { type: 'part', part: 'media', mediaType: 'image/png', data: 'aGk=' },
      { type: 'part-end' },
      { type: 'stop', reason: 'end' },
      END,
    ],
  },
  {
    title: 'a prompt is blocked',
    frames: [
      {
        promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
        usageMetadata: { promptTokenCount: 5 },
        responseId: 'r-1',
      },
    ],
    events: [
      { type: 'start', id: 'r-1', model: undefined },
      { type: 'stop', reason: 'blocked', detail: 'PROHIBITED_CONTENT' },
      END,
    ],
  },
];

describe("Gemini's answers", () => {
  it.each(ROWS)('are told as events: $title', ({ frames, events }) => {
    expect(streamed(frames)).toEqual(events);
  });

  it('are told the same when every byte comes alone, and when they are cut anywhere', () => {
    for (const { frames, events } of ROWS) {
      const bytes = bytesOf(frames);
      const single = geminiUpstream.reader();
      const told = [...bytes].flatMap((byte) => single.push(Uint8Array.of(byte)));
      expect([...told, ...single.finish()]).toEqual(events);
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        const reader = geminiUpstream.reader();
        const halves = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((half) => reader.push(half));
        expect([...halves, ...reader.finish()]).toEqual(events);
      }
    }
  });

  it('may be one document', () => {
    const document = frame([{ text: 'a' }, { text: 'b' }], { finishReason: 'MAX_TOKENS' });
    expect(geminiUpstream.read(document)).toEqual([
      START,
      { type: 'part', part: 'text' },
      { type: 'delta', text: 'a' },
      { type: 'delta', text: 'b' },
      { type: 'part-end' },
      { type: 'stop', reason: 'max-tokens' },
      END,
    ]);
  });

  it.each([
    ['STOP', { reason: 'end' }],
    ['MAX_TOKENS', { reason: 'max-tokens' }],
    ['SAFETY', { reason: 'filtered', detail: 'SAFETY' }],
    ['RECITATION', { reason: 'filtered', detail: 'RECITATION' }],
    ['MALFORMED_FUNCTION_CALL', { reason: 'filtered', detail: 'MALFORMED_FUNCTION_CALL' }],
    ['A_NEW_ONE', { reason: 'filtered', detail: 'A_NEW_ONE' }],
  ])('stop with %s', (finishReason, stop) => {
    expect(geminiUpstream.read(frame([], { finishReason }))).toContainEqual({ type: 'stop', ...stop });
  });

  it('tell the message of a reason with it', () => {
    const [, stop] = geminiUpstream.read(frame([], { finishReason: 'SPII', finishMessage: 'why' }));
    expect(stop).toEqual({ type: 'stop', reason: 'filtered', detail: 'SPII: why' });
  });

  it('give a reason with every frame in older models, and the last one counts', () => {
    const events = streamed([
      frame([{ text: 'a' }], { finishReason: 'STOP' }),
      frame([{ text: 'b' }], { finishReason: 'MAX_TOKENS' }),
    ]);
    expect(events.filter(({ type }) => type === 'stop')).toEqual([{ type: 'stop', reason: 'max-tokens' }]);
    expect(events.filter(({ type }) => type === 'delta')).toHaveLength(2);
  });

  it('fail in mid-stream, and nothing follows', () => {
    const error = { code: 503, message: 'overloaded', status: 'UNAVAILABLE' };
    expect(streamed([frame([{ text: 'a' }]), { error }, frame([{ text: 'b' }])])).toEqual([
      START,
      { type: 'part', part: 'text' },
      { type: 'delta', text: 'a' },
      { type: 'error', failure: { type: 'UNAVAILABLE', message: 'overloaded', status: 503 } },
    ]);
  });

  it.each([[{ a: 1 }], [[]], [null], ['text'], [frame([{ text: 'no end' }])]])(
    'are none of the dialect: %j',
    (document) => {
      expect(() => geminiUpstream.read(document)).toThrow();
    },
  );

  it('count tokens', () => {
    expect(geminiUpstream.readCount!({ totalTokens: 31 })).toBe(31);
    expect(geminiUpstream.readCount!({})).toBe(0);
    expect(() => geminiUpstream.readCount!({ totalTokens: '31' })).toThrow();
  });
});
