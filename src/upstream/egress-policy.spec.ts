import { AddressPolicy } from './address-policy.ts';
import { checkBehindProxy, checkProxy, checkProxyAddress } from './egress-policy.ts';
import { type EgressProxy, readProxyUrl } from './proxy-url.ts';

const policy = new AddressPolicy(['10.1.0.0/16', 'proxy.corp', 'gateway.corp', '10.2.0.9']);
const proxyOf = (url: string): EgressProxy => {
  const proxy = readProxyUrl(url);
  if (typeof proxy === 'string') throw new Error(proxy);
  return proxy;
};

describe('a proxy that is to be saved', () => {
  it.each([
    'http://8.8.8.8:3128',
    'socks5://8.8.8.8',
    'https://proxy.example.com',
    'http://proxy.example.com',
    'socks5://proxy.example.com',
    'http://10.1.2.3',
    'socks5://10.2.0.9',
    'socks5://proxy.corp',
    'http://PROXY.corp.',
  ])('may be public, or listed: %s', (url) => {
    expect(checkProxy(policy, proxyOf(url))).toBeUndefined();
  });

  it.each([
    'http://10.2.3.4',
    'https://192.168.0.1',
    'socks5://127.1',
    'socks5://0',
    'http://[::1]',
    'http://[::ffff:10.2.3.4]',
    'https://localhost',
    'socks5://a.localhost.',
    'http://169.254.169.254',
    'http://[fd00:ec2::254]',
    'http://-.example',
  ])('may not lead inside: %s', (url) => {
    expect(checkProxy(policy, proxyOf(url))).toEqual(expect.any(String));
  });
});

describe('the address that a proxy turns out to have', () => {
  it.each([
    ['93.184.216.34', 'proxy.example.com', 'http:', true],
    ['10.1.2.3', 'proxy.example.com', 'https:', true],
    // By a name and without TLS it could be turned to another listed address later.
    ['10.1.2.3', 'proxy.example.com', 'http:', false],
    ['10.1.2.3', '10.1.2.3', 'http:', true],
    ['192.168.0.1', 'proxy.corp', 'http:', true],
    ['192.168.0.1', 'proxy.example.com', 'https:', false],
    ['::ffff:192.168.0.1', 'proxy.example.com', 'https:', false],
    ['169.254.169.254', 'proxy.corp', 'http:', false],
    ['nonsense', 'proxy.corp', 'https:', false],
  ])('%s for %s over %s: %s', (ip, host, protocol, allowed) => {
    expect(checkProxyAddress(policy, ip, host, protocol) === undefined).toBe(allowed);
  });
});

describe('an upstream behind a proxy', () => {
  const isPublic = proxyOf('http://8.8.8.8');

  it.each([
    'https://api.anthropic.com',
    'https://api.anthropic.com.:8443',
    'https://8.8.4.4',
    'https://10.1.0.1',
    'https://gateway.corp',
  ])('is reached by name, or at an address that would be reached without the proxy: %s', (url) => {
    expect(checkBehindProxy(policy, new URL(url), isPublic)).toBeUndefined();
  });

  it.each([
    'https://10.9.0.1',
    'https://127.1',
    'https://[::1]',
    'https://169.254.169.254',
    'https://localhost',
    'https://intranet',
    'https://git.corp',
    'https://metadata.google.internal',
    'https://x.onion.',
    'http://api.anthropic.com',
    'http://gateway.corp',
    'http://10.1.0.1',
  ])('is refused where nobody could tell afterwards where it was: %s', (url) => {
    expect(checkBehindProxy(policy, new URL(url), isPublic)).toEqual(expect.any(String));
  });

  it('is shown its credential in the clear only through a listed proxy', () => {
    for (const [proxy, ip] of [
      ['http://proxy.corp', '93.184.216.34'],
      ['socks5://10.1.0.1', '10.1.0.1'],
      ['https://proxy.example.com', '10.1.0.1'],
    ] as const) {
      for (const url of ['http://gateway.corp', 'http://10.1.0.2']) {
        expect(checkBehindProxy(policy, new URL(url), proxyOf(proxy), ip)).toBeUndefined();
        expect(
          checkBehindProxy(policy, new URL('http://api.anthropic.com'), proxyOf(proxy), ip),
        ).toBeDefined();
      }
    }
  });
});
