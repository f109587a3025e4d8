import { objectsAt, readJson, textAt, valueAt } from '../upstream/json-fields.ts';
import { bareRetryAfter, untilReset } from '../upstream/retry-after.ts';
import type { UpstreamAnswer, Verdict } from '../upstream/upstream.ts';
import { untilPacificMidnight } from './pacific-midnight.ts';

/** `google.rpc.Status` as the Gemini API tells it, alone or as the only element of a streamed array. */
interface Told {
  readonly code: number | undefined;
  /** `google.rpc.Code` by name. */
  readonly status: string;
  readonly message: string;
  /** `google.rpc.ErrorInfo.reason` */
  readonly reason: string | undefined;
  readonly details: readonly Record<string, unknown>[];
}

/*
 * Messages are matched at their beginning only: further on they may quote the caller. These three are about a file,
 * cache or tuned model that the caller named and this account does not own, not about the account.
 */
const CALLERS_FILE_STATE = /^The File \S+ is not in an ACTIVE state/;
const CALLERS_RESOURCE =
  /^(You do not have permission to access |CachedContent not found|Permission denied while accessing )/;
const BAD_KEY = /^API key (not valid|not found|expired)/i;
/** Both come without an ErrorInfo (seen in continuedev/continue issue 10513, poenl/gemini-api issue 8). */
const KEY_LEAKED = /^Your API key was reported as leaked/;
const PROJECT_DENIED = /^Your project has been denied access/;
const NO_CREDIT = /^Your prepayment credits are depleted/;

/** Whose fault an answer of the Gemini API is. */
export function judgeGemini(answer: UpstreamAnswer, now: number): Verdict {
  const told = read(answer.body);
  const status = answer.status < 300 ? (told?.code ?? answer.status) : answer.status;
  if (status < 400) return { at: 'provider', reason: status < 300 ? 'unusable-answer' : 'redirect' };
  if (status >= 500 || status === 408) return provider(status, answer, now);
  switch (status) {
    case 400:
      return badRequest(told);
    case 401:
      return { at: 'credential', reason: 'unauthenticated' };
    case 402:
      return person('billing');
    case 403:
      return forbidden(told);
    case 429:
      return exhausted(told, answer, now);
    default:
      return { at: 'client' };
  }
}

function badRequest(told: Told | undefined): Verdict {
  if (told === undefined) return { at: 'client' };
  if (told.reason === 'API_KEY_INVALID' || BAD_KEY.test(told.message)) {
    return { at: 'credential', reason: 'api-key-invalid' };
  }
  // Region or billing of the account, or the state of something that the caller named: so not the whole account.
  if (told.status === 'FAILED_PRECONDITION' && !CALLERS_FILE_STATE.test(told.message)) {
    return person('failed-precondition', 'model');
  }
  return { at: 'client' };
}

function forbidden(told: Told | undefined): Verdict {
  if (told === undefined) return { at: 'account', reason: 'edge-refused', mend: 'time', scope: 'account' };
  if (told.reason === undefined && CALLERS_RESOURCE.test(told.message)) return { at: 'client' };
  if (told.reason !== undefined) return person(slug(told.reason));
  if (KEY_LEAKED.test(told.message)) return person('key-leaked');
  if (PROJECT_DENIED.test(told.message)) return person('project-denied');
  // Without a reason it may be about what was asked for.
  return person('permission-denied', 'model');
}

/** A spent day lasts until midnight Pacific, whatever RetryInfo says: it often names seconds all the same. */
function exhausted(told: Told | undefined, answer: UpstreamAnswer, now: number): Verdict {
  if (told !== undefined && NO_CREDIT.test(told.message)) return person('no-credit');
  const details = told?.details ?? [];
  const quotas = details.flatMap((detail) => objectsAt(detail, 'violations'));
  if (quotas.some((quota) => /PerDay/i.test(textAt(quota, 'quotaId') ?? ''))) {
    return waiting('quota-day', untilPacificMidnight(now));
  }
  const delays = details.map((detail) => untilReset(textAt(detail, 'retryDelay'), now));
  const wait = delays.find((delay) => delay !== undefined) ?? bareRetryAfter(answer.headers, now);
  return waiting('rate-limit', wait);
}

function provider(status: number, answer: UpstreamAnswer, now: number): Verdict {
  const wait = bareRetryAfter(answer.headers, now);
  const reason =
    status === 503 ? 'overloaded' : status === 504 || status === 408 ? 'timeout' : 'server-error';
  return {
    at: 'provider',
    reason,
    ...(status === 503 && { everywhere: true }),
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  };
}

function person(reason: string, scope: 'account' | 'model' = 'account'): Verdict {
  return { at: 'account', reason, mend: 'person', scope };
}

/** Limits are by project and model; the project's other models go on. */
function waiting(reason: string, wait: number | undefined): Verdict {
  const known = wait === undefined ? {} : { retryAfterMs: wait };
  return { at: 'account', reason, mend: 'time', scope: 'model', ...known };
}

function read(body: Buffer): Told | undefined {
  const document = readJson(body);
  const error = valueAt(Array.isArray(document) ? (document.at(-1) as unknown) : document, 'error');
  if (error === undefined) return undefined;
  const code = valueAt(error, 'code');
  const details = objectsAt(error, 'details');
  return {
    code: typeof code === 'number' && code >= 400 && code < 600 ? code : undefined,
    status: textAt(error, 'status') ?? '',
    message: textAt(error, 'message') ?? '',
    reason: details.map((detail) => textAt(detail, 'reason')).find((reason) => reason !== undefined),
    details,
  };
}

/** `CONSUMER_SUSPENDED` → `consumer-suspended`; bounded, since it becomes a label. */
function slug(reason: string): string {
  return /^[A-Z0-9_]{1,64}$/.test(reason) ? reason.toLowerCase().replaceAll('_', '-') : 'permission-denied';
}
