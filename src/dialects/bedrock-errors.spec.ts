import { EventStreamCodec } from '@smithy/eventstream-codec';
import { bedrockConverse } from './bedrock-converse.ts';
import { bedrockUnknownRoute } from './bedrock-errors.ts';
import { bedrockInvoke } from './bedrock-invoke.ts';
import type { DialectError, ErrorKind } from './dialect.ts';

/** Names by AWS' Bedrock API reference (errors of InvokeModel and Converse, "Common Error Types"). */
const KINDS: Record<ErrorKind, [status: number, exception: string, streamed: string]> = {
  authentication: [401, 'UnrecognizedClientException', 'validationException'],
  permission: [403, 'AccessDeniedException', 'validationException'],
  'not-found': [404, 'ResourceNotFoundException', 'validationException'],
  'invalid-request': [400, 'ValidationException', 'validationException'],
  'too-large': [413, 'ValidationException', 'validationException'],
  'unsupported-media': [415, 'ValidationException', 'validationException'],
  'request-timeout': [408, 'RequestTimeoutException', 'validationException'],
  'rate-limit': [429, 'ThrottlingException', 'throttlingException'],
  budget: [400, 'ServiceQuotaExceededException', 'throttlingException'],
  'bad-gateway': [502, 'ServiceUnavailableException', 'modelStreamErrorException'],
  'gateway-timeout': [504, 'ModelTimeoutException', 'modelStreamErrorException'],
  unavailable: [503, 'ServiceUnavailableException', 'serviceUnavailableException'],
  internal: [500, 'InternalServerException', 'internalServerException'],
};
const MESSAGE = 'first line\nsecond "line" é🙂';
const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text),
);

describe.each(Object.entries(KINDS))('the error %s', (kind, [status, exception, streamed]) => {
  const error: DialectError = { kind: kind as ErrorKind, status, message: MESSAGE, requestId: 'req_1' };

  it.each([bedrockInvoke, bedrockConverse])('is a document with its name in a header', (dialect) => {
    expect(JSON.parse(dialect.errorBody(error))).toEqual({ message: MESSAGE });
    expect(dialect.errorHeaders?.(error)).toEqual({
      'x-amzn-errortype': exception,
      'x-amzn-requestid': 'req_1',
    });
  });

  it.each([bedrockInvoke, bedrockConverse])("is a frame that AWS' own codec reads", (dialect) => {
    const frame = Buffer.from(dialect.errorFrame(error, 'event-stream', false) as Uint8Array);
    const { headers, body } = codec.decode(frame);
    expect(headers).toEqual({
      ':exception-type': { type: 'string', value: streamed },
      ':content-type': { type: 'string', value: 'application/json' },
      ':message-type': { type: 'string', value: 'exception' },
    });
    expect(JSON.parse(Buffer.from(body).toString())).toMatchObject({ message: MESSAGE });
    const reader = dialect.reader('generate', 'event-stream');
    reader.push(frame);
    expect(reader).toMatchObject({ failure: { message: MESSAGE }, atBoundary: true, complete: false });
  });
});

describe("AWS' errors as the runtime tells them", () => {
  it.each([
    ['{"message":"no"}', { type: 'UnknownError', message: 'no' }],
    ['{"Message":"from the edge"}', { type: 'UnknownError', message: 'from the edge' }],
    [
      '{"__type":"com.amazon.coral.service#ThrottlingException","message":"slow"}',
      { type: 'ThrottlingException', message: 'slow', status: 429 },
    ],
    ['<html>', undefined],
    ['null', undefined],
    ['{"error":{"message":"of another vendor"}}', undefined],
  ])('are read from %s', (body, failure) => {
    expect(bedrockInvoke.readError(Buffer.from(body))).toEqual(failure);
  });

  it('name an operation that is not there', () => {
    const told = { kind: 'not-found', status: 404, message: 'no', requestId: 'r' } as const;
    expect(bedrockUnknownRoute.errorHeaders?.(told)['x-amzn-errortype']).toBe('UnknownOperationException');
  });

  it('have the content type of their framing', () => {
    for (const dialect of [bedrockInvoke, bedrockConverse]) {
      expect(dialect.contentType('event-stream')).toBe('application/vnd.amazon.eventstream');
      expect(dialect.contentType('json')).toBe('application/json');
    }
  });
});
