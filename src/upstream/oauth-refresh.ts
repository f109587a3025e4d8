import { tokenProblem } from './credential-fields.ts';
import { readJson, textAt, valueAt } from './json-fields.ts';
import type { Credentials } from './account.ts';
import type { CredentialRefresh } from './upstream.ts';

/**
 * The OAuth 2 refresh grant (RFC 6749, 6) at the account's own token URL, with the client's own id and secret in the
 * form (2.3.1). There is no default URL and no vendor's client: an account without `refreshToken` and `tokenUrl` is not
 * renewed.
 */
export function oauthRefresh({ values }: Credentials): CredentialRefresh | undefined {
  const { refreshToken, tokenUrl, clientId, clientSecret } = values;
  if (refreshToken === undefined || tokenUrl === undefined) return undefined;
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken });
  if (clientId !== undefined) form.set('client_id', clientId);
  if (clientSecret !== undefined) form.set('client_secret', clientSecret);
  return {
    request: {
      method: 'POST',
      url: new URL(tokenUrl),
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(form.toString()),
    },
    read: (body) => renewed(values, readJson(body), Date.now()),
  };
}

/** Tokens as answered; the refresh token is kept where none is given (RFC 6749, 6), an old expiry is not. */
function renewed(values: Credentials['values'], answer: unknown, now: number): Record<string, string> {
  const accessToken = textAt(answer, 'access_token');
  const refreshToken = textAt(answer, 'refresh_token');
  const type = textAt(answer, 'token_type') ?? 'Bearer';
  if (accessToken === undefined || tokenProblem(accessToken) !== undefined) {
    throw new Error('The token endpoint answered without a usable access_token');
  }
  if (refreshToken !== undefined && refreshToken !== '' && tokenProblem(refreshToken) !== undefined) {
    throw new Error('The token endpoint answered with an unusable refresh_token');
  }
  if (type.toLowerCase() !== 'bearer')
    throw new Error('The token endpoint answered with a token that is not Bearer');

  const { expiresAt: _old, ...kept } = values;
  const next: Record<string, string> = { ...kept, accessToken };
  if (refreshToken !== undefined && refreshToken !== '') next['refreshToken'] = refreshToken;
  // Seconds from now; some servers quote the number.
  const lifetime = Number(valueAt(answer, 'expires_in') ?? Number.NaN);
  if (lifetime > 0 && lifetime <= 10 * 365 * 86_400) {
    next['expiresAt'] = new Date(now + lifetime * 1_000).toISOString();
  }
  return next;
}
