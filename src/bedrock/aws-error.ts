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

/** How Anthropic's API says the same: its error type and the status that goes with it (its docs, "Errors"). */
export interface AnthropicError {
  readonly type: string;
  readonly status: number;
}

const INVALID = { type: 'invalid_request_error', status: 400 };
const NOT_KNOWN = { type: 'authentication_error', status: 401 };
const FORBIDDEN = { type: 'permission_error', status: 403 };
const NOT_FOUND = { type: 'not_found_error', status: 404 };
const TOO_LARGE = { type: 'request_too_large', status: 413 };
const THROTTLED = { type: 'rate_limit_error', status: 429 };
const FAILED = { type: 'api_error', status: 500 };
const TIMED_OUT = { type: 'timeout_error', status: 504 };
const OVERLOADED = { type: 'overloaded_error', status: 529 };

/** By the exceptions of InvokeModel, InvokeModelWithResponseStream and CountTokens (AWS Bedrock API reference). */
const BY_NAME: Readonly<Record<string, AnthropicError>> = {
  AccessDeniedException: FORBIDDEN,
  ConflictException: { type: 'conflict_error', status: 409 },
  ExpiredTokenException: NOT_KNOWN,
  InternalServerException: FAILED,
  InvalidSignatureException: NOT_KNOWN,
  MissingAuthenticationTokenException: NOT_KNOWN,
  ModelErrorException: FAILED,
  ModelNotReadyException: OVERLOADED,
  ModelStreamErrorException: FAILED,
  ModelTimeoutException: TIMED_OUT,
  ResourceNotFoundException: NOT_FOUND,
  ServiceQuotaExceededException: THROTTLED,
  ServiceUnavailableException: OVERLOADED,
  ThrottlingException: THROTTLED,
  UnrecognizedClientException: NOT_KNOWN,
  ValidationException: INVALID,
};

const BY_STATUS: Readonly<Record<number, AnthropicError>> = {
  401: NOT_KNOWN,
  403: FORBIDDEN,
  404: NOT_FOUND,
  408: TIMED_OUT,
  413: TOO_LARGE,
  424: FAILED,
  429: THROTTLED,
  503: OVERLOADED,
  504: TIMED_OUT,
};

export function anthropicError(name: string, status: number): AnthropicError {
  const named = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  return named ?? BY_STATUS[status] ?? (status >= 500 ? FAILED : INVALID);
}
