import type { Dialect, DialectError, ErrorKind } from './dialect.ts';
import { HeaderList } from './header-list.ts';
import { readOpenaiError } from './openai-failure.ts';
import { openaiReader } from './openai-reader.ts';

/** `type` and `code` of OpenAI's error object (platform docs, "Error codes"); code null where it has none. */
const ERRORS: Readonly<Record<ErrorKind, readonly [type: string, code: string | null]>> = {
  authentication: ['invalid_request_error', 'invalid_api_key'],
  permission: ['invalid_request_error', null],
  'not-found': ['invalid_request_error', 'model_not_found'],
  'invalid-request': ['invalid_request_error', null],
  'too-large': ['invalid_request_error', null],
  'unsupported-media': ['invalid_request_error', null],
  'request-timeout': ['invalid_request_error', null],
  'rate-limit': ['rate_limit_error', 'rate_limit_exceeded'],
  budget: ['insufficient_quota', 'insufficient_quota'],
  'bad-gateway': ['server_error', null],
  'gateway-timeout': ['server_error', null],
  unavailable: ['server_error', null],
  internal: ['server_error', null],
};

/**
 * Of the upstream's headers the client gets what tells of the answer; `openai-organization` and `openai-project` name
 * the account and stay behind.
 */
export const OPENAI_ANSWER_HEADERS = new HeaderList(
  'content-type',
  'x-request-id',
  'openai-processing-ms',
  'openai-version',
  'x-ratelimit-*',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
);

/** Chat completions and embeddings. */
export const openai: Dialect = {
  name: 'openai',
  answerHeaders: OPENAI_ANSWER_HEADERS,
  contentType: (framing) => (framing === 'sse' ? 'text/event-stream' : 'application/json'),
  reader: openaiReader,
  errorBody: openaiErrorBody,
  errorHeaders: openaiErrorHeaders,
  errorFrame: (error) => `data: ${openaiErrorBody(error)}\n\n`,
  readError: readOpenaiError,
};

export interface OpenaiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

export function openaiError({ kind, message }: DialectError): OpenaiError {
  const [type, code] = ERRORS[kind];
  return { message, type, param: paramIn(kind, message), code };
}

/** Our own messages about a request begin with the field they are about: `messages[0].content: …`. */
function paramIn(kind: ErrorKind, message: string): string | null {
  if (kind !== 'invalid-request') return null;
  const field = /^([A-Za-z_][A-Za-z0-9_.[\]-]{0,127}): /.exec(message)?.[1];
  return field === undefined || field === 'body' ? null : field;
}

export function openaiErrorBody(error: DialectError): string {
  return JSON.stringify({ error: openaiError(error) });
}

/** A path that does not exist is an invalid request without a code (`Invalid URL (GET /v1/…)`), and no missing model. */
export const openaiUnknownRoute: Pick<Dialect, 'errorBody' | 'errorHeaders'> = {
  errorBody: ({ message }) =>
    JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }),
  errorHeaders: openaiErrorHeaders,
};

/** The SDK shows this header as `_request_id` and in its errors. */
export function openaiErrorHeaders({ requestId }: DialectError): Readonly<Record<string, string>> {
  return { 'x-request-id': requestId };
}
