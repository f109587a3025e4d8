import { judgeBedrock } from './bedrock.verdict.ts';

const NOW = Date.parse('2026-11-23T22:00:00Z');

function judge(status: number, name: string | undefined, message = 'no', more: Record<string, string> = {}) {
  const errortype: Record<string, string> =
    name === undefined ? {} : { 'x-amzn-errortype': `${name}:http://internal.amazon.com/coral/x/` };
  const body = Buffer.from(JSON.stringify({ message }));
  return judgeBedrock({ status, headers: { ...errortype, ...more }, body }, NOW);
}

describe('the verdict on an answer of Bedrock', () => {
  it.each([
    [400, 'ValidationException', { at: 'client' }],
    [404, 'ResourceNotFoundException', { at: 'client' }],
    [413, undefined, { at: 'client' }],
    [
      400,
      'ServiceQuotaExceededException',
      { at: 'account', mend: 'time', scope: 'model', reason: 'service-quota' },
    ],
    [
      403,
      'AccessDeniedException',
      { at: 'account', mend: 'person', scope: 'model', reason: 'access-denied' },
    ],
    [403, 'UnrecognizedClientException', { at: 'credential', reason: 'unrecognized-client' }],
    [403, 'InvalidSignatureException', { at: 'credential', reason: 'invalid-signature' }],
    [403, 'ExpiredTokenException', { at: 'credential', reason: 'expired-token' }],
    [403, 'MissingAuthenticationTokenException', { at: 'credential' }],
    [401, undefined, { at: 'credential' }],
    [403, undefined, { at: 'account', mend: 'time', reason: 'edge-refused' }],
    [408, 'ModelTimeoutException', { at: 'provider', reason: 'model-timeout' }],
    [424, 'ModelErrorException', { at: 'provider', reason: 'model-error' }],
    [429, 'ThrottlingException', { at: 'account', mend: 'time', scope: 'model', reason: 'rate-limit' }],
    [400, 'ThrottlingException', { at: 'account', reason: 'rate-limit' }],
    [429, 'ModelNotReadyException', { at: 'provider', reason: 'model-not-ready' }],
    [429, undefined, { at: 'account', reason: 'rate-limit' }],
    [500, 'InternalServerException', { at: 'provider' }],
    [503, 'ServiceUnavailableException', { at: 'provider', reason: 'service-unavailable', everywhere: true }],
    [503, undefined, { at: 'provider', reason: 'overloaded', everywhere: true }],
    [529, undefined, { at: 'provider', reason: 'overloaded', everywhere: true }],
    [301, undefined, { at: 'provider', reason: 'redirect' }],
  ])('%d %s', (status, name, verdict) => {
    expect(judge(status, name)).toMatchObject(verdict);
  });

  it('takes a server error without a name for trouble of one account only', () => {
    expect(judge(502, undefined)).toEqual({ at: 'provider', reason: 'server-error' });
  });

  it('parks a spent day until the next one', () => {
    const verdict = judge(
      429,
      'ThrottlingException',
      'Too many tokens per day, please wait before trying again.',
    );
    expect(verdict).toMatchObject({ reason: 'quota-day', retryAfterMs: 2 * 3_600_000 });
  });

  it('believes a wait only where AWS tells one', () => {
    expect(judge(429, 'ThrottlingException')).not.toHaveProperty('retryAfterMs');
    expect(judge(429, 'ThrottlingException', 'no', { 'retry-after': '7' })).toMatchObject({
      retryAfterMs: 7_000,
    });
  });

  it('takes a refused API key for the credential, by the message where no name comes with it', () => {
    const message = 'Authentication failed: Please make sure your API Key is valid.';
    expect(judge(403, 'AccessDeniedException', message)).toEqual({
      at: 'credential',
      reason: 'api-key-refused',
    });
    expect(
      judgeBedrock(
        { status: 403, headers: {}, body: Buffer.from(JSON.stringify({ Message: message })) },
        NOW,
      ),
    ).toMatchObject({
      at: 'credential',
    });
  });

  it('reads the name from the body where the header is missing', () => {
    const body = Buffer.from('{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"x"}');
    expect(judgeBedrock({ status: 400, headers: {}, body }, NOW)).toMatchObject({ at: 'credential' });
  });

  it('tells a form that is not filled in from a model that is not there', () => {
    const message = 'Model use case details have not been submitted for this account.';
    expect(judge(404, 'ResourceNotFoundException', message)).toMatchObject({ at: 'account', mend: 'person' });
  });

  it('judges an error told inside a 200 by its type', () => {
    const told = (type: string) =>
      judgeBedrock(
        { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ type: 'error', error: { type } })) },
        NOW,
      );
    expect(told('rate_limit_error')).toMatchObject({ at: 'account', reason: 'rate-limit' });
    expect(told('overloaded_error')).toMatchObject({ at: 'provider' });
    expect(told('other')).toMatchObject({ at: 'provider', reason: 'unusable-answer' });
  });
});
