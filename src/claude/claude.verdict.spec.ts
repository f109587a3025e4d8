import type { Verdict } from '../upstream/upstream.ts';
import { judgeClaude } from './claude.verdict.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const DAY = 86_400_000;

function judged(status: number, body: unknown, headers: Record<string, string> = {}): Verdict {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return judgeClaude({ status, headers, body: Buffer.from(text) }, NOW);
}

const told = (type: string, message = 'words', details?: object): object => ({
  type: 'error',
  error: { type, message, ...(details && { details }) },
  request_id: 'req_1',
});
const person = (reason: string, scope = 'account'): object => ({
  at: 'account',
  reason,
  mend: 'person',
  scope,
});
const time = (reason: string, scope: string, retryAfterMs?: number): object => ({
  at: 'account',
  reason,
  mend: 'time',
  scope,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});

describe('an answer of the Messages API that is the caller’s own', () => {
  it.each([
    [400, told('invalid_request_error', 'max_tokens: Field required')],
    [400, told('invalid_request_error', 'prompt is too long: 250000 tokens > 200000 maximum')],
    [400, '<html>400 Bad Request</html>'],
    [400, ''],
    [404, told('not_found_error', 'model: claude-none')],
    [409, told('conflict_error')],
    [413, told('request_too_large')],
    [413, '<html>413 Request Entity Too Large</html>'],
    [415, ''],
    [422, ''],
  ])('is %s %j', (status, body) => {
    expect(judged(status, body)).toEqual({ at: 'client' });
  });

  it('stays the caller’s when it quotes words that would be the account’s', () => {
    for (const words of [
      'tools.0.name: "Your credit balance is too low" is not a name',
      'messages: You have reached your specified API usage limits',
      'metadata: This organization has been disabled',
    ]) {
      expect(judged(400, told('invalid_request_error', words))).toEqual({ at: 'client' });
    }
    const code = { error: { error_code: 'organization_on_hold' } };
    expect(judged(400, { type: 'error', error: { message: JSON.stringify(code) } })).toEqual({
      at: 'client',
    });
  });
});

describe('an answer of the Messages API that is about the account', () => {
  it.each([
    [401, told('authentication_error', 'invalid x-api-key'), { at: 'credential', reason: 'authentication' }],
    [401, '', { at: 'credential', reason: 'authentication' }],
    [
      403,
      told('permission_error', 'OAuth token has been revoked. Please obtain a new token.'),
      { at: 'credential', reason: 'token-revoked' },
    ],
    [402, told('billing_error'), person('billing')],
    [
      403,
      told('permission_error', 'OAuth authentication is currently not allowed for this organization.'),
      person('oauth-refused'),
    ],
    [403, told('permission_error', 'This organization has been disabled.'), person('organization-disabled')],
    [403, told('permission_error', 'Your account has been banned.'), person('organization-disabled')],
    [403, told('permission_error', 'no access to claude-opus-x'), person('permission', 'model')],
    [403, '<html>Just a moment...</html>', time('edge-refused', 'account')],
    [
      400,
      told('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
      person('low-credit'),
    ],
    [
      400,
      told('invalid_request_error', 'This organization has been disabled.'),
      person('organization-disabled'),
    ],
    [400, told('invalid_request_error', 'x', { error_code: 'organization_on_hold' }), person('on-hold')],
    [
      400,
      told(
        'invalid_request_error',
        'You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.',
      ),
      time('spend-limit', 'account', 8.5 * DAY),
    ],
    [
      400,
      told('invalid_request_error', 'You have reached your specified API usage limits.'),
      time('spend-limit', 'account', 8.5 * DAY),
    ],
    [
      429,
      told('rate_limit_error', 'x', { error_code: 'enforced_spend_limit_reached' }),
      time('spend-limit', 'account', 8.5 * DAY),
    ],
    [
      429,
      told('rate_limit_error', 'x', { error_code: 'contract_spend_limit_reached' }),
      time('spend-limit', 'account', 8.5 * DAY),
    ],
  ])('is %s %j', (status, body, verdict) => {
    expect(judged(status, body)).toEqual(verdict);
  });
});

describe('a 429 of the Messages API', () => {
  const throttle = told('rate_limit_error');
  const resetIn = (ms: number): string => String((NOW + ms) / 1000);

  it.each([
    ['without any hint', {}, time('rate-limit', 'model')],
    ['with seconds', { 'retry-after': '30' }, time('rate-limit', 'model', 30_000)],
    ['with ms', { 'retry-after': '30', 'retry-after-ms': '1500' }, time('rate-limit', 'model', 1_500)],
    ['with a date', { 'retry-after': 'Sun, 22 Nov 2026 12:00:45 GMT' }, time('rate-limit', 'model', 45_000)],
    ['with too many seconds', { 'retry-after': '1000000000' }, time('rate-limit', 'model', 3_600_000)],
    ['with negative seconds', { 'retry-after': '-1' }, time('rate-limit', 'model', 1_000)],
    ['with junk', { 'retry-after': 'later' }, time('rate-limit', 'model')],
    [
      'with dimensions, of which the exhausted ones count',
      {
        'anthropic-ratelimit-requests-remaining': '12',
        'anthropic-ratelimit-requests-reset': '2026-11-22T18:00:00Z',
        'anthropic-ratelimit-input-tokens-remaining': '0',
        'anthropic-ratelimit-input-tokens-reset': '2026-11-22T12:00:20Z',
        'anthropic-ratelimit-tokens-remaining': '0',
        'anthropic-ratelimit-tokens-reset': '2026-11-22T12:00:50Z',
        'anthropic-ratelimit-output-tokens-remaining': '0',
      },
      time('rate-limit', 'model', 50_000),
    ],
    [
      'of a spent five-hour window',
      {
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': resetIn(3 * 3_600_000),
        'anthropic-ratelimit-unified-representative-claim': 'five_hour',
        'retry-after': '10',
      },
      time('quota', 'account', 3 * 3_600_000),
    ],
    [
      'of a spent week, in epoch milliseconds',
      {
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': String(NOW + 6 * DAY),
        'anthropic-ratelimit-unified-representative-claim': 'seven_day',
      },
      time('quota', 'account', 6 * DAY),
    ],
    [
      'of a spent week of one model class',
      {
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': resetIn(2 * DAY),
        'anthropic-ratelimit-unified-representative-claim': 'seven_day_opus',
      },
      time('quota', 'model', 2 * DAY),
    ],
    [
      'of a spent window without its reset',
      { 'anthropic-ratelimit-unified-status': 'rejected', 'retry-after': '90' },
      time('quota', 'account', 90_000),
    ],
    [
      'of a short throttle beside a window that goes on',
      {
        'anthropic-ratelimit-unified-status': 'allowed_warning',
        'anthropic-ratelimit-unified-reset': resetIn(5 * DAY),
        'retry-after': '5',
      },
      time('rate-limit', 'model', 5_000),
    ],
  ])('%s', (_title, headers, verdict) => {
    expect(judged(429, throttle, headers)).toEqual(verdict);
  });

  it('that is not the API’s own document is about the account as a whole', () => {
    expect(judged(429, '<html></html>', { 'retry-after': '7' })).toEqual(
      time('rate-limit', 'account', 7_000),
    );
  });
});

describe('an answer of the Messages API that is the vendor’s trouble', () => {
  const OVERLOADED = { at: 'provider', reason: 'overloaded', everywhere: true };

  it.each([
    [408, 'timeout'],
    [500, 'server-error'],
    [502, 'server-error'],
    [504, 'timeout'],
    [520, 'edge'],
    [522, 'edge'],
    [524, 'edge'],
    [302, 'redirect'],
    [200, 'unusable-answer'],
  ])('is %s: %s', (status, reason) => {
    expect(judged(status, '<html></html>')).toEqual({ at: 'provider', reason });
  });

  it.each([503, 529])('is met by every account: %s', (status) => {
    expect(judged(status, '<html></html>')).toEqual(OVERLOADED);
  });

  it('says when to come again where it is told', () => {
    const verdict = { ...OVERLOADED, retryAfterMs: 4_000 };
    expect(judged(529, told('overloaded_error'), { 'retry-after': '4' })).toEqual(verdict);
  });

  it('is found in an error event after a 200', () => {
    expect(judged(200, told('overloaded_error'))).toEqual(OVERLOADED);
    expect(judged(200, told('api_error'))).toEqual({ at: 'provider', reason: 'server-error' });
    expect(judged(200, told('rate_limit_error'))).toEqual(time('rate-limit', 'model'));
    expect(judged(200, told('authentication_error'))).toMatchObject({ at: 'credential' });
    expect(judged(200, told('toString'))).toEqual({ at: 'provider', reason: 'unusable-answer' });
  });
});
