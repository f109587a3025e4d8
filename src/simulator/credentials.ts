import type { IncomingHttpHeaders } from 'node:http';
import type { Credential } from './exchange.ts';

/** The beta without which a subscription's token (`sk-ant-oat…`) is refused; an organisation's needs none. */
const OAUTH_BETA = 'oauth-2025-04-20';
const SUBSCRIPTION_PREFIX = 'sk-ant-oat';

/** Any key with such a beginning is accepted, so that as many accounts can be made as are wanted. */
export const ANTHROPIC_KEY_PREFIX = 'sk-ant-sim-';
export const GEMINI_KEY_PREFIX = 'gemini-sim-';
export const OPENAI_KEY_PREFIX = 'sk-sim-';
export const ACCESS_TOKEN_PREFIX = 'sim-access-';
export const REFRESH_TOKEN_PREFIX = 'sim-refresh-';

export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/**
 * Who may call. States: extra keys that were configured, keys revoked since, OAuth pairs granted (each refresh
 * token good for one refresh, which rotates the pair), access tokens expired since, and how many refreshes there were.
 */
export class Keyring {
  refreshes = 0;
  private readonly revoked = new Set<string>();
  private readonly accessTokens = new Set<string>();
  private readonly refreshTokens = new Set<string>();
  private granted = 0;

  constructor(private readonly extra: readonly string[] = []) {
    this.grant();
  }

  /** Makes a pair that is accepted; without arguments the next of `sim-access-0`, `sim-access-1`, … */
  grant(pair: Partial<TokenPair> = {}): TokenPair {
    const number = this.granted;
    this.granted += 1;
    const made = {
      accessToken: pair.accessToken ?? `${ACCESS_TOKEN_PREFIX}${number}`,
      refreshToken: pair.refreshToken ?? `${REFRESH_TOKEN_PREFIX}${number}`,
    };
    this.accessTokens.add(made.accessToken);
    this.refreshTokens.add(made.refreshToken);
    return made;
  }

  /** From now on the access token is answered with 401. */
  expire(accessToken: string): void {
    this.accessTokens.delete(accessToken);
  }

  /** From now on the key is answered as a wrong one. */
  revoke(key: string): void {
    this.revoked.add(key);
  }

  /** Back to how it began; tokens granted by refreshes are gone. */
  clear(): void {
    this.revoked.clear();
    this.accessTokens.clear();
    this.refreshTokens.clear();
    this.granted = 0;
    this.refreshes = 0;
    this.grant();
  }

  /** One use of a refresh token: a new pair, or undefined (`invalid_grant`) when it is unknown or was used. */
  refresh(refreshToken: string): TokenPair | undefined {
    if (!this.refreshTokens.delete(refreshToken)) return undefined;
    this.refreshes += 1;
    return this.grant();
  }

  anthropic(headers: IncomingHttpHeaders): Credential {
    const key = single(headers['x-api-key']);
    const bearer = bearerOf(headers);
    const oauth = key === undefined && bearer !== undefined && this.isToken(bearer);
    const found = {
      value: key ?? bearer,
      where: key !== undefined ? 'x-api-key' : bearer !== undefined ? 'authorization' : undefined,
      oauth,
    };
    const refused = (refusal: string | undefined): Credential => ({ ...found, refusal });
    if (found.value === undefined) return refused('x-api-key header is required');
    if (key !== undefined && bearer !== undefined && key !== bearer) {
      return refused('x-api-key and authorization name two different credentials');
    }
    if (oauth) {
      if (!this.accessTokens.has(found.value)) {
        return refused('OAuth token has expired. Please obtain a new token or refresh your existing token.');
      }
      if (!found.value.startsWith(SUBSCRIPTION_PREFIX)) return refused(undefined);
      const betas = String(headers['anthropic-beta'] ?? '').split(/\s*,\s*/);
      return refused(
        betas.includes(OAUTH_BETA) ? undefined : 'OAuth authentication is currently not supported.',
      );
    }
    if (this.accepts(found.value, ANTHROPIC_KEY_PREFIX)) return refused(undefined);
    return refused(key === undefined ? 'Invalid bearer token' : 'invalid x-api-key');
  }

  /** `refusal` is what is wrong: `missing`, `key` (a wrong one) or `token` (a bearer token, none of which is known). */
  gemini(headers: IncomingHttpHeaders, query: URLSearchParams): Credential {
    const header = single(headers['x-goog-api-key']);
    const parameter = query.get('key') ?? undefined;
    const bearer = bearerOf(headers);
    const value = header ?? parameter ?? bearer;
    const where =
      header !== undefined
        ? 'x-goog-api-key'
        : parameter !== undefined
          ? 'key'
          : bearer !== undefined
            ? 'authorization'
            : undefined;
    const refusal =
      value === undefined
        ? 'missing'
        : where === 'authorization'
          ? 'token'
          : this.accepts(value, GEMINI_KEY_PREFIX)
            ? undefined
            : 'key';
    return { value, where, refusal, oauth: false };
  }

  /** `refusal` is `missing`, or the wrong key as OpenAI tells it back: its middle hidden. */
  openai(headers: IncomingHttpHeaders): Credential {
    const value = bearerOf(headers);
    const where = value === undefined ? undefined : 'authorization';
    const found = { value, where, oauth: false };
    if (value === undefined) return { ...found, refusal: 'missing' };
    if (this.accepts(value, OPENAI_KEY_PREFIX)) return { ...found, refusal: undefined };
    return { ...found, refusal: `${value.slice(0, 4)}${'*'.repeat(8)}${value.slice(-4)}` };
  }

  isRevoked(key: string): boolean {
    return this.revoked.has(key);
  }

  private isToken(bearer: string): boolean {
    const prefixes = [SUBSCRIPTION_PREFIX, ACCESS_TOKEN_PREFIX];
    return this.accessTokens.has(bearer) || prefixes.some((prefix) => bearer.startsWith(prefix));
  }

  accepts(key: string, prefix: string): boolean {
    return !this.isRevoked(key) && (key.startsWith(prefix) || this.extra.includes(key));
  }
}

function bearerOf(headers: IncomingHttpHeaders): string | undefined {
  return /^Bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1];
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
