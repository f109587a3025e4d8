import { answerHeaders, requestLines } from './request-lines.ts';

const PSEUDO = [':method', 'POST', ':path', '/x?y=1', ':scheme', 'http', ':authority', 'relay:3000'];
const lines = (more: readonly string[], ended = false) => requestLines([...PSEUDO, ...more], ended);
const withPseudo = (name: string, value: string): string[] =>
  PSEUDO.map((part, at) => (PSEUDO[at - 1] === name ? value : part));

describe('a request over HTTP/2', () => {
  it('has its authority for a host and its headers in their order, each as often as it came', () => {
    expect(lines(['x-api-key', 'a', 'accept', '*/*', 'x-api-key', 'b', 'te', 'trailers'])).toEqual({
      method: 'POST',
      path: '/x?y=1',
      length: undefined,
      headers: [
        ...['host', 'relay:3000', 'x-api-key', 'a', 'accept', '*/*', 'x-api-key', 'b'],
        ...['transfer-encoding', 'chunked', 'connection', 'close'],
      ],
    });
  });

  it('has the length that it tells, and no body where it ended with its head', () => {
    expect(lines(['content-length', '5'])).toMatchObject({
      length: 5,
      headers: ['host', 'relay:3000', 'content-length', '5', 'connection', 'close'],
    });
    expect(lines([], true)?.headers).toEqual(['host', 'relay:3000', 'connection', 'close']);
    expect(lines(['content-length', '0'], true)?.length).toBe(0);
  });

  it('has one cookie, and one host however often it was told', () => {
    expect(lines(['cookie', 'a=1', 'cookie', 'b=2', 'host', 'RELAY:3000'], true)?.headers).toEqual([
      'host',
      'relay:3000',
      'cookie',
      'a=1; b=2',
      'connection',
      'close',
    ]);
    const bare = requestLines([':method', 'GET', ':path', '/', ':scheme', 'http', 'host', 'h'], true);
    expect(bare?.headers).toEqual(['host', 'h', 'connection', 'close']);
  });

  it.each<[string, readonly string[]]>([
    ['a line break in a value', ['x-a', 'b\r\nx-api-key: stolen']],
    ['a line feed in a value', ['x-a', 'b\nc']],
    ['NUL in a value', ['x-a', 'b\0']],
    ['a control character in a value', ['x-a', 'b\x1b[0m']],
    ['a line break in a name', ['x-a: b\r\nx-api-key', 'c']],
    ['a colon in a name', ['x-a:', 'c']],
    ['a space in a name', ['x a', 'c']],
    ['capitals in a name', ['X-Api-Key', 'c']],
    ['a name of no length', ['', 'c']],
    ['transfer-encoding', ['transfer-encoding', 'chunked']],
    ['transfer-encoding beside a length', ['content-length', '5', 'transfer-encoding', 'identity']],
    ['connection', ['connection', 'x-api-key']],
    ['keep-alive', ['keep-alive', 'timeout=9']],
    ['proxy-connection', ['proxy-connection', 'close']],
    ['upgrade', ['upgrade', 'websocket']],
    ['te of another kind', ['te', 'gzip']],
    ['two lengths', ['content-length', '5', 'content-length', '5']],
    ['a list of lengths', ['content-length', '5, 5']],
    ['a signed length', ['content-length', '+5']],
    ['a hexadecimal length', ['content-length', '0x5']],
    ['a length beyond all bounds', ['content-length', '9'.repeat(16)]],
    ['another host', ['host', 'elsewhere']],
    ['a pseudo header twice', [':path', '/y']],
  ])('is malformed with %s', (_, more) => {
    expect(lines(more)).toBeUndefined();
  });

  it('is malformed with a length for a body that it does not have', () => {
    expect(lines(['content-length', '5'], true)).toBeUndefined();
  });

  it.each([
    [':method', 'GET /admin HTTP/1.1\r\nx:'],
    [':method', ''],
    [':method', 'CONNECT'],
    [':path', ''],
    [':path', 'x'],
    [':path', '*'],
    [':path', '/x y'],
    [':path', '/x HTTP/1.1\r\nx-api-key: y'],
    [':path', '/\t'],
    [':path', '/é'],
    [':path', 'http://elsewhere/x'],
    [':authority', 'relay\r\nx: y'],
  ])('is malformed with %s %j', (name, value) => {
    expect(requestLines(withPseudo(name, value), true)).toBeUndefined();
  });

  it('may be OPTIONS of everything', () => {
    const raw = [':method', 'OPTIONS', ':path', '*', ':scheme', 'http', ':authority', 'r'];
    expect(requestLines(raw, true)).toMatchObject({ method: 'OPTIONS', path: '*' });
  });
});

describe('an answer over HTTP/2', () => {
  it('has the headers of the server’s, in lower case and without those of the hop', () => {
    const raw = [
      ...['Content-Type', 'text/plain', 'Connection', 'close', 'Transfer-Encoding', 'chunked'],
      ...['Keep-Alive', 'timeout=5', 'Vary', 'a', 'vary', 'b', 'VARY', 'c'],
    ];
    expect(answerHeaders(raw)).toEqual({ 'content-type': 'text/plain', vary: ['a', 'b', 'c'] });
  });
});
