import type { Upstream, UpstreamRequest } from '../upstream/upstream.ts';
import type { Credentials } from '../upstream/account.ts';
import { readBounded } from '../upstream/read-bounded.ts';
import type { UpstreamClient } from '../upstream/upstream-client.ts';
import { CredentialRefused, CredentialUnavailable } from './credential-failure.ts';

/** Well under the 10 s after which Postgres ends a transaction that says nothing, since the caller holds a row. */
const TOKEN_TIMEOUT_MS = 8_000;
const ANSWER_BYTES = 64 * 1024;

/** What a token server says when asking again will not help (RFC 6749 section 5.2); anything else may pass. */
const FINAL_ERRORS = new Set([
  'invalid_grant',
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
]);

/**
 * One request to the account's token server; answers the whole new set of values.
 * @throws CredentialRefused when the server says the grant is dead, or the values hold nothing to renew with
 * @throws CredentialUnavailable when it did not answer, or answered something that is no token
 */
export async function requestToken(
  client: UpstreamClient,
  upstream: Upstream,
  credentials: Credentials,
): Promise<Credentials['values']> {
  const refresh = upstream.refresh?.(credentials);
  if (refresh === undefined) throw new CredentialRefused('The credential holds nothing to renew it with');
  const { status, body } = await ask(client, refresh.request, credentials.proxyUrl);
  if (status >= 200 && status < 300) {
    try {
      return refresh.read(body);
    } catch {
      throw new CredentialUnavailable('The token server answered something that is no token');
    }
  }
  const error = oauthError(body);
  if (error !== undefined && FINAL_ERRORS.has(error)) {
    throw new CredentialRefused(`The token server refuses the credential: ${error}`);
  }
  throw new CredentialUnavailable(`The token server answered ${status}`);
}

async function ask(
  client: UpstreamClient,
  request: UpstreamRequest,
  proxyUrl: string | undefined,
): Promise<{ status: number; body: Buffer }> {
  const signal = AbortSignal.timeout(TOKEN_TIMEOUT_MS);
  try {
    const answer = await client.send(request, { signal, headersMs: TOKEN_TIMEOUT_MS, proxyUrl });
    return { status: answer.status, body: await readBounded(answer.body, ANSWER_BYTES, signal) };
  } catch {
    throw new CredentialUnavailable('The token server could not be asked');
  }
}

function oauthError(body: Buffer): string | undefined {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}
