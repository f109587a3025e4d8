import type { Verdict } from '../upstream/upstream.ts';
import { judgeGemini } from './gemini.verdict.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
/** 2026-11-23T00:00 in Los Angeles. */
const UNTIL_MIDNIGHT = 20 * 3_600_000;

function judged(status: number, body: unknown, headers: Record<string, string> = {}): Verdict {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return judgeGemini({ status, headers, body: Buffer.from(text) }, NOW);
}

const told = (code: number, status: string, message = 'words', ...details: object[]): object => ({
  error: { code, message, status, details },
});
const errorInfo = (reason: string): object => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
});
const quota = (...quotaIds: string[]): object => ({
  '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
  violations: quotaIds.map((quotaId) => ({ quotaId, quotaDimensions: { model: 'gemini-x' } })),
});
const retryInfo = (retryDelay: string): object => ({
  '@type': 'type.googleapis.com/google.rpc.RetryInfo',
  retryDelay,
});
const person = (reason: string): object => ({ at: 'account', reason, mend: 'person', scope: 'account' });
const time = (reason: string, retryAfterMs?: number): object => ({
  at: 'account',
  reason,
  mend: 'time',
  scope: 'model',
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});

describe('an answer of the Gemini API that is the caller’s own', () => {
  it.each([
    [400, told(400, 'INVALID_ARGUMENT', 'Invalid JSON payload received. Unknown name "x"')],
    [400, told(400, 'INVALID_ARGUMENT', 'Unknown name "API key not valid"')],
    [
      400,
      told(400, 'FAILED_PRECONDITION', 'The File abc is not in an ACTIVE state and usage is not allowed.'),
    ],
    [400, '<html></html>'],
    [
      403,
      told(
        403,
        'PERMISSION_DENIED',
        'You do not have permission to access the File abc or it may not exist.',
      ),
    ],
    [403, told(403, 'PERMISSION_DENIED', 'CachedContent not found (or permission denied)')],
    [404, told(404, 'NOT_FOUND', 'models/gemini-none is not found')],
    [409, told(409, 'ALREADY_EXISTS')],
    [413, '<html></html>'],
    [499, told(499, 'CANCELLED')],
  ])('is %s %j', (status, body) => {
    expect(judged(status, body)).toEqual({ at: 'client' });
  });
});

describe('an answer of the Gemini API that is about the account', () => {
  it.each([
    [
      400,
      told(
        400,
        'INVALID_ARGUMENT',
        'API key not valid. Please pass a valid API key.',
        errorInfo('API_KEY_INVALID'),
      ),
      { at: 'credential', reason: 'api-key-invalid' },
    ],
    [
      400,
      told(400, 'INVALID_ARGUMENT', 'API key expired. Please renew the API key.'),
      { at: 'credential', reason: 'api-key-invalid' },
    ],
    [401, told(401, 'UNAUTHENTICATED'), { at: 'credential', reason: 'unauthenticated' }],
    [
      400,
      told(400, 'FAILED_PRECONDITION', 'User location is not supported for the API use.'),
      { ...person('failed-precondition'), scope: 'model' },
    ],
    [403, told(403, 'PERMISSION_DENIED', 'x', errorInfo('CONSUMER_SUSPENDED')), person('consumer-suspended')],
    [403, told(403, 'PERMISSION_DENIED', 'x', errorInfo('SERVICE_DISABLED')), person('service-disabled')],
    [403, told(403, 'PERMISSION_DENIED', 'x', errorInfo('a very odd <reason>')), person('permission-denied')],
    [
      403,
      told(403, 'PERMISSION_DENIED', 'Your API key was reported as leaked. Please use another API key.'),
      person('key-leaked'),
    ],
    [
      403,
      told(403, 'PERMISSION_DENIED', 'Your project has been denied access. Please contact support.'),
      person('project-denied'),
    ],
    [403, told(403, 'PERMISSION_DENIED', 'words'), { ...person('permission-denied'), scope: 'model' }],
    [403, '<html></html>', { at: 'account', reason: 'edge-refused', mend: 'time', scope: 'account' }],
    [402, '', person('billing')],
    [
      429,
      told(429, 'RESOURCE_EXHAUSTED', 'Your prepayment credits are depleted. Please go on.'),
      person('no-credit'),
    ],
  ])('is %s %j', (status, body, verdict) => {
    expect(judged(status, body)).toEqual(verdict);
  });
});

describe('a 429 of the Gemini API', () => {
  const spent = (...details: object[]): object =>
    told(429, 'RESOURCE_EXHAUSTED', 'You exceeded your quota', ...details);
  const PER_DAY = 'GenerateRequestsPerDayPerProjectPerModel-FreeTier';
  const PER_MINUTE = 'GenerateContentInputTokensPerModelPerMinute-FreeTier';

  it.each([
    ['without details', spent(), time('rate-limit')],
    ['with a delay', spent(quota(PER_MINUTE), retryInfo('22s')), time('rate-limit', 22_000)],
    ['with a fraction of a delay', spent(retryInfo('22.518s')), time('rate-limit', 22_518)],
    ['with no delay at all', spent(retryInfo('0s')), time('rate-limit', 1_000)],
    ['with junk for a delay', spent(retryInfo('soon')), time('rate-limit')],
    [
      'of a day, whatever the delay',
      spent(quota(PER_DAY), retryInfo('7s')),
      time('quota-day', UNTIL_MIDNIGHT),
    ],
    ['of a day and a minute', spent(quota(PER_MINUTE, PER_DAY)), time('quota-day', UNTIL_MIDNIGHT)],
    ['as the streamed array', [spent(retryInfo('3s'))], time('rate-limit', 3_000)],
    ['that is not the API’s document', '<html></html>', time('rate-limit')],
  ])('%s', (_title, body, verdict) => {
    expect(judged(429, body)).toEqual(verdict);
  });

  it('may have the header that the vendor leaves out', () => {
    expect(judged(429, spent(), { 'retry-after': '9' })).toEqual(time('rate-limit', 9_000));
  });
});

describe('an answer of the Gemini API that is the vendor’s trouble', () => {
  const OVERLOADED = { at: 'provider', reason: 'overloaded', everywhere: true };

  it.each([
    [500, 'server-error'],
    [502, 'server-error'],
    [504, 'timeout'],
    [302, 'redirect'],
    [200, 'unusable-answer'],
  ])('is %s: %s', (status, reason) => {
    expect(judged(status, '{}')).toEqual({ at: 'provider', reason });
  });

  it('is met by every account when the model is overloaded', () => {
    expect(judged(503, '{}')).toEqual(OVERLOADED);
  });

  it('is found in an error frame after a 200', () => {
    expect(judged(200, told(503, 'UNAVAILABLE'))).toEqual(OVERLOADED);
    expect(judged(200, [{ candidates: [] }, told(429, 'RESOURCE_EXHAUSTED')])).toEqual(time('rate-limit'));
    expect(judged(200, told(7, 'ODD'))).toEqual({ at: 'provider', reason: 'unusable-answer' });
  });
});
