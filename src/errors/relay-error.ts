import type { ErrorKind } from '../dialects/dialect.ts';

/** Seconds to wait, or `never`: only a person can mend it (`x-should-retry: false`). */
export type RetryHint = number | 'never' | undefined;

/**
 * The one error table: what the relay itself says no with. The dialect writes the body, so that a client reads its
 * own vendor's shape; `message` is made of our own words only.
 */
const TABLE = {
  'key-missing': { kind: 'authentication', status: 401 },
  'key-conflict': { kind: 'authentication', status: 401 },
  'door-closed': { kind: 'permission', status: 403 },
  'model-unknown': { kind: 'not-found', status: 404 },
  'route-unknown': { kind: 'not-found', status: 404 },
  'call-invalid': { kind: 'invalid-request', status: 400 },
  'body-slow': { kind: 'request-timeout', status: 408 },
  'body-too-large': { kind: 'too-large', status: 413 },
  'body-encoded': { kind: 'unsupported-media', status: 415 },
  'bodies-full': { kind: 'unavailable', status: 503 },
  'key-full': { kind: 'rate-limit', status: 429 },
  'team-full': { kind: 'rate-limit', status: 429 },
  'rate-exceeded': { kind: 'rate-limit', status: 429 },
  'budget-held': { kind: 'rate-limit', status: 429 },
  'accounts-full': { kind: 'rate-limit', status: 429 },
  'accounts-cooling': { kind: 'rate-limit', status: 429 },
  'budget-spent': { kind: 'budget', status: 429 },
  'budget-unpriced': { kind: 'budget', status: 429 },
  'accounts-parked': { kind: 'unavailable', status: 503 },
  'account-fault': { kind: 'unavailable', status: 503 },
  'upstream-unreachable': { kind: 'bad-gateway', status: 502 },
  'upstream-unusable': { kind: 'bad-gateway', status: 502 },
  'upstream-broken': { kind: 'bad-gateway', status: 502 },
  'upstream-slow': { kind: 'gateway-timeout', status: 504 },
  'admission-unavailable': { kind: 'unavailable', status: 503 },
  draining: { kind: 'unavailable', status: 503 },
  internal: { kind: 'internal', status: 500 },
} as const satisfies Record<string, { kind: ErrorKind; status: number }>;

export type RelayErrorCode = keyof typeof TABLE;

export class RelayError extends Error {
  readonly code: RelayErrorCode;
  readonly retry: RetryHint;

  constructor(code: RelayErrorCode, message: string, retry?: RetryHint) {
    super(message);
    this.code = code;
    this.retry = retry;
  }

  get kind(): ErrorKind {
    return TABLE[this.code].kind;
  }

  get status(): number {
    return TABLE[this.code].status;
  }
}
