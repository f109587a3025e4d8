import { pathSegment, urlBelow } from './url-below.ts';

describe('a URL below a base', () => {
  it.each([
    ['https://api.example.com', '/v1/messages', '', 'https://api.example.com/v1/messages'],
    [
      'https://api.example.com/',
      '/v1/messages',
      'beta=true',
      'https://api.example.com/v1/messages?beta=true',
    ],
    ['https://gw.example.com:8443/team/a/', '/v1/m', '', 'https://gw.example.com:8443/team/a/v1/m'],
    ['http://[::1]:80/x', '/v1/m', '', 'http://[::1]/x/v1/m'],
    ['https://a.example', '/v1/m:verb', 'a=1#b', 'https://a.example/v1/m:verb?a=1%23b'],
  ])('%s with %s and "%s" is %s', (base, path, query, url) => {
    expect(urlBelow(base, path, query).href).toBe(url);
  });

  it.each(['/../admin', '/v1/%2e%2e/admin', '/v1/./x', '/v1\\x', '/v1/a b', '/v1?x', '/v1#x', '/v1/\n'])(
    'is not made of the path %j',
    (path) => {
      expect(() => urlBelow('https://api.example.com/prefix', path)).toThrow('below its base');
    },
  );

  it('is the same one again for the same three texts, and for no others', () => {
    const first = urlBelow('https://api.example.com/x', '/v1', 'a=1');
    expect(urlBelow('https://api.example.com/x', '/v1', 'a=1')).toBe(first);
    expect(urlBelow('https://api.example.com', '/x/v1', 'a=1')).not.toBe(first);
    expect(() => urlBelow('https://api.example.com/x', '/v1a=1', '')).not.toThrow();
    expect(urlBelow('https://api.example.com/x', '/v1', '').href).toBe('https://api.example.com/x/v1');
    expect(() => urlBelow('https://api.example.com/x', '/v1?a=1')).toThrow('below its base');
  });

  it('keeps to its origin where the path looks like another', () => {
    for (const path of ['//evil.example/x', '/@evil.example/', '/https://evil.example']) {
      expect(urlBelow('https://api.example.com', path).origin).toBe('https://api.example.com');
    }
  });
});

describe('a path segment', () => {
  it('is encoded whole', () => {
    expect(pathSegment('gemini-2.5-pro')).toBe('gemini-2.5-pro');
    expect(pathSegment('a/b?c#d%2f..:e')).toBe('a%2Fb%3Fc%23d%252f..%3Ae');
  });

  it.each(['', '.', '..'])('is never "%s"', (text) => {
    expect(() => pathSegment(text)).toThrow();
  });
});
