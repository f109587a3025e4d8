import type { AnswerFailure, Dialect, DialectError, ErrorKind } from './dialect.ts';
import { encodeEventMessage, type EventMessage } from './event-stream.ts';

/**
 * AWS' exceptions for what the relay says no with: the ones of the runtime's own model (AWS Bedrock API reference,
 * "Amazon Bedrock Runtime"), or else the common ones of its front doors ("Common Error Types").
 */
const EXCEPTIONS: Readonly<Record<ErrorKind, string>> = {
  authentication: 'UnrecognizedClientException',
  permission: 'AccessDeniedException',
  'not-found': 'ResourceNotFoundException',
  'invalid-request': 'ValidationException',
  'too-large': 'ValidationException',
  'unsupported-media': 'ValidationException',
  'request-timeout': 'RequestTimeoutException',
  'rate-limit': 'ThrottlingException',
  budget: 'ServiceQuotaExceededException',
  'bad-gateway': 'ServiceUnavailableException',
  'gateway-timeout': 'ModelTimeoutException',
  unavailable: 'ServiceUnavailableException',
  internal: 'InternalServerException',
};

/** In a stream there are fewer: the members that both `ResponseStream` and `ConverseStreamOutput` have. */
const STREAMED: Partial<Record<ErrorKind, string>> = {
  'rate-limit': 'throttlingException',
  budget: 'throttlingException',
  'bad-gateway': 'modelStreamErrorException',
  'gateway-timeout': 'modelStreamErrorException',
  unavailable: 'serviceUnavailableException',
  internal: 'internalServerException',
};

/** HTTP statuses of the exceptions (`httpError` in the schemas of @aws-sdk/client-bedrock-runtime 3.1164). */
const STATUS: Readonly<Record<string, number>> = {
  AccessDeniedException: 403,
  ConflictException: 400,
  InternalServerException: 500,
  ModelErrorException: 424,
  ModelNotReadyException: 429,
  ModelStreamErrorException: 424,
  ModelTimeoutException: 408,
  ResourceNotFoundException: 404,
  ServiceQuotaExceededException: 400,
  ServiceUnavailableException: 503,
  ThrottlingException: 429,
  ValidationException: 400,
};

/** A spent budget is a quota, which AWS refuses with 400. */
export function bedrockErrorStatus(kind: ErrorKind): number | undefined {
  return kind === 'budget' ? STATUS[EXCEPTIONS[kind]] : undefined;
}

export function bedrockErrorBody({ message }: DialectError): string {
  return JSON.stringify({ message });
}

/** SDKs take the exception's class from the first, and show the second as `$metadata.requestId`. */
export function bedrockErrorHeaders({ kind, requestId }: DialectError): Readonly<Record<string, string>> {
  return { 'x-amzn-errortype': EXCEPTIONS[kind], 'x-amzn-requestid': requestId };
}

/** A path that the runtime does not have is no missing resource. */
export const bedrockUnknownRoute: Pick<Dialect, 'errorBody' | 'errorHeaders'> = {
  errorBody: bedrockErrorBody,
  errorHeaders: ({ requestId }) => ({
    'x-amzn-errortype': 'UnknownOperationException',
    'x-amzn-requestid': requestId,
  }),
};

export function bedrockErrorFrame({ kind, status, message }: DialectError): Uint8Array {
  const name = STREAMED[kind] ?? 'validationException';
  const headers = {
    ':exception-type': name,
    ':content-type': 'application/json',
    ':message-type': 'exception',
  };
  const original = { originalStatusCode: status, originalMessage: message };
  const told = { message, ...(name === 'modelStreamErrorException' && original) };
  return encodeEventMessage(headers, JSON.stringify(told));
}

/** A message that is an error; undefined: it is an event. */
export function streamedFailure({ headers, payload }: EventMessage): AnswerFailure | undefined {
  switch (headers[':message-type']) {
    case 'exception':
      return failureOf(headers[':exception-type'] ?? '', readBedrockError(payload)?.message);
    case 'error':
      return failureOf(headers[':error-code'] ?? '', headers[':error-message']);
    default:
      return undefined;
  }
}

/** AWS' restJson1 errors: `message`, or `Message` from the edge; the name is mostly in a header. */
export function readBedrockError(body: Buffer): AnswerFailure | undefined {
  try {
    const { message, Message, __type, code } = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
    const text = message ?? Message;
    const name = [__type, code].find((value) => typeof value === 'string');
    return typeof text === 'string' ? failureOf(name?.split('#').at(-1) ?? '', text) : undefined;
  } catch {
    return undefined;
  }
}

/** `throttlingException` in a frame is the ThrottlingException of a status. */
function failureOf(told: string, message: string | undefined): AnswerFailure {
  const type = told === '' ? 'UnknownError' : told.slice(0, 1).toUpperCase() + told.slice(1);
  const status = Object.hasOwn(STATUS, type) ? STATUS[type] : undefined;
  return { type, message: message ?? type, ...(status !== undefined && { status }) };
}
