import { isCrossSite } from './cross-site.ts';

describe('a cross-site request', () => {
  it.each([
    [{ host: 'relay:3000' }, false],
    [{ host: 'relay:3000', origin: 'http://relay:3000' }, false],
    [{ host: 'Relay:3000', origin: 'http://relay:3000' }, false],
    [{ host: 'relay', 'sec-fetch-site': 'same-origin', origin: 'https://relay' }, false],
    [{ host: 'relay:3000', origin: 'http://evil.example' }, true],
    [{ host: 'relay:3000', origin: 'http://relay:3001' }, true],
    [{ host: 'relay:3000', origin: 'null' }, true],
    [{ host: 'relay:3000', origin: 'x/#@relay:3000' }, true],
    [{ origin: 'http://relay' }, true],
    [{ host: 'relay', 'sec-fetch-site': 'cross-site' }, true],
  ])('%j: %s', (headers, expected) => {
    expect(isCrossSite(headers)).toBe(expected);
  });
});
