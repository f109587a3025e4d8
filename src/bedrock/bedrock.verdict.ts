import { readJson, textAt } from '../upstream/json-fields.ts';
import { bareRetryAfter } from '../upstream/retry-after.ts';
import type { UpstreamAnswer, Verdict } from '../upstream/upstream.ts';
import { readAwsError } from './aws-error.ts';

/** Our credential or its signature, whichever of AWS' front doors refuses it. */
const CREDENTIAL = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
]);

/** An error told inside a 200 is in the client's dialect by now; what that type was at AWS. */
const NAME_OF_TYPE: ReadonlyMap<string, string> = new Map([
  ['rate_limit_error', 'ThrottlingException'],
  ['overloaded_error', 'ServiceUnavailableException'],
  ['timeout_error', 'ModelTimeoutException'],
  ['api_error', 'InternalServerException'],
  ['invalid_request_error', 'ValidationException'],
]);

/*
 * Messages are matched at their beginning only: further on they may quote the caller.
 * A refused Bedrock API key is an AccessDeniedException of this text (seen in anomalyco/opencode issue 47073).
 */
const BAD_API_KEY = /^(Authentication failed|Bearer Token has expired|API key)/i;
const DAILY_TOKENS = /^Too many tokens per day/i;
/** The account owner has not filled in a form yet; the model is there for others. */
const FORM_NOT_FILLED = /^Model use case details have not been submitted/;

/** Whose fault an answer of the Bedrock runtime is, by the exception's name and, where there is none, by the status. */
export function judgeBedrock(answer: UpstreamAnswer, now: number): Verdict {
  const { status, headers, body } = answer;
  if (status < 300) return judgeTold(body, now);
  if (status < 400) return { at: 'provider', reason: 'redirect' };
  const { name, message } = readAwsError(headers, body);
  return byName(name, message, headers, now) ?? byStatus(answer, now);
}

function judgeTold(body: Buffer, now: number): Verdict {
  const error = readJson(body);
  const name = NAME_OF_TYPE.get(textAt(error, 'error', 'type') ?? '') ?? '';
  const verdict = byName(name, textAt(error, 'error', 'message') ?? '', {}, now);
  return verdict ?? { at: 'provider', reason: 'unusable-answer' };
}

function byName(
  name: string,
  message: string,
  headers: UpstreamAnswer['headers'],
  now: number,
): Verdict | undefined {
  if (CREDENTIAL.has(name)) return { at: 'credential', reason: slug(name) };
  switch (name) {
    case 'ValidationException':
    case 'ConflictException':
      return { at: 'client' };
    case 'AccessDeniedException':
      if (BAD_API_KEY.test(message)) return { at: 'credential', reason: 'api-key-refused' };
      return { at: 'account', reason: 'access-denied', mend: 'person', scope: 'model' };
    case 'ResourceNotFoundException':
      if (!FORM_NOT_FILLED.test(message)) return { at: 'client' };
      return { at: 'account', reason: 'use-case-form', mend: 'person', scope: 'model' };
    case 'ThrottlingException':
      // Limits are by account, region and model. The day's quota comes back with the next day.
      if (DAILY_TOKENS.test(message)) return waiting('quota-day', untilNextDay(now));
      return waiting('rate-limit', bareRetryAfter(headers, now));
    case 'ServiceQuotaExceededException':
      return waiting('service-quota', bareRetryAfter(headers, now));
    case 'ModelNotReadyException':
    case 'ModelErrorException':
    case 'ModelStreamErrorException':
    case 'ModelTimeoutException':
    case 'InternalServerException':
      return provider(slug(name), headers, now);
    case 'ServiceUnavailableException':
      return { ...provider(slug(name), headers, now), everywhere: true };
    default:
      return undefined;
  }
}

function byStatus({ status, headers, body }: UpstreamAnswer, now: number): Verdict {
  if (status === 503 || status === 529) return { ...provider('overloaded', headers, now), everywhere: true };
  if (status >= 500 || status === 408 || status === 424) return provider('server-error', headers, now);
  switch (status) {
    case 401:
      return { at: 'credential', reason: 'unauthorized' };
    case 403:
      if (BAD_API_KEY.test(readAwsError(headers, body).message)) {
        return { at: 'credential', reason: 'api-key-refused' };
      }
      // Without an exception's name it is the edge that refuses, which time or another egress mends.
      return { at: 'account', reason: 'edge-refused', mend: 'time', scope: 'account' };
    case 429:
      return waiting('rate-limit', bareRetryAfter(headers, now));
    default:
      return { at: 'client' };
  }
}

function provider(
  reason: string,
  headers: UpstreamAnswer['headers'],
  now: number,
): Extract<Verdict, { at: 'provider' }> {
  const wait = bareRetryAfter(headers, now);
  return { at: 'provider', reason, ...(wait !== undefined && { retryAfterMs: wait }) };
}

function waiting(reason: string, wait: number | undefined): Verdict {
  const known = wait === undefined ? {} : { retryAfterMs: wait };
  return { at: 'account', reason, mend: 'time', scope: 'model', ...known };
}

/** Midnight UTC: AWS does not say when the day of this quota ends. */
function untilNextDay(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1) - now;
}

/** `ExpiredTokenException` → `expired-token`. */
function slug(name: string): string {
  return name
    .replace(/Exception$/, '')
    .replace(/(?<=[a-z])(?=[A-Z])/g, '-')
    .toLowerCase();
}
