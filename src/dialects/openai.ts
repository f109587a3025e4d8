import type { DialectError, ErrorKind } from './dialect.ts';

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

export function openaiErrorBody({ kind, message }: DialectError): string {
  const [type, code] = ERRORS[kind];
  return JSON.stringify({ error: { message, type, param: null, code } });
}
