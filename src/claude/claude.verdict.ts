import { readJson, textAt } from '../upstream/json-fields.ts';
import { bareRetryAfter, untilReset } from '../upstream/retry-after.ts';
import type { UpstreamAnswer, Verdict } from '../upstream/upstream.ts';

type Headers = UpstreamAnswer['headers'];

/** The status each error type comes with, for errors told inside a 200 (platform.claude.com, "Errors"). */
const STATUS_OF_TYPE: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['conflict_error', 409],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
]);

/*
 * Messages are matched at their beginning only. Further on an upstream may quote the caller's own words, and nobody
 * who holds a key of the relay may talk an account out of service.
 */
const LOW_CREDIT = /^Your credit balance is too low/;
const SPEND_LIMIT = /^You have reached your specified API usage limits/;
const ORGANIZATION_GONE =
  /^(This|Your) (organization|account) (has been|is) (currently )?(disabled|banned|suspended|on hold)/;
const OAUTH_REVOKED = /^OAuth token (has been revoked|has expired)/;
const OAUTH_REFUSED = /^OAuth /;
const REGAIN = /regain access on (\d{4}-\d\d-\d\d)(?: at (\d\d:\d\d) UTC)?/;

/** Whose fault an answer of the Messages API is. A non-JSON body is the edge's, not the API's. */
export function judgeClaude(answer: UpstreamAnswer, now: number): Verdict {
  const error = readJson(answer.body);
  const type = textAt(error, 'error', 'type');
  const told = answer.status < 300 ? STATUS_OF_TYPE.get(type ?? '') : undefined;
  const status = told ?? answer.status;
  const message = textAt(error, 'error', 'message') ?? '';
  const code = textAt(error, 'error', 'details', 'error_code');

  if (status < 400) return { at: 'provider', reason: status < 300 ? 'unusable-answer' : 'redirect' };
  if (status >= 500 || status === 408) return provider(status, answer.headers, now);
  const spent = accountSpent(message, code, now);
  switch (status) {
    case 400:
      return spent ?? { at: 'client' };
    case 401:
      return { at: 'credential', reason: 'authentication' };
    case 402:
      return spent ?? person('billing');
    case 403:
      return spent ?? forbidden(type, message);
    case 429:
      return spent ?? throttled(type, answer.headers, now);
    default:
      return { at: 'client' };
  }
}

/** What the account has no more of, under whichever status it is told. */
function accountSpent(message: string, code: string | undefined, now: number): Verdict | undefined {
  if (LOW_CREDIT.test(message)) return person('low-credit');
  if (code === 'organization_on_hold') return person('on-hold');
  if (ORGANIZATION_GONE.test(message)) return person('organization-disabled');
  const limited = code === 'enforced_spend_limit_reached' || code === 'contract_spend_limit_reached';
  if (!limited && !SPEND_LIMIT.test(message)) return undefined;
  const [, day, time = '00:00'] = REGAIN.exec(message) ?? [];
  const stated = day === undefined ? undefined : untilReset(`${day}T${time}:00Z`, now);
  const retryAfterMs = stated ?? untilNextMonth(now);
  return { at: 'account', reason: 'spend-limit', mend: 'time', scope: 'account', retryAfterMs };
}

function forbidden(type: string | undefined, message: string): Verdict {
  // Without the API's own error the edge refused the address that asked, which time or another egress mends.
  if (type === undefined) return { at: 'account', reason: 'edge-refused', mend: 'time', scope: 'account' };
  if (OAUTH_REVOKED.test(message)) return { at: 'credential', reason: 'token-revoked' };
  if (OAUTH_REFUSED.test(message)) return person('oauth-refused');
  // The rest is about what was asked for: the account may lack this model and have the others.
  return { at: 'account', reason: 'permission', mend: 'person', scope: 'model' };
}

/**
 * A spent subscription window says `rejected` and when it resets; a 429 without that is a short throttle, and no
 * other window's reset may be read into it.
 */
function throttled(type: string | undefined, headers: Headers, now: number): Verdict {
  if (headers['anthropic-ratelimit-unified-status'] === 'rejected') {
    const claim = headers['anthropic-ratelimit-unified-representative-claim'] ?? '';
    const scope = /^seven_day_(opus|sonnet|haiku|fable)/.test(claim) ? 'model' : 'account';
    const reset = untilReset(headers['anthropic-ratelimit-unified-reset'], now);
    return waiting('quota', scope, reset ?? bareRetryAfter(headers, now));
  }
  const scope = type === 'rate_limit_error' ? 'model' : 'account';
  return waiting('rate-limit', scope, bareRetryAfter(headers, now) ?? exhaustedReset(headers, now));
}

/** The latest reset among the dimensions with nothing remaining. */
function exhaustedReset(headers: Headers, now: number): number | undefined {
  const resets = Object.entries(headers).flatMap(([name, value]) => {
    const dimension = /^anthropic-ratelimit-(.+)-remaining$/.exec(name)?.[1];
    if (dimension === undefined || Number(value) !== 0 || value.trim() === '') return [];
    return untilReset(headers[`anthropic-ratelimit-${dimension}-reset`], now) ?? [];
  });
  return resets.length === 0 ? undefined : Math.max(...resets);
}

function provider(status: number, headers: Headers, now: number): Verdict {
  const wait = bareRetryAfter(headers, now);
  const overloaded = status === 529 || status === 503;
  const reason = overloaded ? 'overloaded' : status === 504 || status === 408 ? 'timeout' : edgeOr(status);
  return {
    at: 'provider',
    reason,
    ...(overloaded && { everywhere: true }),
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  };
}

/** Cloudflare's own 520–527 and 530 mean that it did not reach the API or did not understand it. */
function edgeOr(status: number): string {
  return status >= 520 && status <= 530 ? 'edge' : 'server-error';
}

function person(reason: string): Verdict {
  return { at: 'account', reason, mend: 'person', scope: 'account' };
}

function waiting(reason: string, scope: 'account' | 'model', wait: number | undefined): Verdict {
  return {
    at: 'account',
    reason,
    mend: 'time',
    scope,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  };
}

function untilNextMonth(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) - now;
}
