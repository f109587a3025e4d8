import type { Keyring } from './credentials.ts';
import { isRecord, type Exchange, type Vendor } from './exchange.ts';
import type { Fault } from './faults.ts';
import { jsonReply, type Reply } from './reply.ts';

/** Seconds for which a new access token is said to live; it is refused only once it was expired by hand. */
const LIFETIME_S = 3600;

/**
 * `POST /oauth/token`: renews a pair (RFC 6749 section 6), with a JSON or a form body. The refresh token rotates,
 * and an old one is `invalid_grant`. Hangs and refusals are plans for the path, as everywhere.
 */
export function oauth(keyring: Keyring): Vendor {
  return {
    name: 'oauth',
    operation: () => ({ name: 'token', model: undefined, counted: false }),
    lastText: () => '',
    answer: (exchange) => {
      if (exchange.method !== 'POST') return refusal(exchange, { status: 405, type: 'invalid_request' });
      const form = formOf(exchange);
      if (form['grant_type'] !== 'refresh_token') {
        return refusal(exchange, { status: 400, type: 'unsupported_grant_type' });
      }
      const pair = keyring.refresh(form['refresh_token'] ?? '');
      if (pair === undefined) return refusal(exchange, { status: 400, type: 'invalid_grant' });
      const renewed = {
        token_type: 'Bearer',
        access_token: pair.accessToken,
        refresh_token: pair.refreshToken,
        expires_in: LIFETIME_S,
        scope: 'user:inference',
      };
      return jsonReply(200, renewed, { 'cache-control': 'no-store', 'request-id': exchange.requestId });
    },
    refuse: refusal,
  };
}

function refusal(exchange: Exchange, fault: Fault): Reply {
  const error = fault.type ?? (fault.status === 400 ? 'invalid_grant' : 'server_error');
  const document = { error, error_description: fault.message ?? `Refused: ${error}` };
  return jsonReply(fault.status ?? 500, document, { 'request-id': exchange.requestId });
}

function formOf({ json, body }: Exchange): Record<string, string> {
  const entries = isRecord(json) ? Object.entries(json) : new URLSearchParams(body.toString());
  const form: Record<string, string> = {};
  for (const [name, value] of entries) if (typeof value === 'string') form[name] = value;
  return form;
}
