import OpenAI from 'openai';
import type { DialectError } from './dialect.ts';
import { readOpenaiError } from './openai-failure.ts';
import { openaiResponses } from './openai-responses.ts';
import { openai, openaiUnknownRoute } from './openai.ts';

const MESSAGE = 'first line\nsecond "line"\u2028';
const error: DialectError = { kind: 'unavailable', status: 503, message: MESSAGE, requestId: 'r-1' };

const client = (frame: string): OpenAI =>
  new OpenAI({
    apiKey: 'rk_1',
    maxRetries: 0,
    fetch: async () => new Response(frame, { headers: { 'content-type': 'text/event-stream' } }),
  });

describe('an error of the relay in a stream', () => {
  it("is thrown by OpenAI's own SDK, in chat completions and in responses", async () => {
    const chat = String(openai.errorFrame(error, 'sse', true));
    const chunks = await client(chat).chat.completions.create({ model: 'm', messages: [], stream: true });
    await expect(chunks[Symbol.asyncIterator]().next()).rejects.toMatchObject({ type: 'server_error' });

    const response = String(openaiResponses.errorFrame(error, 'sse', true));
    const events = await client(response).responses.create({ model: 'm', input: 'x', stream: true });
    await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({ type: 'server_error' });
  });

  it('is one event, with the fields of either shape for responses', () => {
    expect(String(openai.errorFrame(error, 'sse', false))).toMatch(/^data: \{[^\n\r]*\}\n\n$/);
    const [name, data] = String(openaiResponses.errorFrame(error, 'sse', false)).split('\n');
    expect(name).toBe('event: error');
    expect(JSON.parse(data!.slice('data: '.length))).toEqual({
      type: 'error',
      code: 'server_error',
      message: MESSAGE,
      param: null,
      sequence_number: 0,
      error: { type: 'server_error', code: 'server_error', message: MESSAGE, param: null },
    });
  });

  it('is read back as a failure', () => {
    const reader = openai.reader('generate', 'sse');
    reader.push(Buffer.from(String(openai.errorFrame(error, 'sse', false))));
    expect(reader).toMatchObject({ failure: { type: 'server_error', status: 500 }, atBoundary: true });
  });
});

describe('an error of the relay', () => {
  it('names the field that it is about', () => {
    const told = (message: string): unknown =>
      (JSON.parse(openai.errorBody({ ...error, kind: 'invalid-request', message })) as { error: unknown })
        .error;
    expect(told('messages[0].content: must be a text')).toMatchObject({ param: 'messages[0].content' });
    expect(told('body: must be UTF-8')).toMatchObject({ param: null });
    expect(told('The field: it is not known')).toMatchObject({ param: null });
  });

  it('has no code of a missing model for a path that does not exist', () => {
    expect(JSON.parse(openaiUnknownRoute.errorBody({ ...error, kind: 'not-found', status: 404 }))).toEqual({
      error: { message: MESSAGE, type: 'invalid_request_error', param: null, code: null },
    });
  });
});

describe('the error document of a compatible server', () => {
  it.each<[string, object | undefined]>([
    [
      '{"error":{"message":"no","type":"invalid_request_error","param":"x","code":"context_length_exceeded"}}',
      { type: 'context_length_exceeded', message: 'no', status: 400 },
    ],
    ['{"error":"model not found"}', { type: 'error', message: 'model not found' }],
    ['{"detail":"Not Found"}', { type: 'error', message: 'Not Found' }],
    [
      '{"detail":[{"loc":["body"],"msg":"field required","type":"x"}]}',
      { type: 'error', message: 'field required' },
    ],
    [
      '{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}',
      { type: 'BadRequestError', message: 'too long', status: 400 },
    ],
    [
      '[{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}]',
      { type: 'error', message: 'no', status: 404 },
    ],
    ['{"error":{"message":{"a":1},"code":{}}}', { type: 'error', message: '' }],
    ['<html>502</html>', undefined],
    ['null', undefined],
    ['"text"', undefined],
    ['', undefined],
  ])('is read: %s', (text, failure) => {
    expect(readOpenaiError(Buffer.from(text))).toEqual(failure);
  });
});
