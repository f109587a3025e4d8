import { anthropicReader } from './anthropic-reader.ts';
import { type AnswerReader, type Framing, NO_USAGE } from './dialect.ts';
import { geminiReader } from './gemini-reader.ts';

const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;

function read(reader: AnswerReader, ...pieces: readonly (string | Uint8Array)[]): AnswerReader {
  for (const piece of pieces) reader.push(Buffer.from(piece as Uint8Array));
  reader.finish();
  return reader;
}

const start = (usage: unknown): string => event({ type: 'message_start', message: { usage } });
const delta = (usage: unknown): string => event({ type: 'message_delta', delta: {}, usage });
const STOP = event({ type: 'message_stop' });

const anthropicStream = (...pieces: readonly string[]): AnswerReader =>
  read(anthropicReader('generate', 'sse'), ...pieces);
const geminiStream = (...pieces: readonly string[]): AnswerReader =>
  read(geminiReader('generate', 'sse'), ...pieces);

const huge = (text: string): object => ({ text: 'x'.repeat(3_000_000) + text });

describe('counts that an Anthropic stream reports', () => {
  it.each<[string, unknown[], object, { reported?: boolean; suspicious?: boolean }]>([
    ['nothing', [{}, {}], {}, { reported: false }],
    ['no usage at all', [undefined, undefined], {}, { reported: false }],
    ['only nulls', [{ input_tokens: null }, { output_tokens: null }], {}, { reported: false }],
    ['zeros', [{ input_tokens: 0 }, { output_tokens: 0 }], {}, {}],
    ['a null after a count', [{ input_tokens: 5 }, { input_tokens: null }], { inputTokens: 5 }, {}],
    ['a count again', [{ input_tokens: 5 }, { input_tokens: 5 }], { inputTokens: 5 }, {}],
    ['a larger count later', [{ input_tokens: 5 }, { input_tokens: 9 }], { inputTokens: 9 }, {}],
    ['a smaller count later', [{ output_tokens: 9 }, { output_tokens: 5 }], { outputTokens: 5 }, {}],
    [
      'a negative count',
      [{ input_tokens: 5 }, { input_tokens: -1 }],
      { inputTokens: 5 },
      { suspicious: true },
    ],
    ['a broken count', [{ output_tokens: 1.5 }], {}, { reported: false, suspicious: true }],
    ['a count in words', [{ output_tokens: '12' }], {}, { reported: false, suspicious: true }],
    ['a count in a box', [{ output_tokens: { n: 1 } }], {}, { reported: false, suspicious: true }],
    ['a truth for a count', [{ output_tokens: true }], {}, { reported: false, suspicious: true }],
    [
      'the largest count there is',
      [{ output_tokens: Number.MAX_SAFE_INTEGER }],
      { outputTokens: Number.MAX_SAFE_INTEGER },
      {},
    ],
    ['writes without a split', [{ cache_creation_input_tokens: 7 }], { cacheWrite5mTokens: 7 }, {}],
    [
      'a split without a total',
      [{ cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 } }],
      { cacheWrite5mTokens: 3, cacheWrite1hTokens: 4 },
      {},
    ],
    [
      'a larger total of writes later',
      [
        {
          cache_creation_input_tokens: 7,
          cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 },
        },
        { cache_creation_input_tokens: 10 },
      ],
      { cacheWrite5mTokens: 6, cacheWrite1hTokens: 4 },
      {},
    ],
    [
      'thinking that is more than the output',
      [{ output_tokens: 5, output_tokens_details: { thinking_tokens: 9 } }],
      { outputTokens: 5, reasoningTokens: 5 },
      {},
    ],
    [
      'tools by any name',
      [{ server_tool_use: { web_search_requests: 2, __proto__x: 1, 'Bad Name': 3 } }],
      { serverTools: { web_search_requests: 2, __proto__x: 1 } },
      {},
    ],
  ])('may be %s', (_name, [first, second], expected, flags) => {
    const reader = anthropicStream(start(first), delta(second ?? {}), STOP);
    expect(reader.usage).toEqual({ ...NO_USAGE, ...expected });
    expect(reader).toMatchObject({
      reported: true,
      suspicious: false,
      lost: false,
      complete: true,
      ...flags,
    });
  });

  it.each(['9007199254740992', '1e309', '-0.5', '123456789012345678901234567890', '1E400'])(
    'are ignored when they are %s',
    (number) => {
      const frame = `data: {"type":"message_delta","usage":{"output_tokens":${number}}}\n\n`;
      expect(anthropicStream(start({ output_tokens: 3 }), frame, STOP)).toMatchObject({
        usage: { ...NO_USAGE, outputTokens: 3 },
        suspicious: true,
      });
    },
  );

  it('are filled up from what Bedrock measured, where the stream itself says nothing of them', () => {
    const metrics = {
      inputTokenCount: 9,
      outputTokenCount: 8,
      cacheReadInputTokenCount: 7,
      invocationLatency: 6,
    };
    const stop = event({ type: 'message_stop', 'amazon-bedrock-invocationMetrics': metrics });
    const alone = anthropicStream(event({ type: 'message_start' }), stop);
    expect([alone.reported, alone.complete]).toEqual([true, true]);
    expect(alone.usage).toMatchObject({ inputTokens: 9, outputTokens: 8, cacheReadTokens: 7 });
    const beside = anthropicStream(
      start({ input_tokens: 5, output_tokens: 1 }),
      delta({ output_tokens: 4 }),
      stop,
    );
    expect(beside.usage).toMatchObject({ inputTokens: 5, outputTokens: 4, cacheReadTokens: 7 });
    expect([alone.suspicious, beside.suspicious]).toEqual([false, true]);
    const elsewhere = anthropicStream(
      event({ type: 'ping', 'amazon-bedrock-invocationMetrics': metrics }),
      STOP,
    );
    expect(elsewhere.reported).toBe(false);
  });

  it('count only from events that report usage, whatever else looks like it', () => {
    const usage = { input_tokens: 99, output_tokens: 99 };
    const reader = anthropicStream(
      start({ input_tokens: 1 }),
      event({ type: 'content_block_delta', delta: { type: 'text_delta', text: JSON.stringify({ usage }) } }),
      event({ type: 'brand_new_event', usage, message: { usage } }),
      event({ type: 'content_block_start', content_block: { usage } }),
      event({ type: 'message_delta', delta: { usage }, usage: { output_tokens: 2 } }),
      STOP,
    );
    expect(reader.usage).toEqual({ ...NO_USAGE, inputTokens: 1, outputTokens: 2 });
  });

  it('count only once their event has ended', () => {
    const reader = anthropicStream(start({ input_tokens: 1 }), delta({ output_tokens: 5 }).trimEnd());
    expect(reader).toMatchObject({ usage: { outputTokens: 0 }, complete: false, lost: false });
  });

  it('are told by names in any spelling and order that JSON allows', () => {
    const reader = anthropicStream(
      'data: { "usage" : { "\\u006futput_tokens" : 4 } , "type" : "message_delt\\u0061" }\n\n',
    );
    expect(reader.usage.outputTokens).toBe(4);
  });
});

describe('counts that a Gemini stream reports', () => {
  const frame = (usageMetadata: unknown): string =>
    event({ candidates: [{ finishReason: 'STOP' }], usageMetadata });

  it.each<[string, unknown[], object, { reported?: boolean; suspicious?: boolean }]>([
    ['nothing', [undefined], {}, { reported: false }],
    ['zeros', [{ promptTokenCount: 0 }], {}, {}],
    ['a count that later frames leave out', [{ promptTokenCount: 4 }, {}], { inputTokens: 4 }, {}],
    [
      'a negative count',
      [{ promptTokenCount: 4 }, { promptTokenCount: -4 }],
      { inputTokens: 4 },
      { suspicious: true },
    ],
    [
      'more cached than there was',
      [{ promptTokenCount: 4, cachedContentTokenCount: 9 }],
      { cacheReadTokens: 4 },
      { suspicious: true },
    ],
    [
      'sums over the largest count',
      [{ candidatesTokenCount: Number.MAX_SAFE_INTEGER, thoughtsTokenCount: 5 }],
      { outputTokens: Number.MAX_SAFE_INTEGER, reasoningTokens: 5 },
      {},
    ],
  ])('may be %s', (_name, usages, expected, flags) => {
    const reader = geminiStream(...usages.map(frame));
    expect(reader.usage).toEqual({ ...NO_USAGE, ...expected });
    expect(reader).toMatchObject({ reported: true, suspicious: false, complete: true, ...flags });
  });
});

describe('the end of a Gemini answer', () => {
  const finish = (finishReason: unknown): string => event({ candidates: [{ finishReason }] });

  it.each([null, '', 'FINISH_REASON_UNSPECIFIED', 7])('is not a finishReason of %j', (reason) => {
    expect(geminiStream(finish(reason)).complete).toBe(false);
  });

  it.each(['STOP', 'MAX_TOKENS', 'SAFETY', 'SOME_NEW_REASON'])('is a finishReason of %j', (reason) => {
    expect(
      geminiStream(event({ candidates: [{}] }), finish(reason), event({ usageMetadata: {} })).complete,
    ).toBe(true);
  });

  it('is there only when each candidate has ended', () => {
    const one = event({ candidates: [{ index: 0, finishReason: 'STOP' }, { index: 1 }] });
    expect(geminiStream(one).complete).toBe(false);
    expect(geminiStream(one, event({ candidates: [{ index: 1, finishReason: 'STOP' }] })).complete).toBe(
      true,
    );
  });

  it('needs the array closed', () => {
    const items = '[{"candidates":[{"finishReason":"STOP"}]}';
    expect(read(geminiReader('generate', 'json-array'), items)).toMatchObject({
      complete: false,
      lost: true,
    });
    expect(read(geminiReader('generate', 'json-array'), items, ']')).toMatchObject({
      complete: true,
      lost: false,
    });
  });
});

describe('answers that are none', () => {
  const framings: Framing[] = ['sse', 'json', 'json-array'];
  const garbage = [
    '',
    '<!DOCTYPE html><html><body>502</body></html>',
    'upstream connect error',
    '{"type":"message"',
    '{} trailing',
    '{"hello":"world"}',
    '[]',
    '"text"',
    'null',
    '\u0000\u0001',
    'data: [DONE]\n\n',
    'data: {"type":"message_stop"\n\n',
  ];
  it.each(framings.flatMap((framing) => garbage.map((text) => [framing, text] as const)))(
    'are lost and not complete: %s %j',
    (framing, text) => {
      expect(read(anthropicReader('generate', framing), text)).toMatchObject({ complete: false, lost: true });
      expect(read(geminiReader('generate', framing), text)).toMatchObject({ complete: false, lost: true });
    },
  );

  it('are told from errors, which are read', () => {
    const error = '{"type":"error","error":{"type":"strange_error","message":"no"},"request_id":null}';
    expect(read(anthropicReader('generate', 'json'), error)).toMatchObject({
      complete: false,
      lost: false,
      failure: { type: 'strange_error', message: 'no' },
    });
    expect(
      read(geminiReader('generate', 'json-array'), '{"error":{"code":500,"status":"INTERNAL"}}'),
    ).toMatchObject({
      complete: false,
      failure: { type: 'INTERNAL', message: '', status: 500 },
    });
  });

  it('leave no trace in what objects have in common', () => {
    anthropicStream(
      start(JSON.parse('{"__proto__":{"polluted":1},"server_tool_use":{"__proto__":1}}')),
      STOP,
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('counting tokens and embedding', () => {
  it('costs nothing, and is told apart from an answer without the count', () => {
    expect(read(anthropicReader('count', 'json'), '{"input_tokens":5}')).toMatchObject({
      usage: NO_USAGE,
      reported: true,
      complete: true,
    });
    expect(read(anthropicReader('count', 'json'), '{"output_tokens":5}')).toMatchObject({
      complete: false,
      lost: true,
    });
    expect(read(geminiReader('count', 'json'), '{}')).toMatchObject({ complete: true, lost: false });
    expect(read(geminiReader('count', 'json'), '{"tokens":5}')).toMatchObject({
      complete: false,
      lost: true,
    });
  });

  it('reads the usage of embeddings where there is some', () => {
    const answer = '{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":6}}';
    expect(read(geminiReader('embed', 'json'), answer)).toMatchObject({
      usage: { ...NO_USAGE, inputTokens: 6 },
      reported: true,
      complete: true,
    });
  });
});

describe('answers that are large', () => {
  it('yield their usage from behind an image of many megabytes', () => {
    const body = JSON.stringify({
      candidates: [
        { content: { parts: [{ inlineData: { data: 'A'.repeat(20_000_000) } }] }, finishReason: 'STOP' },
      ],
      usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 1290 },
    });
    for (const [framing, text] of [
      ['json', body],
      ['json-array', `[${body}]`],
      ['sse', `data: ${body}\r\n\r\n`],
    ] as const) {
      const bytes = Buffer.from(text);
      const pieces = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) =>
        bytes.subarray(i * 65_536, (i + 1) * 65_536),
      );
      expect(read(geminiReader('generate', framing), ...pieces)).toMatchObject({
        usage: { ...NO_USAGE, inputTokens: 7, outputTokens: 1290 },
        complete: true,
        lost: false,
      });
    }
  });

  it('may have an event of megabytes among small ones', () => {
    const reader = anthropicStream(
      start({ input_tokens: 2 }),
      event({ type: 'content_block_delta', delta: huge('y') }),
      delta({ output_tokens: 3 }),
      STOP,
    );
    expect(reader).toMatchObject({
      usage: { ...NO_USAGE, inputTokens: 2, outputTokens: 3 },
      complete: true,
      lost: false,
      generatedBytes: 3_000_001,
    });
  });

  it('keep nothing of an event that never ends', () => {
    const reader = anthropicReader('generate', 'sse');
    const chunk = Buffer.alloc(1 << 20, 'x');
    reader.push(Buffer.from('data: {"type":"'));
    for (let i = 0; i < 32; i += 1) reader.push(chunk);
    expect(reader).toMatchObject({ complete: false, atBoundary: false, reported: false });
  });
});

describe('the bytes generated so far', () => {
  it.each([
    ['é€😀', 2 + 3 + 4],
    ['a\n"b"\\', 6],
    ['\u0001', 1],
  ])('of %j are counted as UTF-8', (text, bytes) => {
    const plain = event({ type: 'content_block_delta', delta: { type: 'text_delta', text } });
    const escaped = plain.replace(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    expect(anthropicStream(plain).generatedBytes).toBe(bytes);
    expect(anthropicStream(escaped).generatedBytes).toBe(bytes);
  });

  it.each<[string, AnswerReader, string]>([
    ['an event', anthropicReader('generate', 'sse'), 'data: {"type":"x","delta":{"text":"'],
    [
      'a message',
      anthropicReader('generate', 'json'),
      '{"type":"message","content":[{"type":"text","text":"',
    ],
    ['an element', geminiReader('generate', 'json-array'), '[{"candidates":[{"content":{"parts":[{"text":"'],
  ])('include the text of %s that has not ended, and nothing else that has not', (_, reader, opening) => {
    reader.push(Buffer.from(`${opening}12345`));
    expect(reader.generatedBytes).toBe(5);
    reader.push(Buffer.from('678", "other": "not of'));
    expect(reader.generatedBytes).toBe(8);
  });
});
