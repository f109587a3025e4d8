import { anthropicReader } from './anthropic-reader.ts';
import type { AnswerFailure, Dialect, DialectError, ErrorKind } from './dialect.ts';
import { errorIn } from './error-object.ts';
import { HeaderList } from './header-list.ts';

/** Anthropic's error types (docs, "Errors"; `ErrorType` in @anthropic-ai/sdk 1.12). */
const TYPES: Readonly<Record<ErrorKind, string>> = {
  authentication: 'authentication_error',
  permission: 'permission_error',
  'not-found': 'not_found_error',
  'invalid-request': 'invalid_request_error',
  'too-large': 'request_too_large',
  'unsupported-media': 'invalid_request_error',
  'request-timeout': 'timeout_error',
  'rate-limit': 'rate_limit_error',
  budget: 'billing_error',
  'bad-gateway': 'api_error',
  'gateway-timeout': 'timeout_error',
  unavailable: 'overloaded_error',
  internal: 'api_error',
};

/** Anthropic Messages. The account's organisation id is not the client's business and stays behind. */
export const anthropic: Dialect = {
  name: 'anthropic',
  answerHeaders: new HeaderList(
    'content-type',
    'request-id',
    'anthropic-ratelimit-*',
    'retry-after',
    'retry-after-ms',
    'x-should-retry',
  ),
  contentType: (framing) => (framing === 'sse' ? 'text/event-stream' : 'application/json'),
  reader: anthropicReader,
  errorBody,
  /** Docs, "Errors": 402 `billing_error`. */
  errorStatus: (kind) => (kind === 'budget' ? 402 : undefined),
  readError,
  errorFrame: (error) => `event: error\ndata: ${errorBody(error)}\n\n`,
};

function errorBody({ kind, message, requestId }: DialectError): string {
  return JSON.stringify({ type: 'error', error: { type: TYPES[kind], message }, request_id: requestId });
}

function readError(body: Buffer): AnswerFailure | undefined {
  const error = errorIn(body);
  const { type, message } = error ?? {};
  return typeof message === 'string'
    ? { type: typeof type === 'string' ? type : 'error', message }
    : undefined;
}
