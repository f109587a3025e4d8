import { readableTarget } from './request-head.ts';

describe('a request target', () => {
  it.each(['/', '/v1/messages?beta=true', '/v1beta/models/m%3AcountTokens', '*', '//v1//', '/a?b=%zz'])(
    'stays as it is: %s',
    (target) => {
      expect(readableTarget(target)).toBe(target);
    },
  );

  it.each([
    ['http://relay/v1/messages?beta=true', '/v1/messages?beta=true'],
    ['HTTPS://user@evil.example:99999/admin/v1/keys', '/admin/v1/keys'],
    ['http://relay', '/'],
    ['http://relay?key=x', '/?key=x'],
    ['http:///v1/models', '/v1/models'],
  ])('is its path in absolute form: %s', (target, path) => {
    expect(readableTarget(target)).toBe(path);
  });

  it.each([
    ['/v1beta/models/%ff:generateContent?alt=sse', '/v1beta'],
    ['/claude/%', '/claude'],
    ['http://relay/v1/%zz', '/v1'],
    ['/%c0%ae/admin', '/'],
  ])('is its first segment where it cannot be decoded: %s', (target, first) => {
    expect(readableTarget(target)).toBe(first);
  });
});
