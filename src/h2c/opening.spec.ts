import { openingOf } from './opening.ts';

describe('the first bytes of a connection', () => {
  it.each([
    ['', 'unknown'],
    ['P', 'unknown'],
    ['PR', 'unknown'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r', 'unknown'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0', 'http2'],
    ['POST / HTTP/1.1', 'http1'],
    ['PROPFIND', 'http1'],
    ['PRI * HTTP/1.1\r\n', 'http1'],
    ['\x16\x03\x01', 'http1'],
    ['\r\nPRI', 'http1'],
  ])('%j are of %s', (text, opening) => {
    expect(openingOf(Buffer.from(text, 'latin1'))).toBe(opening);
  });
});
