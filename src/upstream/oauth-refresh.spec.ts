import { oauthRefresh } from './oauth-refresh.ts';

const VALUES = {
  accessToken: 'at-old',
  refreshToken: 'rt-old&more',
  expiresAt: '2026-11-22T12:00:00.000Z',
  tokenUrl: 'https://id.example.com/oauth/token',
};
const answer = (document: unknown): Buffer => Buffer.from(JSON.stringify(document));

describe('the refresh of a bearer token', () => {
  it('asks the account’s own token URL, as a form', () => {
    const values = { ...VALUES, clientId: 'team client', clientSecret: 's+cret' };
    const request = oauthRefresh({ version: 3, values })?.request;
    expect(request?.method).toBe('POST');
    expect(request?.url.href).toBe('https://id.example.com/oauth/token');
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(Object.fromEntries(new URLSearchParams(request?.body?.toString()))).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'rt-old&more',
      client_id: 'team client',
      client_secret: 's+cret',
    });
  });

  it('names no client where the account has none', () => {
    const body = oauthRefresh({ version: 1, values: VALUES })?.request.body?.toString() ?? '';
    expect([...new URLSearchParams(body).keys()]).toEqual(['grant_type', 'refresh_token']);
  });

  it('is not offered without a refresh token and a token URL', () => {
    expect(oauthRefresh({ version: 1, values: { apiKey: 'k' } })).toBeUndefined();
    expect(oauthRefresh({ version: 1, values: { accessToken: 'a', refreshToken: 'r' } })).toBeUndefined();
    expect(
      oauthRefresh({ version: 1, values: { accessToken: 'a', tokenUrl: VALUES.tokenUrl } }),
    ).toBeUndefined();
  });

  const read = (document: unknown): Readonly<Record<string, string>> | undefined =>
    oauthRefresh({ version: 1, values: VALUES })?.read(answer(document));

  it('reads the whole new set of values', () => {
    const before = Date.now();
    const next = read({
      token_type: 'bearer',
      access_token: 'at-new',
      refresh_token: 'rt-new',
      expires_in: 3600,
    });
    expect(next).toMatchObject({ accessToken: 'at-new', refreshToken: 'rt-new', tokenUrl: VALUES.tokenUrl });
    const expires = Date.parse(next?.['expiresAt'] ?? '');
    expect(expires).toBeGreaterThanOrEqual(before + 3_600_000);
    expect(expires).toBeLessThan(before + 3_660_000);
  });

  it('keeps the refresh token where none is answered, and forgets an expiry that no longer holds', () => {
    for (const refresh_token of [undefined, '']) {
      const next = read({ access_token: 'at-new', refresh_token });
      expect(next).toEqual({ accessToken: 'at-new', refreshToken: 'rt-old&more', tokenUrl: VALUES.tokenUrl });
    }
    expect(read({ access_token: 'at-new', expires_in: '60' })?.['expiresAt']).toBeDefined();
    for (const expires_in of [0, -1, 'soon', null, 1e300]) {
      expect(read({ access_token: 'at-new', expires_in })?.['expiresAt']).toBeUndefined();
    }
  });

  it.each([
    {},
    { access_token: '' },
    { access_token: 7 },
    { access_token: 'a\r\nx-evil: 1' },
    { access_token: 'ok', token_type: 'mac' },
    { access_token: 'ok', refresh_token: 'sp ace' },
    'text',
    null,
  ])('refuses the answer %j without repeating it', (document) => {
    const error = ((): Error | undefined => {
      try {
        read(document);
      } catch (thrown) {
        return thrown as Error;
      }
      return undefined;
    })();
    expect(error?.message).toMatch(/^The token endpoint answered/);
    expect(error?.message).not.toContain('evil');
  });
});
