/**
 * Why no (whole) answer came. The first eight mean that no byte of the request was sent:
 * - `refused`: nothing listens there, or there is no way to the host
 * - `dns`: the name has no address
 * - `tls`: the certificate or the handshake is not trusted
 * - `connect-timeout`: no connection within the connect clock
 * - `forbidden-address`: the address policy forbids it, or the proxy before it
 * - `proxy-unreachable`: no connection to the account's egress proxy, or it fell silent before the tunnel stood
 * - `proxy-denied`: the proxy does not take the user and the password
 * - `proxy-refused`: the proxy opened no tunnel, or is none
 * - `headers-timeout`: sent, but no answer's head within its clock
 * - `reset`: the connection broke, or what came is not HTTP
 * - `aborted`: our own signal
 */
export type UpstreamFailureReason =
  | 'refused'
  | 'dns'
  | 'tls'
  | 'connect-timeout'
  | 'forbidden-address'
  | 'proxy-unreachable'
  | 'proxy-denied'
  | 'proxy-refused'
  | 'headers-timeout'
  | 'reset'
  | 'aborted';

const SENTENCES: Readonly<Record<UpstreamFailureReason, string>> = {
  refused: 'The upstream refused the connection',
  dns: 'The upstream host has no address',
  tls: 'The upstream could not be trusted over TLS',
  'connect-timeout': 'No connection to the upstream in time',
  'forbidden-address': 'The upstream has an address that is not allowed',
  'proxy-unreachable': 'The egress proxy of the account cannot be reached',
  'proxy-denied': 'The egress proxy of the account refuses its user or password',
  'proxy-refused': 'The egress proxy of the account opened no way to the upstream',
  'headers-timeout': 'The upstream did not begin to answer in time',
  reset: 'The connection to the upstream broke',
  aborted: 'The upstream request was cancelled',
};

const REASONS: Readonly<Record<string, UpstreamFailureReason>> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  EADDRNOTAVAIL: 'refused',
  EACCES: 'refused',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  EAI_NODATA: 'dns',
  EAI_NONAME: 'dns',
  EPROTO: 'tls',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls',
  HOSTNAME_MISMATCH: 'tls',
  INVALID_CA: 'tls',
  INVALID_PURPOSE: 'tls',
  PATH_LENGTH_EXCEEDED: 'tls',
  ETIMEDOUT: 'connect-timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect-timeout',
  UND_ERR_HEADERS_TIMEOUT: 'headers-timeout',
  UND_ERR_ABORTED: 'aborted',
  ERR_CANCELED: 'aborted',
};
/** OpenSSL's and Node's families of certificate and handshake errors. */
const TLS_CODE = /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_)/;

/** The message is our own words and an error code: no URL, header or body can be in it. */
export class UpstreamFailure extends Error {
  readonly reason: UpstreamFailureReason;
  /** The system's or the client library's code, for the log. */
  readonly code: string | undefined;
  /** A byte of the answer had come. */
  readonly begun: boolean;

  constructor(reason: UpstreamFailureReason, code?: string, begun = false) {
    super(code === undefined ? SENTENCES[reason] : `${SENTENCES[reason]} (${code})`);
    this.name = 'UpstreamFailure';
    this.reason = reason;
    this.code = code;
    this.begun = begun;
  }

  /** Names what a request or an open body broke with. Never keeps the original: it may hold headers. */
  static of(error: unknown, signal?: { readonly aborted: boolean }): UpstreamFailure {
    if (error instanceof UpstreamFailure) return error;
    if (signal?.aborted === true) return new UpstreamFailure('aborted');
    const code = codeOf(error);
    if (code === undefined) return new UpstreamFailure(isAbort(error) ? 'aborted' : 'reset');
    return new UpstreamFailure(REASONS[code] ?? (TLS_CODE.test(code) ? 'tls' : 'reset'), code);
  }
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^[A-Z0-9_]{1,64}$/.test(error.code) ? error.code : undefined;
}

function isAbort(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError';
}
