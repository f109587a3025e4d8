import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Cidr = readonly [Address, number];

/**
 * Instance-metadata services of the clouds: whoever reads them holds the machine's own credentials. Neither a listed
 * host nor a listed range opens one of these; only an entry that is exactly the address does.
 */
const METADATA = new Set(
  [
    '169.254.169.254', // AWS, Azure, Google Cloud and most others
    '169.254.170.2', // AWS ECS task credentials
    '169.254.170.23', // AWS EKS pod identity
    '168.63.129.16', // Azure platform channel, in a public range
    '100.100.100.200', // Alibaba Cloud
    '192.0.0.192', // Oracle Cloud classic
    'fd00:ec2::254', // AWS
    'fd00:ec2::23', // AWS EKS pod identity
    'fd20:ce::254', // Google Cloud
  ].map((address) => ipaddr.parse(address).toNormalizedString()),
);

/** Prefix lengths after which these IPv6 forms carry an IPv4 address in their bits. */
const EMBEDDING: readonly { readonly cidr: Cidr; readonly at: number }[] = [
  { cidr: ipaddr.parseCIDR('::/96'), at: 12 },
  { cidr: ipaddr.parseCIDR('::ffff:0:0/96'), at: 12 },
  { cidr: ipaddr.parseCIDR('::ffff:0:0:0/96'), at: 12 },
  { cidr: ipaddr.parseCIDR('64:ff9b::/96'), at: 12 },
  { cidr: ipaddr.parseCIDR('2002::/16'), at: 2 },
];
const GLOBAL_UNICAST: Cidr = ipaddr.parseCIDR('2000::/3');
const HOST = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;
const PATH_PREFIX = /^(\/[A-Za-z0-9._~@:+=,;!$&'()*-]+)*\/?$/;

/**
 * Which addresses an upstream may have. Public https origins always; plain http, and every address that is not public,
 * only as `RELAY_ALLOWED_UPSTREAMS` lists them:
 * - a host name opens that name, whatever it resolves to, over https and http;
 * - an address or CIDR opens these addresses, over https by any name, over http only where the URL itself is written
 *   with the address (so that a name cannot be turned to it later without TLS to notice).
 * Entries have neither scheme nor port. The same policy is asked when a URL is saved and at every connect.
 */
export class AddressPolicy {
  private readonly hosts = new Set<string>();
  private readonly ranges: Cidr[] = [];
  private readonly exact = new Set<string>();

  /** @throws Error that names the variable and not the entry. */
  constructor(allowed: readonly string[]) {
    allowed.forEach((entry, index) => {
      if (!this.allow(entry.toLowerCase())) {
        throw new Error(
          `RELAY_ALLOWED_UPSTREAMS: entry ${index + 1} is not a host name, an address or a CIDR (no scheme, no port)`,
        );
      }
    });
  }

  /** What is wrong with a URL that is to be saved as an upstream's base (or token) URL; undefined = nothing. */
  checkBaseUrl(text: string): string | undefined {
    // URL() silently removes these, so that two spellings of one URL would differ.
    if (/[\u0000-\u0020\u007f\\]/.test(text)) return 'must not contain white space or backslashes';
    if (text.length > 2048) return 'must not be longer than 2048 characters';
    if (!URL.canParse(text)) return 'must be an absolute URL, for example https://gateway.example.com';
    const url = new URL(text);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https://';
    if (url.username !== '' || url.password !== '') return 'must not contain credentials';
    if (text.includes('?') || text.includes('#')) return 'must not have a query or a fragment';
    if (!PATH_PREFIX.test(url.pathname)) return 'has a path with characters that are not allowed there';
    return this.checkHost(url.hostname, url.protocol);
  }

  /** What forbids a connection to `ip` for a URL whose host is `host`; undefined = nothing. Asked by the dialer. */
  checkAddress(ip: string, host: string, protocol: string): string | undefined {
    const address = parse(ip);
    if (address === undefined) return 'is not an address';
    if (isMetadata(address)) {
      return this.exact.has(address.toNormalizedString()) ? undefined : 'is a cloud metadata address';
    }
    const name = hostName(host);
    if (this.hosts.has(name)) return undefined;
    const listed = this.isListed(address);
    if (protocol !== 'https:' && !(listed && parse(name) !== undefined)) {
      return 'must be https, or be listed in RELAY_ALLOWED_UPSTREAMS';
    }
    if (listed || isPublic(address)) return undefined;
    return 'is not a public address and is not listed in RELAY_ALLOWED_UPSTREAMS';
  }

  /** The host is listed by this name, and so whatever it resolves to but for the clouds' metadata services. */
  listsHost(host: string): boolean {
    return this.hosts.has(hostName(host));
  }

  /** How an address stands by itself, whatever host it is for; undefined = it is no address. */
  standingOf(ip: string): 'metadata' | 'listed' | 'public' | 'inside' | undefined {
    const address = parse(ip);
    if (address === undefined) return undefined;
    if (isMetadata(address) && !this.exact.has(address.toNormalizedString())) return 'metadata';
    if (this.isListed(address)) return 'listed';
    return isPublic(address) ? 'public' : 'inside';
  }

  /** What is wrong with a host that is a name and not listed; undefined = nothing. */
  checkName(host: string): string | undefined {
    const name = hostName(host);
    if (!HOST.test(name)) return 'has a host that is not a host name';
    if (name === 'localhost' || name.endsWith('.localhost')) {
      return 'is this machine, and its host is not listed in RELAY_ALLOWED_UPSTREAMS';
    }
    return undefined;
  }

  private checkHost(host: string, protocol: string): string | undefined {
    const name = hostName(host);
    if (parse(name) !== undefined) return this.checkAddress(name, host, protocol);
    if (this.hosts.has(name)) return undefined;
    const problem = this.checkName(host);
    if (problem !== undefined || protocol === 'https:') return problem;
    return 'must be https, or its host be listed in RELAY_ALLOWED_UPSTREAMS';
  }

  private allow(entry: string): boolean {
    const [base = '', bits, ...rest] = entry.split('/');
    const address = parse(base);
    if (address !== undefined && bits === undefined) {
      this.exact.add(address.toNormalizedString());
      this.ranges.push([address, address.kind() === 'ipv4' ? 32 : 128]);
      return true;
    }
    if (address !== undefined && rest.length === 0 && /^\d{1,3}$/.test(bits ?? '')) {
      const length = Number(bits);
      const whole = address.kind() === 'ipv4' ? 32 : 128;
      if (length > whole) return false;
      if (length === whole) this.exact.add(address.toNormalizedString());
      this.ranges.push([address, length]);
      return true;
    }
    const name = hostName(entry);
    // The last label of a name is never a number, or URL() would read the name as an IPv4 address.
    if (!HOST.test(name) || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(name)) return false;
    this.hosts.add(name);
    return true;
  }

  /** Listed as it stands, or as the IPv4 address that its bits carry. */
  private isListed(address: Address): boolean {
    return spellings(address).some((spelling) => this.ranges.some((range) => within(spelling, range)));
  }
}

function parse(text: string): Address | undefined {
  return isIP(text) === 0 || text.includes('%') ? undefined : ipaddr.parse(text);
}

function hostName(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

function within(address: Address, [base, bits]: Cidr): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}

function spellings(address: Address): readonly Address[] {
  const form = EMBEDDING.find(({ cidr }) => within(address, cidr));
  if (form === undefined) return [address];
  return [address, ipaddr.fromByteArray(address.toByteArray().slice(form.at, form.at + 4))];
}

function isMetadata(address: Address): boolean {
  return spellings(address).some((spelling) => METADATA.has(spelling.toNormalizedString()));
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' || within(address, GLOBAL_UNICAST);
}
