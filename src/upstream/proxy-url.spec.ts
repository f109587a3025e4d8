import { maskProxyUrl, readProxyUrl } from './proxy-url.ts';

describe('the URL of an egress proxy', () => {
  it.each([
    ['http://proxy.example.com', 'http:', 'proxy.example.com', 80],
    ['https://proxy.example.com/', 'https:', 'proxy.example.com', 443],
    ['socks5://proxy.example.com', 'socks5:', 'proxy.example.com', 1080],
    ['SOCKS5://Proxy.Example.com:80', 'socks5:', 'proxy.example.com', 80],
    ['https://10.0.0.1:65535', 'https:', '10.0.0.1', 65_535],
    ['socks5://127.1:9050', 'socks5:', '127.0.0.1', 9050],
    ['socks5://0x7f000001', 'socks5:', '127.0.0.1', 1080],
    ['http://[2606:4700::1111]:3128', 'http:', '2606:4700::1111', 3128],
    ['http://[::FFFF:127.0.0.1]', 'http:', '::ffff:7f00:1', 80],
  ])('says where it is: %s', (url, protocol, hostname, port) => {
    expect(readProxyUrl(url)).toEqual({ protocol, hostname, port, signIn: undefined });
  });

  it.each([
    ['http://user:secret@h', 'user', 'secret'],
    ['http://user@h', 'user', ''],
    ['https://user:@h', 'user', ''],
    ['socks5://u%40x:p%3a%2F%c3%b6@h', 'u@x', 'p:/ö'],
    ['http://session-1;country-de:x=y&z@h', 'session-1;country-de', 'x=y&z'],
  ])('says who signs in: %s', (url, username, password) => {
    expect(readProxyUrl(url)).toMatchObject({ signIn: { username, password } });
  });

  it.each([
    '',
    'proxy.example.com:3128',
    'direct://',
    'socks4://h',
    'socks5h://h',
    'http://',
    'http:///h',
    'http://h:0',
    'http://h:65536',
    'http://h:',
    'http://h/path',
    'http://h?x',
    'http://h#x',
    'http://h:1:2',
    'http://a b',
    ' http://h',
    'http://h\n',
    'http://ü.example',
    'http://[::1',
    'http://[::1%25lo]',
    'http://[fe80::zz]',
    'http://%31%00',
    'http://999.999.999.999',
    'http://u:p@ss@h',
    'http://u:p:q@h',
    'http://u:p/q@h',
    'http://:secret@h',
    'http://@h',
    'http://u%3Ax:secret@h',
    'http://u:%ff@h',
    'http://u:%0d%0ax@h',
    'http://u:%@h',
    'http://u:***@h',
    'http://***@h',
    'socks5://u@h',
    'socks5://u:@h',
    `socks5://u:${'x'.repeat(256)}@h`,
    `socks5://${'%C3%BC'.repeat(128)}:p@h`,
    `http://${'h'.repeat(2050)}`,
  ])('is refused in words that repeat nothing of it: %j', (url) => {
    const problem = readProxyUrl(url);
    expect(problem).toEqual(expect.any(String));
    expect(problem).not.toMatch(/secret|p@ss/);
  });

  it.each([
    ['http://user:secret@h:3128', 'http://user:***@h:3128'],
    ['https://token-as-user@h', 'https://***@h'],
    ['https://token-as-user:@h', 'https://token-as-user:***@h'],
    ['socks5://h:1080', 'socks5://h:1080'],
  ])('is shown without what opens the proxy: %s', (url, shown) => {
    expect(maskProxyUrl(url)).toBe(shown);
  });
});
