import type { AnswerFailure, AnswerReader, Call } from '../dialects/dialect.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { Outcome } from '../scheduler/settlement.ts';
import type { Verdict } from '../upstream/upstream.ts';

/** What the client is told of an answer that is no success; `error` undefined = the vendor's body, as it came. */
export interface Told {
  readonly outcome: Outcome;
  readonly reason: string;
  readonly error?: RelayError;
  readonly headers: Readonly<Record<string, string>>;
}

/** The waits a vendor may tell: SDKs obey them without a bound, so a client is only ever told one of ours. */
const WAITS = ['retry-after', 'retry-after-ms'];

/** Longest wait told to a client: SDKs sleep for as long as they are told, without a bound. */
const LONGEST_RETRY_AFTER_S = 3600;
/** Told when a limit names no time. */
const DEFAULT_RETRY_AFTER_S = 10;

/** Whole seconds for `retry-after`, from 1 to an hour. */
export function retryAfterSeconds(ms: number | undefined): number {
  if (ms === undefined || !Number.isFinite(ms)) return DEFAULT_RETRY_AFTER_S;
  return Math.min(Math.max(Math.ceil(ms / 1000), 1), LONGEST_RETRY_AFTER_S);
}

/** The vendor's headers that pass with a refusal; where the status is for us to explain, `x-should-retry` is ours too. */
export function withoutWaits(
  headers: Readonly<Record<string, string>>,
  status: number,
): Record<string, string> {
  const ours = status === 429 || status === 503 ? [...WAITS, 'x-should-retry'] : WAITS;
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ours.includes(name)));
}

/**
 * Who is at fault decides what the client sees (statuses of the contract): an account's trouble never reaches a
 * client as 401 or 403, because clients take that for their own key.
 */
export function refusalOf(
  answer: { readonly status: number; readonly headers: Readonly<Record<string, string>> },
  verdict: Verdict,
): Told {
  // Compressed although identity was asked for: nobody could read it, and its encoding is not passed on.
  const plain = (answer.headers['content-encoding'] ?? 'identity') === 'identity';
  const json = plain && /^application\/json\b/i.test(answer.headers['content-type'] ?? '');
  const none = {};
  switch (verdict.at) {
    case 'client':
      if (json) return { outcome: 'refused', reason: 'client', headers: none };
      if (answer.status === 413) {
        const error = new RelayError('body-too-large', 'The upstream refused the size of the request');
        return { outcome: 'refused', reason: 'client', error, headers: none };
      }
      return unusable('not-json');
    case 'credential':
      return { outcome: 'failed', reason: verdict.reason, error: needsAttention(), headers: none };
    case 'account': {
      if (verdict.mend === 'person') {
        return { outcome: 'failed', reason: verdict.reason, error: needsAttention(), headers: none };
      }
      const seconds = retryAfterSeconds(verdict.retryAfterMs);
      if (answer.status === 429 && json) {
        return { outcome: 'failed', reason: verdict.reason, headers: { 'retry-after': String(seconds) } };
      }
      const error = new RelayError(
        'account-fault',
        'The account that serves this model is at its limit',
        seconds,
      );
      return { outcome: 'failed', reason: verdict.reason, error, headers: none };
    }
    case 'provider': {
      if (!json || answer.status < 400) return unusable(verdict.reason);
      const wait =
        verdict.retryAfterMs === undefined ? undefined : String(retryAfterSeconds(verdict.retryAfterMs));
      return {
        outcome: 'failed',
        reason: verdict.reason,
        headers: wait === undefined ? none : { 'retry-after': wait },
      };
    }
  }
}

/** An account that only a person can mend. */
export function needsAttention(): RelayError {
  return new RelayError('account-fault', 'The account that serves this model needs attention', 'never');
}

function unusable(reason: string): Told {
  const error = new RelayError(
    'upstream-unusable',
    'The upstream answered with something that is not its own format',
  );
  return { outcome: 'failed', reason, error, headers: {} };
}

/**
 * How an answer that came to its end is booked, and what is still to be told to the client: an end that is not the
 * dialect's own must never look like one.
 */
export function outcomeOf(
  reader: AnswerReader,
  call: Call,
  rubbish: boolean,
): { readonly outcome: Outcome; readonly reason: string | null; readonly failure?: RelayError } {
  if (reader.failure !== undefined) return { outcome: 'partial', reason: errorEventReason(reader.failure) };
  if (reader.complete) {
    const silent = call.operation === 'generate' && !reader.reported;
    return silent ? { outcome: 'unknown', reason: 'no-usage' } : { outcome: 'completed', reason: null };
  }
  const failure = new RelayError('upstream-broken', 'The upstream ended its answer early');
  const unreadable = rubbish || (call.framing === 'sse' && reader.lost);
  return unreadable
    ? { outcome: 'unknown', reason: 'unreadable', failure }
    : { outcome: 'partial', reason: 'truncated', failure };
}

/** The vendor's error type as a short word for the ledger; anything else than a word is not kept. */
export function errorEventReason({ type }: AnswerFailure): string {
  return /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(type) ? type : 'error-event';
}
