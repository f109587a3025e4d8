import { EventStreamCodec } from '@smithy/eventstream-codec';
import { bedrockConverse } from './bedrock-converse.ts';
import { bedrockInvoke } from './bedrock-invoke.ts';
import { type AnswerReader, type Dialect, NO_USAGE } from './dialect.ts';

/**
 * Answers of the runtime, written with AWS' own codec. Events are those of AWS' Bedrock user guide ("Anthropic Claude
 * Messages API", "Carry out a conversation with the Converse API operations") and API reference (InvokeModelWithResponseStream,
 * ConverseStream, CountTokens).
 */
const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text),
);

function message(headers: Readonly<Record<string, string>>, body: unknown): Buffer {
  const typed = Object.entries(headers).map(([name, value]) => [name, { type: 'string' as const, value }]);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return Buffer.from(codec.encode({ headers: Object.fromEntries(typed) as never, body: Buffer.from(text) }));
}
const event = (type: string, body: unknown): Buffer =>
  message({ ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' }, body);
const exception = (type: string, body: unknown): Buffer =>
  message(
    { ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' },
    body,
  );
const chunk = (body: unknown): Buffer =>
  event('chunk', { bytes: Buffer.from(JSON.stringify(body)).toString('base64'), p: 'abcdef' });

function read(reader: AnswerReader, ...pieces: readonly (Buffer | string)[]): AnswerReader {
  for (const piece of pieces) reader.push(Buffer.from(piece as string));
  return reader;
}
const invoke = (...pieces: readonly Buffer[]): AnswerReader =>
  read(bedrockInvoke.reader('generate', 'event-stream'), ...pieces);
const converse = (...pieces: readonly Buffer[]): AnswerReader =>
  read(bedrockConverse.reader('generate', 'event-stream'), ...pieces);
const finished = (reader: AnswerReader): AnswerReader => {
  reader.finish();
  return reader;
};

const METRICS = {
  inputTokenCount: 20,
  outputTokenCount: 7,
  invocationLatency: 900,
  firstByteLatency: 300,
  cacheReadInputTokenCount: 1000,
  cacheWriteInputTokenCount: 300,
};
const START = {
  type: 'message_start',
  message: {
    usage: {
      input_tokens: 20,
      cache_creation_input_tokens: 300,
      cache_read_input_tokens: 1000,
      cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
      output_tokens: 1,
    },
  },
};
const TEXT = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüße' } };
const DELTA = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } };
const STOP = { type: 'message_stop', 'amazon-bedrock-invocationMetrics': METRICS };
const INVOKED = [START, TEXT, DELTA, STOP].map(chunk);
const USED = {
  ...NO_USAGE,
  inputTokens: 20,
  cacheReadTokens: 1000,
  cacheWrite5mTokens: 100,
  cacheWrite1hTokens: 200,
  outputTokens: 7,
};

const CONVERSED = [
  event('messageStart', { role: 'assistant', p: 'abc' }),
  event('contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { text: 'Hm' } } }),
  event('contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { signature: 'c2ln' } } }),
  event('contentBlockStop', { contentBlockIndex: 0 }),
  event('contentBlockDelta', { contentBlockIndex: 1, delta: { text: 'Grüße' } }),
  event('contentBlockStop', { contentBlockIndex: 1 }),
  event('contentBlockStart', { contentBlockIndex: 2, start: { toolUse: { toolUseId: 't1', name: 'w' } } }),
  event('contentBlockDelta', { contentBlockIndex: 2, delta: { toolUse: { input: '{"a":1}' } } }),
  event('contentBlockStop', { contentBlockIndex: 2 }),
  event('messageStop', { stopReason: 'tool_use' }),
];
const CONVERSE_USAGE = {
  inputTokens: 20,
  outputTokens: 7,
  totalTokens: 1327,
  cacheReadInputTokens: 1000,
  cacheWriteInputTokens: 300,
  cacheDetails: [
    { ttl: '1h', inputTokens: 200 },
    { ttl: '5m', inputTokens: 100 },
  ],
};
const METADATA = event('metadata', { usage: CONVERSE_USAGE, metrics: { latencyMs: 900 } });

describe.each([
  ['InvokeModelWithResponseStream', bedrockInvoke, INVOKED, 'Grüße'.length + 2],
  ['ConverseStream', bedrockConverse, [...CONVERSED, METADATA], 2 + 'Grüße'.length + 2 + 7],
] as const)('the stream of %s', (_, dialect: Dialect, messages, generated) => {
  const bytes = Buffer.concat(messages);
  const reader = (): AnswerReader => dialect.reader('generate', 'event-stream');

  it('tells its usage, its text and its end, split at every offset', () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const seen = finished(read(reader(), bytes.subarray(0, cut), bytes.subarray(cut)));
      expect(seen.usage).toEqual(USED);
      expect(seen).toMatchObject({
        reported: true,
        suspicious: false,
        lost: false,
        complete: true,
        failure: undefined,
        generatedBytes: generated,
        atBoundary: true,
        soundBytes: bytes.length,
      });
    }
  });

  it('stands at a boundary, and counts as sound, only at the end of a message', () => {
    const seen = reader();
    let sofar = 0;
    for (const part of messages) {
      seen.push(part.subarray(0, 5));
      expect([seen.atBoundary, seen.soundBytes]).toEqual([false, sofar]);
      seen.push(part.subarray(5));
      sofar += part.length;
      expect([seen.atBoundary, seen.soundBytes]).toEqual([true, sofar]);
    }
  });

  it('passes over events that it does not know', () => {
    const seen = read(reader(), event('somethingNew', { usage: { inputTokens: 9 } }), bytes);
    expect([seen.usage, seen.complete, seen.lost]).toEqual([USED, true, false]);
  });

  it('is not complete when it ends early', () => {
    expect(finished(read(reader(), ...messages.slice(0, 2))).complete).toBe(false);
    expect(finished(read(reader(), bytes.subarray(0, bytes.length - 1))).complete).toBe(false);
  });

  it.each([
    ['throttlingException', { message: 'Slow down' }, 'ThrottlingException', 'Slow down', 429],
    ['modelStreamErrorException', { message: 'Gone' }, 'ModelStreamErrorException', 'Gone', 424],
    ['serviceUnavailableException', { message: 'Away' }, 'ServiceUnavailableException', 'Away', 503],
    ['internalServerException', {}, 'InternalServerException', 'InternalServerException', 500],
    ['validationException', { Message: 'Bad' }, 'ValidationException', 'Bad', 400],
    ['brandNewException', { message: 'New' }, 'BrandNewException', 'New', undefined],
  ])('fails by %s, and nothing behind it counts', (name, body, type, text, status) => {
    const seen = finished(read(reader(), messages[0]!, exception(name, body), ...messages.slice(1)));
    expect(seen.failure).toEqual({ type, message: text, ...(status !== undefined && { status }) });
    expect(seen).toMatchObject({ complete: false, generatedBytes: 0 });
  });

  it('fails by an error that is no exception of its model', () => {
    const headers = { ':message-type': 'error', ':error-code': 'InternalError', ':error-message': 'Lost' };
    expect(read(reader(), message(headers, '')).failure).toMatchObject({
      type: 'InternalError',
      message: 'Lost',
    });
  });

  it('is lost with a wrong checksum; what came before it counts', () => {
    const bad = Buffer.from(messages.at(-1)!);
    bad[bad.length - 20]! ^= 1;
    const before = Buffer.concat(messages.slice(0, -1));
    const seen = read(reader(), Buffer.concat([before, bad]), messages.at(-1)!);
    expect(seen).toMatchObject({
      lost: true,
      broken: true,
      complete: false,
      atBoundary: false,
      generatedBytes: generated,
    });
    expect(seen.soundBytes).toBe(before.length);
  });

  it('is lost by a length of four gigabytes, for which nothing is kept', () => {
    const seen = read(reader(), Buffer.from('ffffffff0000000000000000', 'hex'));
    expect([seen.lost, seen.soundBytes]).toEqual([true, 0]);
  });

  it('stays whole when rubbish follows its end', () => {
    const seen = finished(read(reader(), bytes, Buffer.from('rubbish behind the end')));
    expect([seen.complete, seen.broken, seen.soundBytes]).toEqual([true, true, bytes.length]);
  });
});

describe('the stream of InvokeModelWithResponseStream', () => {
  it('has its usage from the metrics where its events tell none', () => {
    const seen = invoke(chunk({ type: 'message_start', message: {} }), chunk(TEXT), chunk(STOP));
    expect(seen.usage).toEqual({ ...USED, cacheWrite5mTokens: 300, cacheWrite1hTokens: 0 });
    expect(seen).toMatchObject({ reported: true, suspicious: false, complete: true });
  });

  it.each([
    ['input', { inputTokenCount: 21 }, true],
    ['output', { outputTokenCount: 8 }, true],
    ['cache reads', { cacheReadInputTokenCount: 0 }, true],
    ['cache writes', { cacheWriteInputTokenCount: 1 }, true],
    ['the whole input, cache included', { inputTokenCount: 1320 }, false],
  ])('is suspicious when its metrics tell another %s: %j', (_, other, suspicious) => {
    const stop = { ...STOP, 'amazon-bedrock-invocationMetrics': { ...METRICS, ...other } };
    const seen = invoke(...INVOKED.slice(0, 3), chunk(stop));
    expect([seen.suspicious, seen.usage]).toEqual([suspicious, USED]);
  });

  it('reads chunks in any order of their fields and events on many lines', () => {
    const bytes = Buffer.from(JSON.stringify(START, null, 2)).toString('base64');
    const seen = invoke(event('chunk', `{ "p":"ab", "bytes" : "${bytes.replaceAll('/', '\\/')}" }`));
    expect([seen.usage.inputTokens, seen.lost]).toEqual([20, false]);
  });

  it.each([
    '{}',
    'rubbish',
    '{"bytes":5}',
    'null',
    `{"bytes":"${Buffer.from('no JSON').toString('base64')}"}`,
  ])('is lost where a chunk holds no event: %s', (payload) => {
    expect(invoke(event('chunk', payload), ...INVOKED)).toMatchObject({ lost: true, usage: USED });
  });

  it("fails by an error event of Anthropic's inside a chunk", () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(invoke(INVOKED[0]!, chunk(error)).failure).toEqual({
      type: 'overloaded_error',
      message: 'Overloaded',
      status: 529,
    });
  });
});

describe('the stream of ConverseStream', () => {
  it('has more to tell after its messageStop', () => {
    const seen = converse(...CONVERSED);
    expect([seen.complete, seen.reported]).toEqual([false, false]);
    expect(read(seen, METADATA)).toMatchObject({ complete: true, reported: true });
  });

  it('is whole without metadata once it came to its end, though it reported nothing', () => {
    expect(finished(converse(...CONVERSED))).toMatchObject({ complete: true, reported: false });
  });

  const usage = (told: unknown): AnswerReader => converse(...CONVERSED, event('metadata', { usage: told }));

  it('writes to the cache for five minutes unless its details say an hour', () => {
    expect(usage({ ...CONVERSE_USAGE, cacheDetails: undefined }).usage).toEqual({
      ...USED,
      cacheWrite5mTokens: 300,
      cacheWrite1hTokens: 0,
    });
    const { cacheWriteInputTokens: _sum, ...split } = CONVERSE_USAGE;
    expect(usage(split).usage).toEqual(USED);
    const more = { ...CONVERSE_USAGE, cacheDetails: [{ ttl: '1h', inputTokens: 999 }] };
    expect(usage(more).usage).toMatchObject({ cacheWrite5mTokens: 0, cacheWrite1hTokens: 300 });
  });

  it.each([
    ['a total that is another sum', { ...CONVERSE_USAGE, totalTokens: 27 }],
    ['a fraction', { inputTokens: 1.5, outputTokens: 2 }],
    ['a negative number', { inputTokens: -1, outputTokens: 2 }],
    ['a text', { inputTokens: '20', outputTokens: 2 }],
    ['an object', { inputTokens: {}, outputTokens: 2 }],
  ])('is suspicious with %s', (_, told) => {
    expect(usage(told)).toMatchObject({ suspicious: true, reported: true });
  });

  it('counts usage from its metadata only', () => {
    const seen = converse(event('contentBlockStart', { usage: CONVERSE_USAGE }), ...CONVERSED);
    expect([seen.reported, seen.usage]).toEqual([false, NO_USAGE]);
  });
});

describe('documents of the runtime', () => {
  const document = {
    output: {
      message: {
        role: 'assistant',
        content: [
          { reasoningContent: { reasoningText: { text: 'Hm', signature: 'c2ln' } } },
          { text: 'Grüße' },
          { toolUse: { toolUseId: 't1', name: 'w', input: { a: 1 } } },
        ],
      },
    },
    stopReason: 'tool_use',
    usage: CONVERSE_USAGE,
    metrics: { latencyMs: 900 },
  };

  it('of Converse tell their usage, split at every offset', () => {
    const bytes = Buffer.from(JSON.stringify(document));
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const reader = bedrockConverse.reader('generate', 'json');
      const seen = finished(read(reader, bytes.subarray(0, cut), bytes.subarray(cut)));
      expect(seen.usage).toEqual(USED);
      expect(seen).toMatchObject({ complete: true, lost: false, reported: true, generatedBytes: 2 + 7 + 7 });
    }
  });

  it.each(['{"message":"no"}', '{}', '{"output":{}', 'rubbish'])('of Converse are not %s', (text) => {
    const seen = finished(read(bedrockConverse.reader('generate', 'json'), text));
    expect([seen.complete, seen.lost]).toEqual([false, true]);
  });

  it('of InvokeModel are those of the Messages API', () => {
    const { usage } = START.message;
    const body = {
      type: 'message',
      content: [{ type: 'text', text: 'Grüße' }],
      usage: { ...usage, output_tokens: 7 },
    };
    const seen = finished(read(bedrockInvoke.reader('generate', 'json'), JSON.stringify(body)));
    expect([seen.usage, seen.complete]).toEqual([USED, true]);
  });

  it.each([
    ['{"inputTokens":11}', true],
    ['{"inputTokens":0}', true],
    ['{"inputTokens":"11"}', false],
    ['{"inputTokens":{}}', false],
    ['{"input_tokens":11}', false],
    ['{"inputTokens":11', false],
    ['', false],
  ])('of CountTokens are free: %s', (text, complete) => {
    for (const dialect of [bedrockInvoke, bedrockConverse]) {
      const seen = finished(read(dialect.reader('count', 'json'), text));
      expect([seen.usage, seen.complete, seen.lost]).toEqual([NO_USAGE, complete, !complete]);
    }
  });
});
