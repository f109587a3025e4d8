import { readJson, textAt } from '../upstream/json-fields.ts';

/** What AWS tells of a refusal: an exception's name, '' when it tells none, and its message. */
export interface AwsError {
  readonly name: string;
  readonly message: string;
}

/**
 * AWS' REST-JSON errors: the name stands in `x-amzn-errortype` before a colon, or in the body as `__type` (behind a `#`)
 * or `code`; the message is `message`, `Message` from the edge (AWS restJson1 protocol, "Operation error serialization").
 */
export function readAwsError(headers: Readonly<Record<string, string>>, body: Buffer): AwsError {
  const document = readJson(body);
  const told = headers['x-amzn-errortype'] ?? textAt(document, '__type') ?? textAt(document, 'code') ?? '';
  const name = told.split(':', 1)[0]!.split('#').at(-1)!.trim();
  return {
    name: /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(name) ? name : '',
    message: textAt(document, 'message') ?? textAt(document, 'Message') ?? '',
  };
}

const NOT_KNOWN = 'authentication_error';
const FAILED = 'api_error';
const OVERLOADED = 'overloaded_error';
const THROTTLED = 'rate_limit_error';
const TIMED_OUT = 'timeout_error';

/**
 * Error types of Anthropic's API (its docs, "Errors") by the exceptions of InvokeModel, InvokeModelWithResponseStream and
 * CountTokens (AWS Bedrock API reference).
 */
const BY_NAME: Readonly<Record<string, string>> = {
  AccessDeniedException: 'permission_error',
  ConflictException: 'conflict_error',
  ExpiredTokenException: NOT_KNOWN,
  InternalServerException: FAILED,
  InvalidSignatureException: NOT_KNOWN,
  MissingAuthenticationTokenException: NOT_KNOWN,
  ModelErrorException: FAILED,
  ModelNotReadyException: OVERLOADED,
  ModelStreamErrorException: FAILED,
  ModelTimeoutException: TIMED_OUT,
  ResourceNotFoundException: 'not_found_error',
  ServiceQuotaExceededException: THROTTLED,
  ServiceUnavailableException: OVERLOADED,
  ThrottlingException: THROTTLED,
  UnrecognizedClientException: NOT_KNOWN,
  ValidationException: 'invalid_request_error',
};

const BY_STATUS: Readonly<Record<number, string>> = {
  401: NOT_KNOWN,
  403: 'permission_error',
  404: 'not_found_error',
  408: TIMED_OUT,
  413: 'request_too_large',
  424: FAILED,
  429: THROTTLED,
  503: OVERLOADED,
  504: TIMED_OUT,
};

/** How Anthropic's API calls the same; the status stays AWS' own, as every upstream's does. */
export function anthropicErrorType(name: string, status: number): string {
  const named = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  return named ?? BY_STATUS[status] ?? (status >= 500 ? FAILED : 'invalid_request_error');
}
