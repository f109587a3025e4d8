import type { IncomingHttpHeaders } from 'node:http';
import type { Keyring } from './credentials.ts';
import type { Credential, Exchange } from './exchange.ts';
import { authorizationOf, signatureFault, type SignatureFault } from './sigv4-check.ts';

/**
 * Who may call AWS: bearer tokens (Bedrock API keys), access keys whose secret is told by their id, and temporary keys
 * (`ASIA…`), which want their session token. Revoking a key id or a session token refuses it from then on.
 */

export const BEDROCK_KEY_PREFIX = 'bedrock-api-key-sim-';
/** `AKIASIM…` and `ASIASIM…`, any letters and digits behind. */
export const ACCESS_KEY = /^A(?:KIA|SIA)SIM[A-Z0-9]*$/;
export const SESSION_TOKEN_PREFIX = 'sim-session-';

export function secretOf(accessKeyId: string): string {
  return `simulator-secret-${accessKeyId}`;
}

/** Whom the request says it is from; whether it is, only the whole request can tell ({@link awsFault}). */
export function awsCredential(headers: IncomingHttpHeaders): Credential {
  const bearer = bearerOf(headers);
  const value = bearer ?? authorizationOf(headers)?.accessKeyId;
  const where = headers.authorization === undefined ? undefined : 'authorization';
  return { value, where, refusal: undefined, oauth: false };
}

/** Why AWS' front door refuses the request; undefined = it does not. */
export function awsFault(exchange: Exchange, keyring: Keyring, service: string): SignatureFault | undefined {
  const { headers } = exchange;
  if (headers.authorization === undefined) {
    return { name: 'MissingAuthenticationTokenException', message: 'Missing Authentication Token' };
  }
  const bearer = bearerOf(headers);
  if (bearer !== undefined) return bearerFault(bearer, keyring, service);
  const given = authorizationOf(headers);
  if (given === undefined) {
    return {
      name: 'IncompleteSignatureException',
      message: "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters.",
    };
  }
  const { accessKeyId } = given;
  const token = headers['x-amz-security-token'];
  const temporary = accessKeyId.startsWith('ASIA');
  const known = temporary === String(token ?? '').startsWith(SESSION_TOKEN_PREFIX);
  if (!ACCESS_KEY.test(accessKeyId) || keyring.isRevoked(accessKeyId) || !known) {
    return {
      name: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    };
  }
  if (typeof token === 'string' && keyring.isRevoked(token)) {
    return {
      name: 'ExpiredTokenException',
      message: 'The security token included in the request is expired',
    };
  }
  return signatureFault(exchange, given, secretOf(accessKeyId), service, Date.now());
}

function bearerFault(key: string, keyring: Keyring, service: string): SignatureFault | undefined {
  if (service === 'bedrock' && keyring.accepts(key, BEDROCK_KEY_PREFIX)) return undefined;
  return {
    name: 'AccessDeniedException',
    message: 'Authentication failed: Please make sure your API Key is valid.',
  };
}

function bearerOf(headers: IncomingHttpHeaders): string | undefined {
  return /^Bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1];
}
