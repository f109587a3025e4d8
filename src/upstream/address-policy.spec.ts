import { AddressPolicy } from './address-policy.ts';

/** Written as an operator could save them; none of them is a public https origin. */
const PRIVATE_URLS = [
  'https://127.0.0.1',
  'https://127.1/v1',
  'https://2130706433',
  'https://0x7f000001',
  'https://0177.0.0.1',
  'https://127.0.0.1.',
  'https://localhost',
  'https://LOCALHOST.',
  'https://api.localhost:8443',
  'https://0.0.0.0',
  'https://0',
  'https://10.1.2.3',
  'https://172.16.0.1',
  'https://192.168.1.1',
  'https://100.64.0.1',
  'https://169.254.1.1',
  'https://169.254.169.254',
  'https://168.63.129.16',
  'https://192.0.0.8',
  'https://192.88.99.1',
  'https://198.18.0.1',
  'https://203.0.113.7',
  'https://224.0.0.1',
  'https://240.0.0.1',
  'https://255.255.255.255',
  'https://[::]',
  'https://[::1]',
  'https://[::7f00:1]',
  'https://[::ffff:127.0.0.1]',
  'https://[::ffff:8.8.8.8]',
  'https://[64:ff9b::7f00:1]',
  'https://[64:ff9b:1::1]',
  'https://[2002:7f00:1::]',
  'https://[2001:0:1::1]',
  'https://[2001:db8::1]',
  'https://[fc00::1]',
  'https://[fd00:ec2::254]',
  'https://[fe80::1]',
  'https://[fec0::1]',
  'https://[ff02::1]',
  'https://[4000::1]',
  'http://api.anthropic.com',
  'http://8.8.8.8',
];

describe('a URL that is to be saved', () => {
  const strict = new AddressPolicy([]);

  it.each([
    'https://api.anthropic.com',
    'https://api.anthropic.com:8443/',
    'https://gateway.example.com/team-a/claude/',
    'https://8.8.8.8',
    'https://[2606:4700::1111]/v1',
    'https://b\u00fccher.example',
  ])('may be the public https origin %s', (url) => {
    expect(strict.checkBaseUrl(url)).toBeUndefined();
  });

  it.each(PRIVATE_URLS)('may not be %s when nothing is listed', (url) => {
    expect(strict.checkBaseUrl(url)).toMatch(/public|metadata|https|this machine/);
  });

  it.each([
    ['ftp://example.com', 'https'],
    ['file:///etc/passwd', 'https'],
    ['api.anthropic.com', 'absolute'],
    ['', 'absolute'],
    ['https://user:secret@example.com', 'credentials'],
    ['https://:secret@example.com', 'credentials'],
    ['https://example.com/?key=1', 'query'],
    ['https://example.com/?', 'query'],
    ['https://example.com/#part', 'fragment'],
    ['https://example.com#', 'fragment'],
    ['https://exa\tmple.com', 'white space'],
    [' https://example.com', 'white space'],
    ['https:\\\\example.com', 'backslashes'],
    ['https://example.com/a%2f..%2fb', 'path'],
    ['https://example.com/a//b', 'path'],
  ])('is refused with a reason: %s', (url, word) => {
    expect(strict.checkBaseUrl(url)).toContain(word);
    expect(strict.checkBaseUrl(url)).not.toContain('secret');
  });

  it('is refused when it is longer than any real one', () => {
    expect(strict.checkBaseUrl(`https://example.com/${'a'.repeat(2100)}`)).toContain('longer');
  });

  it('may be an address inside a listed range, over http as well', () => {
    const policy = new AddressPolicy(['127.0.0.0/8', 'fd12::/16']);
    expect(policy.checkBaseUrl('http://127.0.0.1:4010')).toBeUndefined();
    expect(policy.checkBaseUrl('https://127.9.9.9')).toBeUndefined();
    expect(policy.checkBaseUrl('http://[fd12::5]:80/prefix')).toBeUndefined();
    expect(policy.checkBaseUrl('http://[::ffff:127.0.0.1]')).toBeUndefined();
    expect(policy.checkBaseUrl('http://10.0.0.1')).toBeDefined();
    expect(policy.checkBaseUrl('http://[::1]')).toBeDefined();
  });

  it('may be a listed host, over http as well, but not its neighbours', () => {
    const policy = new AddressPolicy(['Gateway.Internal.', 'localhost']);
    expect(policy.checkBaseUrl('http://gateway.internal:8080/llm')).toBeUndefined();
    expect(policy.checkBaseUrl('http://GATEWAY.internal.')).toBeUndefined();
    expect(policy.checkBaseUrl('http://localhost:4010')).toBeUndefined();
    expect(policy.checkBaseUrl('http://a.gateway.internal')).toBeDefined();
    expect(policy.checkBaseUrl('http://gateway.internal.example.com')).toBeDefined();
    expect(policy.checkBaseUrl('http://127.0.0.1')).toBeDefined();
  });
});

describe('an address that a connection would go to', () => {
  it('is checked whatever the name is', () => {
    const strict = new AddressPolicy([]);
    expect(strict.checkAddress('8.8.8.8', 'example.com', 'https:')).toBeUndefined();
    expect(strict.checkAddress('10.0.0.1', 'example.com', 'https:')).toContain('not a public');
    expect(strict.checkAddress('::1', 'example.com', 'https:')).toContain('not a public');
    expect(strict.checkAddress('fe80::1%eth0', 'example.com', 'https:')).toContain('not an address');
    expect(strict.checkAddress('8.8.8.8', 'example.com', 'http:')).toContain('https');
  });

  it('inside a listed range serves names over https, but over http only the address as written', () => {
    const policy = new AddressPolicy(['10.20.0.0/16']);
    expect(policy.checkAddress('10.20.3.4', 'gateway.example.com', 'https:')).toBeUndefined();
    expect(policy.checkAddress('10.20.3.4', '10.20.3.4', 'http:')).toBeUndefined();
    expect(policy.checkAddress('10.20.3.4', 'gateway.example.com', 'http:')).toContain('https');
    expect(policy.checkAddress('10.21.3.4', 'gateway.example.com', 'https:')).toContain('not a public');
  });

  it('of a metadata service is opened by nothing but itself', () => {
    const wide = new AddressPolicy(['0.0.0.0/0', '::/0', 'metadata.google.internal']);
    for (const ip of [
      '169.254.169.254',
      'fd00:ec2::254',
      '::ffff:169.254.169.254',
      '64:ff9b::a9fe:a9fe',
      '2002:a9fe:a9fe::',
    ]) {
      expect(wide.checkAddress(ip, 'metadata.google.internal', 'http:')).toContain('metadata');
      expect(wide.checkAddress(ip, ip, 'https:')).toContain('metadata');
    }
    const named = new AddressPolicy(['169.254.169.254', 'fd00:ec2::254/128']);
    expect(named.checkAddress('169.254.169.254', '169.254.169.254', 'http:')).toBeUndefined();
    expect(named.checkAddress('fd00:ec2::254', 'fd00:ec2::254', 'http:')).toBeUndefined();
  });
});

describe('the list of allowed upstreams', () => {
  it.each([
    'http://gateway',
    'gateway:8080',
    '10/8',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '1.2.3',
    'a..b',
    '*.internal',
    '',
  ])('refuses the entry "%s" and does not repeat it', (entry) => {
    expect(() => new AddressPolicy(['127.0.0.1', entry])).toThrow(/RELAY_ALLOWED_UPSTREAMS: entry 2/);
  });
});
