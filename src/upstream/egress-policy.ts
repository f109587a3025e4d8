import type { AddressPolicy } from './address-policy.ts';
import type { EgressProxy } from './proxy-url.ts';

/**
 * What the address policy means where an account has an egress proxy (docs/decisions/008):
 * - the proxy itself may have any public address, by any scheme, and another one as `RELAY_ALLOWED_UPSTREAMS` lists it;
 * - a request without TLS of its own shows its credential to the proxy, so that it goes only through a listed one;
 * - behind the proxy an address is checked as ever. A name is resolved by the proxy and cannot be checked after that:
 *   TLS to that very name stands in for it, and names that are never public are refused.
 */

/** Ends of names that public DNS never has: RFC 6761, 6762 appendix G, 7686, 8375, 9476, and ICANN's `internal`. */
const NEVER_PUBLIC = new Set([
  ...['alt', 'arpa', 'corp', 'home', 'internal', 'intranet', 'invalid', 'lan', 'local', 'localdomain'],
  ...['localhost', 'onion', 'private'],
]);

/** What is wrong with a proxy that is to be saved; undefined = nothing. */
export function checkProxy(
  policy: AddressPolicy,
  proxy: Pick<EgressProxy, 'hostname' | 'protocol'>,
): string | undefined {
  const { hostname, protocol } = proxy;
  if (policy.listsHost(hostname)) return undefined;
  if (policy.standingOf(hostname) !== undefined)
    return checkProxyAddress(policy, hostname, hostname, protocol);
  return policy.checkName(hostname);
}

/** What forbids a connection to `ip` for a proxy whose host is `host`; undefined = nothing. */
export function checkProxyAddress(
  policy: AddressPolicy,
  ip: string,
  host: string,
  protocol: string,
): string | undefined {
  switch (policy.standingOf(ip)) {
    case 'public':
      return undefined;
    case 'listed':
      // As for upstreams: a name could later be turned to another listed address without TLS to notice.
      return protocol === 'https:' || ip === host || policy.listsHost(host)
        ? undefined
        : 'must be an https proxy, be written with its address, or be listed in RELAY_ALLOWED_UPSTREAMS by its name';
    case 'inside':
      return policy.listsHost(host)
        ? undefined
        : 'is not at a public address and is not listed in RELAY_ALLOWED_UPSTREAMS';
    case 'metadata':
      return 'is at a cloud metadata address';
    case undefined:
      return 'is not at an address';
  }
}

/** What forbids an upstream behind this proxy; `ip` is the proxy's address once it is known. */
export function checkBehindProxy(
  policy: AddressPolicy,
  upstream: Pick<URL, 'hostname' | 'protocol'>,
  proxy: Pick<EgressProxy, 'hostname'>,
  ip = proxy.hostname,
): string | undefined {
  const { hostname, protocol } = upstream;
  if (protocol !== 'https:' && !policy.listsHost(proxy.hostname) && policy.standingOf(ip) !== 'listed') {
    return 'must be https, or its proxy be listed in RELAY_ALLOWED_UPSTREAMS';
  }
  if (policy.listsHost(hostname)) return undefined;
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  if (policy.standingOf(address) !== undefined) return policy.checkAddress(address, hostname, protocol);
  if (protocol !== 'https:') return 'must be https, or its host be listed in RELAY_ALLOWED_UPSTREAMS';
  const labels = hostname.toLowerCase().replace(/\.$/, '').split('.');
  return labels.length < 2 || NEVER_PUBLIC.has(labels.at(-1) ?? '')
    ? 'has a host that is no public name, which behind a proxy must be listed in RELAY_ALLOWED_UPSTREAMS'
    : undefined;
}
