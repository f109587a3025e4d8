import type { Verdict } from '../upstream/upstream.ts';
import { judgeOpenai } from './openai.verdict.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const error = (fields: object): string => JSON.stringify({ error: { message: 'm', ...fields } });
const coded = (code: string | null, type = 'invalid_request_error'): string => error({ type, code });

const judge = (status: number, body: string, headers: Record<string, string> = {}): Verdict =>
  judgeOpenai({ status, headers, body: Buffer.from(body) }, NOW);

const person = (reason: string): object => ({ at: 'account', reason, mend: 'person', scope: 'account' });
const limited = (retryAfterMs?: number): object => ({
  at: 'account',
  reason: 'rate-limit',
  mend: 'time',
  scope: 'model',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

describe('whose fault an answer is', () => {
  it.each<[string, number, string, object]>([
    ['a wrong request', 400, coded('context_length_exceeded'), { at: 'client' }],
    ['a wrong request of FastAPI', 422, '{"detail":[{"msg":"field required"}]}', { at: 'client' }],
    ['a missing model', 404, coded('model_not_found'), { at: 'client' }],
    ['a conflict', 409, '{}', { at: 'client' }],
    ['too large a request', 413, '<html>', { at: 'client' }],
    ['a wrong key', 401, coded('invalid_api_key'), { at: 'credential', reason: 'authentication' }],
    ['a key that is not even JSON', 401, 'Unauthorized', { at: 'credential', reason: 'authentication' }],
    ['a place', 401, coded('ip_not_authorized'), person('place-refused')],
    ['no money', 402, '{"error":"Insufficient Balance"}', person('billing')],
    ['a country', 403, coded('unsupported_country_region_territory'), person('place-refused')],
    [
      'a model the account lacks',
      403,
      coded(null),
      { at: 'account', reason: 'permission', mend: 'person', scope: 'model' },
    ],
    ['moderation', 403, error({ code: 403, metadata: { reasons: ['violence'] } }), { at: 'client' }],
    [
      'the edge',
      403,
      '<html>blocked</html>',
      { at: 'account', reason: 'edge-refused', mend: 'time', scope: 'account' },
    ],
    ['a quota', 429, coded('insufficient_quota', 'insufficient_quota'), person('quota')],
    ['a quota by its type alone', 429, coded(null, 'insufficient_quota'), person('quota')],
    ['a balance', 429, coded('credit_balance_exhausted'), person('quota')],
    ['a project limit', 429, coded('project_spend_limit_exceeded'), person('spend-limit')],
    ['a hard limit', 400, coded('billing_hard_limit_reached'), person('quota')],
    ['an organisation limit', 429, coded('organization_usage_limit_exceeded'), person('quota')],
    ['an account that is gone', 403, coded('account_deactivated'), person('organization-disabled')],
    ['a limit without a time', 429, coded('rate_limit_exceeded', 'requests'), limited()],
    ['asking too fast', 429, coded('slow_down'), limited()],
    [
      'a gateway in front',
      429,
      'Too many requests',
      { at: 'account', reason: 'rate-limit', mend: 'time', scope: 'account' },
    ],
    ['trouble', 500, coded(null, 'server_error'), { at: 'provider', reason: 'server-error' }],
    ['too much to do', 503, coded('slow_down'), { at: 'provider', reason: 'overloaded', everywhere: true }],
    ['the clock', 504, '', { at: 'provider', reason: 'timeout' }],
    ['another clock', 408, '', { at: 'provider', reason: 'timeout' }],
    ['the edge in trouble', 522, '<html>', { at: 'provider', reason: 'edge' }],
    ['a redirect', 302, '', { at: 'provider', reason: 'redirect' }],
    ['nonsense in a success', 200, 'hello', { at: 'provider', reason: 'unusable-answer' }],
    ['an error in a success', 200, coded(null, 'server_error'), { at: 'provider', reason: 'server-error' }],
    ['a limit in a success', 200, coded('rate_limit_exceeded'), limited()],
  ])('is told for %s', (_what, status, body, verdict) => {
    expect(judge(status, body)).toEqual(verdict);
  });

  it('does not believe what a message quotes', () => {
    const body = error({ type: 'invalid_request_error', code: null, message: 'insufficient_quota' });
    expect(judge(400, body)).toEqual({ at: 'client' });
  });
});

describe('when to come again', () => {
  const body = coded('rate_limit_exceeded', 'tokens');
  it.each<[string, Record<string, string>, number | undefined]>([
    ['milliseconds before seconds', { 'retry-after-ms': '1500', 'retry-after': '9' }, 1500],
    ['seconds', { 'retry-after': '20' }, 20_000],
    [
      'the reset of what is used up',
      {
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '6m0s',
        'x-ratelimit-remaining-tokens': '900',
        'x-ratelimit-reset-tokens': '8h',
      },
      360_000,
    ],
    [
      'the later of two resets, one in milliseconds',
      {
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '120ms',
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '2.5s',
      },
      2500,
    ],
    [
      'nothing of use',
      { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': 'soon' },
      undefined,
    ],
  ])('is %s', (_what, headers, wait) => {
    expect(judge(429, body, headers)).toEqual(limited(wait));
  });
});
