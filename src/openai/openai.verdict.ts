import { readJson, textAt, valueAt } from '../upstream/json-fields.ts';
import { bareRetryAfter, untilReset } from '../upstream/retry-after.ts';
import type { UpstreamAnswer, Verdict } from '../upstream/upstream.ts';
import { readOpenaiError } from '../dialects/openai-failure.ts';

type Headers = UpstreamAnswer['headers'];

/**
 * Codes that no waiting mends, told with 429, 403 or 400 (platform docs, "Error codes"; Moonshot's
 * `exceeded_current_quota_error`). Messages are not looked at: they may quote the caller.
 */
const SPENT = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'organization_usage_limit_exceeded',
  'billing_hard_limit_reached',
  'billing_not_active',
  'exceeded_current_quota_error',
]);
const SPEND_LIMIT = /^[a-z_]{1,64}_spend_limit_exceeded$/;
const GONE = new Set(['account_deactivated', 'organization_deactivated', 'access_terminated']);
/** The account's region or egress, and so every model. */
const PLACE = new Set(['unsupported_country_region_territory', 'ip_not_authorized']);

/** Whose fault an answer of a chat completions server is. */
export function judgeOpenai(answer: UpstreamAnswer, now: number): Verdict {
  const document = readJson(answer.body);
  const failure = readOpenaiError(answer.body);
  const status = answer.status < 300 ? (failure?.status ?? answer.status) : answer.status;
  if (status < 400) return { at: 'provider', reason: status < 300 ? 'unusable-answer' : 'redirect' };
  if (status >= 500 || status === 408) return provider(status, answer.headers, now);

  const codes = [textAt(document, 'error', 'code'), textAt(document, 'error', 'type')];
  const spent = ownTrouble(codes.filter((code) => code !== undefined));
  switch (status) {
    case 400:
      return spent ?? { at: 'client' };
    case 401:
      return spent ?? { at: 'credential', reason: 'authentication' };
    case 402:
      return spent ?? person('billing');
    case 403:
      return spent ?? forbidden(document);
    case 429:
      return spent ?? throttled(failure !== undefined, answer.headers, now);
    default:
      return { at: 'client' };
  }
}

function ownTrouble(codes: readonly string[]): Verdict | undefined {
  if (codes.some((code) => SPENT.has(code))) return person('quota');
  if (codes.some((code) => SPEND_LIMIT.test(code))) return person('spend-limit');
  if (codes.some((code) => GONE.has(code))) return person('organization-disabled');
  return codes.some((code) => PLACE.has(code)) ? person('place-refused') : undefined;
}

function forbidden(document: unknown): Verdict {
  // Without the API's own error the edge refused the address that asked, which time or another egress mends.
  if (valueAt(document, 'error') === undefined) return waiting('edge-refused', 'account', undefined);
  // A gateway's moderation is about what the caller wrote (OpenRouter docs, "Errors": metadata.reasons).
  if (valueAt(document, 'error', 'metadata', 'reasons') !== undefined) return { at: 'client' };
  // The rest is about what was asked for: the account may lack this model and have the others.
  return { at: 'account', reason: 'permission', mend: 'person', scope: 'model' };
}

/** Limits are a model's; a 429 without the API's own error is the server's in front of it. */
function throttled(own: boolean, headers: Headers, now: number): Verdict {
  const wait = bareRetryAfter(headers, now) ?? exhaustedReset(headers, now);
  return waiting('rate-limit', own ? 'model' : 'account', wait);
}

/** The latest reset among the dimensions with nothing remaining; durations such as `6m0s` and `120ms`. */
function exhaustedReset(headers: Headers, now: number): number | undefined {
  const resets = Object.entries(headers).flatMap(([name, value]) => {
    const dimension = /^x-ratelimit-remaining-(.+)$/.exec(name)?.[1];
    if (dimension === undefined || Number(value) !== 0 || value.trim() === '') return [];
    return untilReset(headers[`x-ratelimit-reset-${dimension}`], now) ?? [];
  });
  return resets.length === 0 ? undefined : Math.max(...resets);
}

function provider(status: number, headers: Headers, now: number): Verdict {
  const wait = bareRetryAfter(headers, now);
  const overloaded = status === 503 || status === 529;
  const reason = overloaded ? 'overloaded' : status === 504 || status === 408 ? 'timeout' : edgeOr(status);
  return {
    at: 'provider',
    reason,
    ...(overloaded && { everywhere: true }),
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  };
}

/** Cloudflare's own 520–527 and 530 mean that it did not reach the server or did not understand it. */
function edgeOr(status: number): string {
  return status >= 520 && status <= 530 ? 'edge' : 'server-error';
}

function person(reason: string): Verdict {
  return { at: 'account', reason, mend: 'person', scope: 'account' };
}

function waiting(reason: string, scope: 'account' | 'model', wait: number | undefined): Verdict {
  const told = wait === undefined ? {} : { retryAfterMs: wait };
  return { at: 'account', reason, mend: 'time', scope, ...told };
}
