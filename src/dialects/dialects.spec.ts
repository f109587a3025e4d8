import Anthropic from '@anthropic-ai/sdk';
import { anthropic } from './anthropic.ts';
import type { DialectError, ErrorKind } from './dialect.ts';
import { gemini } from './gemini.ts';
import { openaiErrorBody } from './openai.ts';

const KINDS: Record<ErrorKind, [status: number, anthropic: string, gemini: string, openai: string]> = {
  authentication: [401, 'authentication_error', 'UNAUTHENTICATED', 'invalid_request_error'],
  permission: [403, 'permission_error', 'PERMISSION_DENIED', 'invalid_request_error'],
  'not-found': [404, 'not_found_error', 'NOT_FOUND', 'invalid_request_error'],
  'invalid-request': [400, 'invalid_request_error', 'INVALID_ARGUMENT', 'invalid_request_error'],
  'too-large': [413, 'request_too_large', 'INVALID_ARGUMENT', 'invalid_request_error'],
  'unsupported-media': [415, 'invalid_request_error', 'INVALID_ARGUMENT', 'invalid_request_error'],
  'request-timeout': [408, 'timeout_error', 'DEADLINE_EXCEEDED', 'invalid_request_error'],
  'rate-limit': [429, 'rate_limit_error', 'RESOURCE_EXHAUSTED', 'rate_limit_error'],
  budget: [402, 'billing_error', 'RESOURCE_EXHAUSTED', 'insufficient_quota'],
  'bad-gateway': [502, 'api_error', 'UNAVAILABLE', 'server_error'],
  'gateway-timeout': [504, 'timeout_error', 'DEADLINE_EXCEEDED', 'server_error'],
  unavailable: [503, 'overloaded_error', 'UNAVAILABLE', 'server_error'],
  internal: [500, 'api_error', 'INTERNAL', 'server_error'],
};

const MESSAGE = 'first line\nsecond "line"\u2028 \r\n\r\ndata: {}';

describe.each(Object.entries(KINDS))(
  'the error %s',
  (kind, [status, anthropicType, geminiStatus, openaiType]) => {
    const error: DialectError = { kind: kind as ErrorKind, status, message: MESSAGE, requestId: 'req_1' };

    it('has the body of each vendor, on one line', () => {
      expect(JSON.parse(anthropic.errorBody(error))).toEqual({
        type: 'error',
        error: { type: anthropicType, message: MESSAGE },
        request_id: 'req_1',
      });
      expect(JSON.parse(gemini.errorBody(error))).toMatchObject({
        error: { code: status, message: MESSAGE, status: geminiStatus },
      });
      expect(JSON.parse(openaiErrorBody(error))).toMatchObject({
        error: { message: MESSAGE, type: openaiType, param: null },
      });
      for (const body of [anthropic.errorBody(error), gemini.errorBody(error), openaiErrorBody(error)]) {
        expect(body).not.toMatch(/[\r\n]/);
      }
    });

    it('is read back as a failure from its frame', () => {
      const told = anthropic.reader('generate', 'sse');
      told.push(Buffer.from(anthropic.errorFrame(error, 'sse', false)));
      expect(told).toMatchObject({ failure: { type: anthropicType, message: MESSAGE }, atBoundary: true });

      const frame = gemini.reader('generate', 'sse');
      frame.push(Buffer.from(gemini.errorFrame(error, 'sse', false)));
      expect(frame).toMatchObject({ failure: { type: geminiStatus, status }, atBoundary: true });
    });

    it('closes a streamed array, begun or not', () => {
      const item: unknown = JSON.parse(gemini.errorBody(error));
      expect(JSON.parse(String(gemini.errorFrame(error, 'json-array', true)))).toEqual([item]);
      expect(JSON.parse(`[{"a":1}\r\n${gemini.errorFrame(error, 'json-array', false)}`)).toEqual([
        { a: 1 },
        item,
      ]);
    });
  },
);

describe('what the dialects tell', () => {
  it('tells that a budget of Gemini is not mended by waiting', () => {
    const body = gemini.errorBody({ kind: 'budget', status: 429, message: 'spent', requestId: 'r' });
    expect(body).toContain('PerDay');
  });

  it('tells the content type of each framing', () => {
    expect([anthropic.contentType('sse'), anthropic.contentType('json')]).toEqual([
      'text/event-stream',
      'application/json',
    ]);
    expect([gemini.contentType('sse'), gemini.contentType('json-array')]).toEqual([
      'text/event-stream',
      'application/json',
    ]);
  });

  it("gives Anthropic's own SDK an error that it knows", async () => {
    const frame = anthropic.errorFrame(
      { kind: 'unavailable', status: 503, message: MESSAGE, requestId: 'r' },
      'sse',
      true,
    );
    const client = new Anthropic({
      apiKey: 'rk_1',
      maxRetries: 0,
      fetch: async () => new Response(frame, { headers: { 'content-type': 'text/event-stream' } }),
    });
    const stream = await client.messages.create({ model: 'm', max_tokens: 1, messages: [], stream: true });
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ type: 'overloaded_error' });
  });
});
