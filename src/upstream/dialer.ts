import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector } from 'undici';
import type { AddressPolicy } from './address-policy.ts';
import { unpausedAtEnd } from './paused-end.ts';
import { UpstreamFailure } from './upstream-failure.ts';

export interface DialerOptions {
  readonly connectMs: number;
  /** Resolves a name to all its addresses; the system's resolver when absent. */
  readonly resolve?: LookupFunction;
  /** Trusted instead of the system's authorities. Verification itself cannot be turned off. */
  readonly ca?: string;
}

/** An idle connection is kept so long, unless the upstream's keep-alive header says less. */
const IDLE_MS = 30_000;
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * The way straight to upstreams. A name is resolved once, every address of the answer is checked, and the connection
 * goes to these very addresses: a name that points inside, now or at the next look, is refused as a whole. There is no
 * bound on connections for an origin (the places of the accounts bound them), one request at a time on each, and no
 * silent retry. A connection whose answer was cut is destroyed, so no other request can read its rest.
 */
export function createDialer(policy: AddressPolicy, options: DialerOptions): Agent {
  return agentOver(
    checkedConnector((ip, host, protocol) => policy.checkAddress(ip, host, protocol), options),
  );
}

/** Requests over connections that are made this way. */
export function agentOver(connect: buildConnector.connector): Agent {
  return new Agent({
    connect: unpausedAtEnd(connect),
    connections: null,
    pipelining: 1,
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    // The client times the head, to the millisecond; silence inside an answer is timed by its reader, who knows whether
    // it is the relay's own client that does not read.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** What forbids a connection to `ip` for a URL with this host; undefined = nothing. */
export type AddressCheck = (ip: string, host: string, protocol: string) => string | undefined;

/** Connects, by TLS where the target's protocol is https, to addresses that the check lets pass. */
export function checkedConnector(check: AddressCheck, options: DialerOptions): buildConnector.connector {
  const overTls = connectorFor('https:', check, options);
  const plain = connectorFor('http:', check, options);
  return (target, callback) => {
    const { hostname, protocol } = target;
    // For an address in the URL no lookup happens, so the check stands here.
    if (isIP(hostname) !== 0 && check(hostname, hostname, protocol) !== undefined) {
      queueMicrotask(() => callback(new UpstreamFailure('forbidden-address'), null));
      return;
    }
    (protocol === 'https:' ? overTls : plain)(target, callback);
  };
}

function connectorFor(
  protocol: 'https:' | 'http:',
  check: AddressCheck,
  options: DialerOptions,
): buildConnector.connector {
  const { connectMs, resolve = systemLookup } = options;
  const checkedLookup: LookupFunction = (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, []);
      const addresses = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found;
      const forbidden = addresses.some(({ address }) => check(address, hostname, protocol) !== undefined);
      if (forbidden || addresses.length === 0) {
        return callback(new UpstreamFailure(forbidden ? 'forbidden-address' : 'dns'), []);
      }
      callback(null, addresses);
    });
  };
  return buildConnector({
    ...tlsOptions(options),
    lookup: checkedLookup,
    autoSelectFamily: true,
    // Node gives each address but the last 250 ms, which a far host may need in full.
    autoSelectFamilyAttemptTimeout: Math.max(250, Math.floor(connectMs / 4)),
  });
}

/** How every connection is kept, timed and, by TLS, verified. */
export function tlsOptions({ connectMs, ca }: DialerOptions): buildConnector.BuildOptions {
  return {
    timeout: connectMs,
    keepAlive: true,
    noDelay: true,
    // Said outright, so that no environment variable of Node's can turn verification off.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
  };
}

const systemLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true, order: 'verbatim' }, callback);
};
