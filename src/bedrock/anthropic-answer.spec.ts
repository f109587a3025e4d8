import type { Call } from '../dialects/dialect.ts';
import { encodeEventMessage } from '../dialects/event-stream.ts';
import { type AnswerBytes, chunksOf } from '../upstream/answer-bytes.ts';
import type { UpstreamStream } from '../upstream/upstream.ts';
import { anthropicAnswer } from './anthropic-answer.ts';

const STREAM = { 'content-type': 'application/vnd.amazon.eventstream', 'x-amzn-requestid': 'aws-1' };
const JSON_TYPE = { 'content-type': 'application/json', 'x-amzn-requestid': 'aws-1', 'content-length': '9' };
const SSE = { operation: 'generate', framing: 'sse' } as Call;
const DOCUMENT = { operation: 'generate', framing: 'json' } as Call;
const COUNT = { operation: 'count', framing: 'json' } as Call;

const chunkOf = (event: string, wrap = (bytes: string) => `{"bytes":"${bytes}","p":"abcd"}`): Buffer =>
  encodeEventMessage(
    { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' },
    wrap(Buffer.from(event).toString('base64')),
  );
const exception = (name: string, payload: object): Buffer =>
  encodeEventMessage({ ':exception-type': name, ':message-type': 'exception' }, JSON.stringify(payload));

/** An upstream's body whose every `take` gives what comes next; null where there is nothing more, and no end. */
class Coming implements AnswerBytes {
  destroyed = false;

  constructor(private readonly next: () => Buffer | undefined | null) {}

  take(): Buffer | undefined | null {
    return this.next();
  }

  listen(): void {
    throw new Error('Nothing more will come');
  }

  destroy(): void {
    this.destroyed = true;
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return chunksOf(this);
  }
}

async function decoded(chunks: readonly Buffer[], call = SSE, head: Partial<UpstreamStream> = {}) {
  const rest = [...chunks];
  const body = new Coming(() => rest.shift());
  const answer = anthropicAnswer(call, { status: 200, headers: STREAM, body, ...head });
  const parts: Buffer[] = [];
  for await (const part of answer.body) parts.push(part);
  return { ...answer, text: Buffer.concat(parts).toString() };
}

const START = '{"type":"message_start","message":{"id":"m","n":1e21,"text":"é\\u00e9"}}';
const STOP = '{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3}}';
const FRAMES = `event: message_start\ndata: ${START}\n\nevent: message_stop\ndata: ${STOP}\n\n`;

describe("Bedrock's event stream as Anthropic's SSE", () => {
  it('gives each event by its type and byte for byte, however the bytes come', async () => {
    const bytes = Buffer.concat([chunkOf(START), chunkOf(STOP)]);
    const answer = await decoded([bytes]);
    expect(answer.text).toBe(FRAMES);
    expect(answer.headers).toEqual({
      ...STREAM,
      'content-type': 'text/event-stream; charset=utf-8',
      'request-id': 'aws-1',
    });
    expect((await decoded([...bytes].map((byte) => Buffer.of(byte)))).text).toBe(FRAMES);
  });

  it('reads chunks that are written in another way', async () => {
    const padded = chunkOf(STOP, (bytes) => `{ "p" : "\\\\", "bytes" : "${bytes.replaceAll('/', '\\/')}" }`);
    expect((await decoded([padded])).text).toBe(`event: message_stop\ndata: ${STOP}\n\n`);
    const spaced = '{\n "index": 1,\r\n "type": "ping"\n}';
    expect((await decoded([chunkOf(spaced)])).text).toBe(
      'event: ping\ndata: {  "index": 1,   "type": "ping" }\n\n',
    );
  });

  it('passes over what is no event and what has no type', async () => {
    const other = encodeEventMessage({ ':event-type': 'later', ':message-type': 'event' }, '{}');
    expect((await decoded([other, chunkOf('{"p":1}'), chunkOf(STOP)])).text).toBe(
      `event: message_stop\ndata: ${STOP}\n\n`,
    );
  });

  it.each([
    ['throttlingException', 'rate_limit_error'],
    ['modelStreamErrorException', 'api_error'],
    ['internalServerException', 'api_error'],
    ['serviceUnavailableException', 'overloaded_error'],
    ['validationException', 'invalid_request_error'],
    ['modelTimeoutException', 'timeout_error'],
    ['laterException', 'api_error'],
  ])('tells %s as %s, and nothing after it', async (name, type) => {
    const { text } = await decoded([chunkOf(START), exception(name, { message: 'no' }), chunkOf(STOP)]);
    const error = { type: 'error', error: { type, message: 'no' }, request_id: 'aws-1' };
    expect(text).toBe(
      `event: message_start\ndata: ${START}\n\nevent: error\ndata: ${JSON.stringify(error)}\n\n`,
    );
  });

  it('tells an error message of the frame itself', async () => {
    const message = { ':message-type': 'error', ':error-code': 'InternalFailure', ':error-message': 'x' };
    const { text } = await decoded([encodeEventMessage(message, '')]);
    expect(text).toContain('"error":{"type":"api_error","message":"x"}');
  });

  it('breaks at a wrong checksum, inside a message, and at a chunk without an event', async () => {
    const bad = chunkOf(STOP);
    bad[bad.length - 6]! ^= 1;
    await expect(decoded([chunkOf(START), bad])).rejects.toThrow('checksum');
    await expect(decoded([chunkOf(START).subarray(0, -1)])).rejects.toThrow('ends inside');
    await expect(decoded([chunkOf(START, () => '{}')])).rejects.toThrow('no bytes');
    await expect(decoded([chunkOf('not json')])).rejects.toThrow('no JSON');
  });

  it('cuts the upstream when it is destroyed or unreadable, and breaks when the upstream does', () => {
    const silent = new Coming(() => null);
    const cut = anthropicAnswer(SSE, { status: 200, headers: STREAM, body: silent });
    expect(cut.body.take()).toBeNull();
    cut.body.destroy();
    expect(silent.destroyed).toBe(true);

    const unreadable = new Coming(() => chunkOf('not json'));
    const halted = anthropicAnswer(SSE, { status: 200, headers: STREAM, body: unreadable });
    expect(() => halted.body.take()).toThrow('no JSON');
    expect(() => halted.body.take()).toThrow('no JSON');
    expect(unreadable.destroyed).toBe(true);

    const breaking = new Coming(() => {
      throw new Error('reset');
    });
    const broken = anthropicAnswer(SSE, { status: 200, headers: STREAM, body: breaking });
    expect(() => broken.body.take()).toThrow('reset');
  });

  it('takes no more from the upstream than its reader does', async () => {
    let taken = 0;
    const endless = new Coming(() => {
      taken += 1;
      return chunkOf(`{"type":"ping","p":"${'x'.repeat(4_000)}"}`);
    });
    const answer = anthropicAnswer(SSE, { status: 200, headers: STREAM, body: endless });
    expect(answer.body.take()?.toString()).toMatch(/^event: ping/);
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(1);
  });
});

describe("Bedrock's documents as Anthropic's", () => {
  const json = (value: object): Buffer[] => [Buffer.from(JSON.stringify(value))];

  it('passes a message as it is, and counts by the other name', async () => {
    const body = [Buffer.from('{ "type": "message" }')];
    expect((await decoded(body, DOCUMENT, { headers: JSON_TYPE })).text).toBe('{ "type": "message" }');
    const count = await decoded(json({ inputTokens: 42 }), COUNT, { headers: JSON_TYPE });
    expect(count.text).toBe('{"input_tokens":42}');
    expect(count.headers).not.toHaveProperty('content-length');
    expect((await decoded(json({ x: 1 }), COUNT, { headers: JSON_TYPE })).text).toBe('{"x":1}');
  });

  it.each([
    [400, 'ValidationException', 'invalid_request_error'],
    [404, 'ResourceNotFoundException', 'not_found_error'],
    [408, 'ModelTimeoutException', 'timeout_error'],
    [424, 'ModelErrorException', 'api_error'],
    [429, 'ThrottlingException', 'rate_limit_error'],
    [429, 'ModelNotReadyException', 'overloaded_error'],
    [500, 'InternalServerException', 'api_error'],
    [503, 'ServiceUnavailableException', 'overloaded_error'],
    [413, undefined, 'request_too_large'],
  ])('an error %d %s keeps its status and is %s', async (status, name, type) => {
    const headers = { ...JSON_TYPE, ...(name && { 'x-amzn-errortype': `${name}:x` }) };
    const answer = await decoded(json({ message: 'no' }), SSE, { status, headers });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({
      type: 'error',
      error: { type, message: 'no' },
      request_id: 'aws-1',
    });
  });

  it('leaves an error alone that AWS did not write', async () => {
    const answer = await decoded([Buffer.from('<html>')], SSE, {
      status: 502,
      headers: { 'content-type': 'text/html' },
    });
    expect([answer.status, answer.text]).toEqual([502, '<html>']);
  });
});
