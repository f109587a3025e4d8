import { once } from 'node:events';
import type { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import {
  answersIn,
  askRaw,
  exchangeBytes,
  type HeaderLines,
  openSocket,
  type RawAnswer,
  rawRequest,
  readAll,
} from '../support/raw-http.ts';
import { admin, ADMIN_TOKEN, Rehearsal } from '../support/relay.ts';
import { bothersNobody, traces } from '../support/untouched.ts';

/** HTTP used against the relay: framing, sizes, slowness, spellings. Bytes on sockets; no client library in between. */

const MIB = 1024 * 1024;
const MODEL = 'claude-sonnet-5';
const HELLO = JSON.stringify({
  model: MODEL,
  max_tokens: 16,
  messages: [{ role: 'user', content: 'Hello' }],
});
const GEMINI_HELLO = JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] });
const GENERATE = '/v1beta/models/gemini-2.5-flash:generateContent';

let rehearsal: Rehearsal;
let key: string;
let credential: HeaderLines;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount();
  await rehearsal.geminiAccount();
  key = (await rehearsal.key()).key;
  credential = [
    ['x-api-key', key],
    ['anthropic-version', '2023-06-01'],
  ];
});
afterAll(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

const typeOf = (answer: RawAnswer | undefined): unknown =>
  (JSON.parse(answer?.body ?? '{}') as { error?: { type?: unknown } }).error?.type;
const statusOf = (answer: RawAnswer | undefined): unknown =>
  (JSON.parse(answer?.body ?? '{}') as { error?: { status?: unknown } }).error?.status;
const lines = (...all: string[]): string => `${all.join('\r\n')}\r\n`;

const post = (...headers: string[]): string =>
  lines('POST /v1/messages HTTP/1.1', 'host: relay', `x-api-key: ${key}`, ...headers, '');
const body = HELLO;
const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

describe('a request whose end two readers could see in two places (B9)', () => {
  bothersNobody(() => rehearsal);

  /** What must never be answered, nor reach an upstream. */
  const smuggled = (): string => lines('GET /v1/models HTTP/1.1', 'host: relay', `x-api-key: ${key}`, '');

  it.each<[string, () => string]>([
    [
      'a length and chunks',
      () => post(`content-length: ${body.length}`, 'transfer-encoding: chunked') + chunked,
    ],
    ['chunks and a length', () => post('transfer-encoding: chunked', 'content-length: 0') + chunked],
    ['two lengths', () => post('content-length: 5', `content-length: ${body.length}`) + body],
    [
      'twice the same length',
      () => post(`content-length: ${body.length}`, `content-length: ${body.length}`) + body,
    ],
    ['a list of lengths', () => post(`content-length: ${body.length}, ${body.length}`) + body],
    ['a signed length', () => post(`content-length: +${body.length}`) + body],
    ['a negative length', () => post('content-length: -1') + body],
    ['a hexadecimal length', () => post('content-length: 0x10') + body],
    ['a length beyond 64 bits', () => post('content-length: 99999999999999999999') + body],
    ['an unknown coding', () => post('transfer-encoding: xchunked') + chunked],
    ['chunked, but not last', () => post('transfer-encoding: chunked, identity') + chunked],
    ['chunked twice', () => post('transfer-encoding: chunked', 'transfer-encoding: chunked') + chunked],
    ['a coding with a space before its colon', () => post('transfer-encoding : chunked') + chunked],
    ['a length with a space before its colon', () => post(`content-length : ${body.length}`) + body],
    ['a coding behind a control character', () => post('transfer-encoding: \x0bchunked') + chunked],
    ['a folded header', () => post('transfer-encoding:', ' chunked') + chunked],
    ['a folded value', () => post('x-a: b', `\tc`, `content-length: ${body.length}`) + body],
    [
      'a head with bare line feeds',
      () => post(`content-length: ${body.length}`).replaceAll('\r\n', '\n') + body,
    ],
    ['one bare line feed in the head', () => post(`x-a: b\ncontent-length: ${body.length}`) + body],
    ['a bare carriage return in the head', () => post(`x-a: b\rcontent-length: 0`) + body],
    ['a line feed in the middle of a value', () => post('x-a: b\n c: d') + body],
    ['NUL in a value', () => post('x-a: b\0c', `content-length: ${body.length}`) + body],
    ['NUL in a name', () => post('x-\0a: b', `content-length: ${body.length}`) + body],
    ['a header without a name', () => post(': x', `content-length: ${body.length}`) + body],
    ['a line that is no header', () => post('no header here', `content-length: ${body.length}`) + body],
    ['a chunk size that is none', () => post('transfer-encoding: chunked') + `zz\r\n${body}\r\n0\r\n\r\n`],
    ['a chunk size with a sign', () => post('transfer-encoding: chunked') + `-5\r\n${body}\r\n0\r\n\r\n`],
    [
      'a chunk size of 20 digits',
      () => post('transfer-encoding: chunked') + `fffffffffffffffffff\r\n${body}\r\n0\r\n\r\n`,
    ],
    ['a chunk longer than its size', () => post('transfer-encoding: chunked') + `5\r\n${body}\r\n0\r\n\r\n`],
    ['a method of its own', () => `FOO /v1/models HTTP/1.1\r\nhost: relay\r\n\r\n`],
    ['a method in small letters', () => `get /v1/models HTTP/1.1\r\nhost: relay\r\n\r\n`],
    ['a version that does not exist', () => 'GET /v1/models HTTP/1.7\r\nhost: relay\r\n\r\n'],
    ['what only begins like HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\rX'],
    ['no version', () => 'GET /v1/models\r\n\r\n'],
    ['a TLS hello', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(200, '\x00')],
  ])('is refused with 400, and nothing after it is read: %s', async (_, bytes) => {
    const { answers } = await exchangeBytes(rehearsal.url, bytes() + smuggled() + smuggled());
    expect(answers.map(({ status }) => status)).toEqual([400]);
    expect(answers[0]?.body).not.toMatch(/data/);
  });

  it('is not one without a host, which is refused all the same', async () => {
    const bytes = lines('GET /v1/models HTTP/1.1', `x-api-key: ${key}`, '');
    const { answers } = await exchangeBytes(rehearsal.url, bytes);
    expect(answers.map(({ status }) => status)).toEqual([400]);
  });
});

describe('what HTTP/1.1 allows', () => {
  it('is several requests on one connection at once, each with its own identity', async () => {
    const length = `content-length: ${body.length}`;
    const bytes = [
      post('anthropic-version: 2023-06-01', length) + body,
      lines('GET /v1/models HTTP/1.1', 'host: relay', ''),
      post('anthropic-version: 2023-06-01', 'transfer-encoding: chunked') + chunked,
      lines('GET /v1/models HTTP/1.1', 'host: relay', 'connection: close', 'x-api-key: rk_x', ''),
    ].join('');
    const { answers } = await exchangeBytes(rehearsal.url, bytes);
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200, 401]);
  });

  it('is version 1.0, an upgrade that is not taken, and 100-continue', async () => {
    const asked = [`x-api-key: ${key}`, 'connection: close'];
    for (const bytes of [
      lines('GET /v1/models HTTP/1.0', ...asked, ''),
      lines(
        'GET /v1/models HTTP/1.1',
        'host: relay',
        `x-api-key: ${key}`,
        'connection: upgrade, close',
        'upgrade: websocket',
        '',
      ),
      lines(
        'GET /v1/models HTTP/1.1',
        'host: relay',
        `x-api-key: ${key}`,
        'connection: upgrade, http2-settings, close',
        'upgrade: h2c',
        'http2-settings: AAMAAABk',
        '',
      ),
      post(
        'anthropic-version: 2023-06-01',
        'connection: close',
        'expect: 100-continue',
        `content-length: ${body.length}`,
      ) + body,
    ]) {
      const { answers } = await exchangeBytes(rehearsal.url, bytes);
      expect(answers.map(({ status }) => status)).toEqual([200]);
    }
  });
});

describe('a head that is too large (B10)', () => {
  it.each<[string, () => string[]]>([
    ['one header of 64 KB', () => [`x-a: ${'a'.repeat(64 * 1024)}`]],
    ['a name of 64 KB', () => [`${'a'.repeat(64 * 1024)}: a`]],
    ['5,000 headers', () => Array.from({ length: 5_000 }, (_, i) => `x-${i}: a`)],
    ['5,000 of the shortest headers', () => Array<string>(5_000).fill('a:')],
  ])('is refused with 431: %s', async (_, headers) => {
    const bytes = lines('GET /v1/models HTTP/1.1', 'host: relay', `x-api-key: ${key}`, ...headers(), '');
    const { answers } = await exchangeBytes(rehearsal.url, bytes);
    expect(answers.map(({ status }) => status)).toEqual([431]);
  });

  it('is refused with a target of 64 KB', async () => {
    const { answers } = await exchangeBytes(
      rehearsal.url,
      rawRequest('GET', `/v1/models?key=${'x'.repeat(64 * 1024)}`),
    );
    expect(answers.map(({ status }) => status)).toEqual([431]);
  });

  it('has no header that goes unseen behind many others', async () => {
    for (const [count, status] of [
      [900, 401],
      [2_500, 431],
    ] as const) {
      const answer = await askRaw(rehearsal.url, 'GET', '/v1/models', [
        ...credential,
        ...Array.from({ length: count }, () => ['a', ''] as const),
        ['api-key', `rk_${'x'.repeat(43)}`],
      ]);
      expect(answer.status).toBe(status);
    }
  });
});

describe('a path in another spelling (B12)', () => {
  bothersNobody(() => rehearsal);

  const SPELLINGS: readonly [string, string][] = [
    '/v1/%6dessages',
    '/%76%31/messages',
    '/V1/messages',
    '/v1/MESSAGES',
    '//v1/messages',
    '/v1//messages',
    '//v1//messages//',
    '/v1/messages/',
    '/v1/messages.',
    '/v1/messages;a=b',
    '/v1/messages%2f',
    '/v1/messages%00',
    '/v1/messages%20',
    '/v1%2fmessages',
    '/./v1/messages',
    '/v1/./messages',
    '/v1/../v1/messages',
    '/x/..;/v1/messages',
    '/claude/../v1/messages',
    '/claude//v1/messages',
    '/Claude/v1/messages',
    '/v1\\messages',
    '/v1beta/../v1/messages',
  ].map((target) => ['POST', target] as [string, string]);
  const OTHERS: readonly [string, string][] = [
    ['GET', '/%61dmin/v1/keys'],
    ['GET', '/v1/..;/admin/v1/keys'],
    ['GET', '/v1/../admin/v1/keys'],
    ['GET', '/v1beta/models/..%2f..%2fadmin/v1/keys'],
    ['GET', '/admin./v1/keys'],
    ['GET', '/admin/v1/keys%00'],
    ['GET', '/ME'],
    ['GET', '/me/'],
    ['GET', '//me'],
    ['GET', '/%6de'],
    ['GET', '/METRICS'],
    ['GET', '/metrics/'],
    ['GET', '/%6detrics'],
    ['GET', '/DOCS'],
    ['GET', '/docs/'],
    ['GET', '/docs//'],
    ['GET', '/%64ocs'],
    ['GET', '/docs/swagger-ui-init.js'],
    ['GET', '/docs/..%2fpackage.json'],
    ['GET', '/docs/../openapi.json'],
    ['GET', '/openapi.json/'],
    ['GET', '/OPENAPI.JSON'],
    ['GET', '/openapi.json%00'],
    ['GET', '/openapi%2ejson'],
    ['GET', '/V1beta/models'],
    ['GET', '/v1beta/models/'],
    ['GET', '/v1beta//models'],
    ['GET', '/v1/models/'],
    ['GET', '/v1/Models'],
  ];

  const opened = async (headers: HeaderLines, closed: readonly number[]): Promise<unknown[]> => {
    const open: unknown[] = [];
    for (const [method, target] of [...SPELLINGS, ...OTHERS]) {
      const { status, body: told } = await askRaw(
        rehearsal.url,
        method,
        target,
        headers,
        method === 'POST' ? HELLO : '',
      );
      if (!closed.includes(status) || /"data"|items|openapi"|swagger/.test(told)) open.push([target, status]);
    }
    return open;
  };

  it('opens nothing without a credential', async () => {
    expect(await opened([], [401, 404])).toEqual([]);
  });

  it('opens nothing more with a key of no doors', async () => {
    const closed = await rehearsal.key({ scopes: [] });
    expect(await opened([['x-api-key', closed.key]], [401, 403, 404])).toEqual([]);
  });

  it('is no other way to what a key may use', async () => {
    const allowed = (await rehearsal.key({ models: ['claude-haiku-*'] })).key;
    expect(await opened([['x-api-key', allowed]], [401, 404])).toEqual([]);
  });
});

describe('the request target', () => {
  it('may be in absolute form, whatever host it names', async () => {
    const before = rehearsal.simulator.requests.length;
    const absolute = async (method: string, path: string, body = ''): Promise<number> =>
      (await askRaw(rehearsal.url, method, `http://evil.example:1${path}`, credential, body)).status;
    expect(await absolute('POST', '/v1/messages', HELLO)).toBe(200);
    expect(await absolute('POST', GENERATE, GEMINI_HELLO)).toBe(200);
    expect(await absolute('GET', '/v1beta/models/gemini-2.5-flash')).toBe(200);
    expect(await absolute('GET', '/v1/models/claude-sonnet-5')).toBe(200);
    expect(await absolute('GET', '/admin/v1/keys')).toBe(401);
    expect(await absolute('GET', '')).toBe(404);
    const seen = rehearsal.simulator.requests.slice(before);
    expect(seen.map(({ headers }) => headers.host)).toEqual(
      seen.map(() => new URL(rehearsal.simulator.url).host),
    );
    expect(seen.some(({ url }) => url.includes('evil'))).toBe(false);
  });

  it.each([
    ['OPTIONS', '*', 404],
    ['GET', '*', 404],
    ['GET', 'http://[::', 404],
    ['GET', 'http://[::/x?y#z', 404],
    ['GET', 'relay:80', 400],
    ['GET', '?x', 400],
    ['TRACE', '/v1/messages', 404],
  ])('that names nothing is refused: %s %s', async (method, target, status) => {
    const { answers, text } = await exchangeBytes(rehearsal.url, rawRequest(method, target, credential));
    expect(answers.map((answer) => answer.status)).toEqual([status]);
    expect(text).not.toContain(key);
    expect(text).not.toMatch(/text\/html|node_modules/);
  });

  it('of CONNECT is not connected', async () => {
    const { text } = await exchangeBytes(
      rehearsal.url,
      lines('CONNECT 127.0.0.1:1 HTTP/1.1', 'host: relay', `x-api-key: ${key}`, ''),
    );
    expect(text).not.toMatch(/^HTTP\/1\.1 2/);
  });
});

describe('methods', () => {
  const POSTS = [
    '/v1/messages',
    '/claude/v1/messages',
    '/v1/messages/count_tokens',
    GENERATE,
    '/gemini/v1/models/gemini-2.5-flash:streamGenerateContent',
    '/v1beta/tunedModels/sim-x:generateContent',
  ];
  const GETS = [
    '/v1/models',
    '/v1/models/claude-sonnet-5',
    '/claude/v1/models',
    '/claude/v1/models/claude-sonnet-5',
    '/v1beta/models',
    '/gemini/v1beta/models',
    '/gemini/v1/models',
    '/v1beta/models/gemini-2.5-flash',
  ];

  it.each(GETS)('HEAD %s is GET without its body', async (path) => {
    const head = await askRaw(rehearsal.url, 'HEAD', path, credential);
    const get = await askRaw(rehearsal.url, 'GET', path, credential);
    expect([head.status, get.status, head.body]).toEqual([200, 200, '']);
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
    expect((await askRaw(rehearsal.url, 'HEAD', path)).status).toBe(401);
  });

  it('that a path does not know are 404 there, and nothing is granted to other origins', async () => {
    const before = await traces(rehearsal);
    const foreign: HeaderLines = [
      ...credential,
      ['origin', 'http://evil.example'],
      ['access-control-request-method', 'POST'],
    ];
    const others = ['OPTIONS', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'PURGE', 'LINK'];
    for (const path of [...POSTS, ...GETS]) {
      for (const method of POSTS.includes(path) ? [...others, 'HEAD', 'GET'] : others) {
        const answer = await askRaw(rehearsal.url, method, path, foreign);
        expect([path, method, answer.status]).toEqual([path, method, 404]);
        expect(answer.headers['content-type']).toMatch(/^application\/json/);
        expect(Object.keys(answer.headers).filter((name) => /^(access-control|allow)/.test(name))).toEqual(
          [],
        );
      }
    }
    const served = await askRaw(rehearsal.url, 'GET', '/v1/models', foreign);
    expect(served.status).toBe(200);
    expect(Object.keys(served.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(await traces(rehearsal)).toEqual(before);
  });
});

describe('what a client says of itself and of hosts (A11, S2)', () => {
  const CLAIMS: HeaderLines = [
    ['x-forwarded-host', 'evil.example'],
    ['x-forwarded-proto', 'https'],
    ['x-forwarded-for', '10.0.0.1'],
    ['x-forwarded-prefix', '/admin'],
    ['forwarded', 'for=10.0.0.1;host=evil.example'],
    ['x-real-ip', '10.0.0.1'],
    ['x-original-url', '/admin/v1/keys'],
    ['x-rewrite-url', '/admin/v1/keys'],
    ['x-http-method-override', 'DELETE'],
    ['x-upstream-url', 'http://evil.example'],
    ['x-base-url', 'http://evil.example'],
    ['x-goog-user-project', 'evil'],
    ['proxy-authorization', 'Basic eDp4'],
    ['via', '1.1 evil'],
  ];

  it('has no effect on who serves, nor does it reach an upstream', async () => {
    for (const host of ['x/#@y', 'evil.example', '127.0.0.1:1', '[::1', 'x y']) {
      const before = rehearsal.simulator.requests.length;
      const body = HELLO.replace('{', '{"base_url":"http://evil.example","api_base":"http://evil.example",');
      for (const [target, sent] of [
        ['/v1/messages/count_tokens', body],
        [GENERATE, GEMINI_HELLO],
      ] as const) {
        const answer = await askRaw(
          rehearsal.url,
          'POST',
          target,
          [['host', host], ...credential, ...CLAIMS],
          sent,
        );
        expect(answer.headers['x-relay-attempts']).toBe('1');
        expect(Object.values(answer.headers).join()).not.toMatch(/evil|x\/#@y/);
      }
      const seen = rehearsal.simulator.requests.slice(before);
      expect(seen).toHaveLength(2);
      for (const { headers } of seen) {
        expect(headers.host).toBe(new URL(rehearsal.simulator.url).host);
        expect(Object.keys(headers).filter((name) => CLAIMS.some(([claim]) => claim === name))).toEqual([]);
        expect(JSON.stringify(headers)).not.toMatch(/evil|10\.0\.0\.1/);
      }
    }
  });

  it('has no effect on routes and guards', async () => {
    for (const host of ['x/#@y', 'relay']) {
      expect((await askRaw(rehearsal.url, 'GET', '/me', [['host', host], ...CLAIMS])).status).toBe(401);
      const answer = await askRaw(rehearsal.url, 'GET', '/health/live', [['host', host], ...CLAIMS]);
      expect(JSON.parse(answer.body)).toEqual({ status: 'ok' });
    }
  });

  it('gives a guesser no fresh address for each guess', async () => {
    const there = await rehearsal.addReplica();
    expect((await admin(there.url, 'GET', '/keys')).status).toBe(200);
    const statuses: number[] = [];
    for (let i = 0; i < 140; i += 1) {
      const headers: HeaderLines = [
        ['authorization', `Bearer ra_${String(i).padStart(43, 'x')}`],
        ['x-forwarded-for', `10.0.0.${i}`],
        ['forwarded', `for=10.0.0.${i}`],
      ];
      statuses.push((await askRaw(there.url, 'GET', '/admin/v1/keys', headers)).status);
    }
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect((await admin(there.url, 'GET', '/keys', undefined, ADMIN_TOKEN)).status).toBe(200);
  });
});

describe('a body over the limit (B7)', () => {
  const LIMIT = MIB;
  let url: string;
  beforeAll(async () => {
    url = (await rehearsal.addReplica({ RELAY_MAX_BODY_BYTES: String(LIMIT) })).url;
  });

  const padded = (length: number): string => {
    const [start, end] = HELLO.split('Hello') as [string, string];
    return start + 'x'.repeat(length - start.length - end.length) + end;
  };

  it('is refused by its length before it is sent', async () => {
    const before = await traces(rehearsal);
    for (const target of ['/v1/messages', GENERATE]) {
      const socket = await openSocket(url);
      const read = readAll(socket);
      socket.write(rawRequest('POST', target, [...credential, ['content-length', String(LIMIT + 1)]]));
      await once(socket, 'data');
      const [answer] = answersIn(await (socket.end(), read));
      expect(answer?.status).toBe(413);
      expect(target === GENERATE ? statusOf(answer) : typeOf(answer)).toBe(
        target === GENERATE ? 'INVALID_ARGUMENT' : 'request_too_large',
      );
    }
    expect(await traces(rehearsal)).toEqual(before);
  });

  it('is refused while it comes in chunks without a length, and the client reads so though it goes on', async () => {
    const before = await traces(rehearsal);
    for (const target of ['/v1/messages', GENERATE]) {
      const socket = await openSocket(url);
      const read = readAll(socket);
      socket.write(rawRequest('POST', target, [...credential, ['transfer-encoding', 'chunked']]));
      const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 'x'), Buffer.from('\r\n')]);
      for (let sent = 0; sent < 64; sent += 1) {
        if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
      }
      socket.write('0\r\n\r\n');
      const [answer] = answersIn(await read);
      expect(answer?.status).toBe(413);
    }
    expect(await traces(rehearsal)).toEqual(before);
  });

  it('is none at the limit itself', async () => {
    const body = padded(LIMIT);
    expect((await askRaw(url, 'POST', '/v1/messages', credential, body)).status).toBe(200);
    expect(rehearsal.simulator.requests.at(-1)?.bodyBytes).toBe(LIMIT);
    expect((await askRaw(url, 'POST', '/v1/messages', credential, `${body} `)).status).toBe(413);
  });
});

describe('a client that is slow', () => {
  let url: string;
  beforeAll(async () => {
    const slow = { RELAY_REQUEST_HEADERS_TIMEOUT_MS: '500', RELAY_BODY_IDLE_TIMEOUT_MS: '400' };
    url = (await rehearsal.addReplica(slow)).url;
  });

  it('with its head, 200 times over, is closed by the clock, and others are served meanwhile (B13)', async () => {
    const began = performance.now();
    const sockets = await Promise.all(Array.from({ length: 200 }, () => openSocket(url)));
    const reads = Promise.all(sockets.map((socket) => readAll(socket, 15_000)));
    let at = 0;
    const head = lines('POST /v1/messages HTTP/1.1', 'host: relay', `x-a: ${'a'.repeat(10_000)}`);
    // The last twenty never say anything at all.
    const drip = setInterval(() => {
      for (const socket of sockets.slice(0, 180)) if (socket.writable) socket.write(head.charAt(at));
      at += 1;
    }, 50);
    const served: number[] = [];
    let open = 0;
    for (let i = 0; i < 10; i += 1) {
      open = Math.max(open, sockets.filter((socket) => !socket.closed).length);
      served.push((await askRaw(url, 'POST', '/v1/messages', credential, HELLO)).status);
    }
    const texts = await reads;
    clearInterval(drip);
    expect(served).toEqual(Array(10).fill(200));
    expect(open).toBeGreaterThan(0);
    for (const text of texts) expect(text).toMatch(/^(HTTP\/1\.1 408 |$)/);
    // 0.5 s of patience and as much until the next look; ten times that is a sign of life, not of speed.
    expect(performance.now() - began).toBeLessThan(15_000);
  });

  it('with its body gets 408 in the dialect of the door, and holds no place meanwhile (B14)', async () => {
    const before = await traces(rehearsal);
    const trickle = async (target: string, first: string): Promise<RawAnswer | undefined> => {
      const socket = await openSocket(url);
      const read = readAll(socket, 10_000);
      socket.write(rawRequest('POST', target, [...credential, ['content-length', '5000']], ''));
      socket.write(first);
      const drip = setInterval(() => socket.writable && socket.write(' '), 40);
      const text = await read;
      clearInterval(drip);
      return answersIn(text)[0];
    };
    const answers = Promise.all([
      trickle('/v1/messages', '{'),
      trickle(GENERATE, '{'),
      trickle('/v1/messages/count_tokens', ''),
    ]);
    await sleep(200);
    expect(await traces(rehearsal)).toEqual(before);
    const [messages, generate, count] = await answers;
    expect([messages?.status, typeOf(messages)]).toEqual([408, 'timeout_error']);
    expect([generate?.status, statusOf(generate)]).toEqual([408, 'DEADLINE_EXCEEDED']);
    expect([count?.status, typeOf(count)]).toEqual([408, 'timeout_error']);
    expect(messages?.headers['connection']).toBe('close');
    expect(await traces(rehearsal)).toEqual(before);
  });

  it('that leaves in the middle of its body leaves nothing behind', async () => {
    const before = await traces(rehearsal);
    for (const how of ['end', 'resetAndDestroy'] as const) {
      const socket = await openSocket(url);
      socket.write(rawRequest('POST', '/v1/messages', [...credential, ['content-length', '5000']]));
      socket.write(HELLO);
      await sleep(50);
      socket[how]();
      await once(socket.resume(), 'close');
    }
    expect(await traces(rehearsal)).toEqual(before);
  });
});

describe('bodies of 32 MB, 20 at once (L4)', () => {
  const SIZE = 32 * MIB;
  let url: string;
  beforeAll(async () => {
    url = (await rehearsal.addReplica({ RELAY_MAX_BODIES_BYTES: String(2 * SIZE) })).url;
  });

  const big = (): { first: Buffer; rest: Buffer } => {
    const [start, end] = HELLO.split('Hello') as [string, string];
    const rest = Buffer.alloc(SIZE - start.length, 'x');
    rest.write(end, rest.length - end.length);
    return { first: Buffer.from(start), rest };
  };
  const open = async (length: number, first: Buffer, target = '/v1/messages') => {
    const socket = (await openSocket(url)).once('data', () => socket.end());
    const text = readAll(socket, 25_000);
    socket.write(rawRequest('POST', target, [...credential, ['content-length', String(length)]]));
    socket.write(first);
    return { socket, answer: text.then((all) => answersIn(all)[0]) };
  };
  const small = (): Promise<RawAnswer> => askRaw(url, 'POST', '/v1/messages', credential, HELLO);

  it('are taken as far as the budget goes; the rest is told to come again, and all memory comes back', async () => {
    const { first, rest } = big();
    const asked: { socket: Socket; answer: Promise<RawAnswer | undefined> }[] = [];
    const answered: (RawAnswer | undefined)[] = [];
    for (let i = 0; i < 20; i += 1) {
      const one = await open(SIZE, first, i % 2 === 0 ? '/v1/messages' : GENERATE);
      asked.push(one);
      void one.answer.then((answer) => answered.push(answer));
    }
    await eventually(() => expect(answered).toHaveLength(18));
    for (const answer of answered) {
      expect(answer?.status).toBe(503);
      expect(Number(answer?.headers['retry-after'])).toBeGreaterThan(0);
    }
    expect(answered.filter((answer) => typeOf(answer) === 'overloaded_error').length).toBeGreaterThan(0);
    expect(answered.filter((answer) => statusOf(answer) === 'UNAVAILABLE').length).toBeGreaterThan(0);
    expect((await small()).status).toBe(503);

    const held = asked.filter(({ socket }) => !socket.closed);
    expect(held).toHaveLength(2);
    for (const { socket } of held) socket.write(rest);
    const served = await Promise.all(held.map(({ answer }) => answer));
    expect(served.map((answer) => answer?.status).every((status) => status === 200 || status === 400)).toBe(
      true,
    );
    expect((await small()).status).toBe(200);
  });

  it('give their memory back when refused, and when their clients leave', async () => {
    const { first } = big();
    const held = await Promise.all([open(SIZE, first), open(SIZE, first)]);
    await eventually(async () => expect((await small()).status).toBe(503));
    held[0]?.socket.destroy();
    held[1]?.socket.resetAndDestroy();
    await eventually(async () => expect((await small()).status).toBe(200));

    const broken = await Promise.all([open(SIZE, first), open(SIZE, first)]);
    const nonsense = Buffer.alloc(SIZE - first.length, ' ');
    for (const { socket } of broken) socket.write(nonsense);
    expect((await Promise.all(broken.map(({ answer }) => answer))).map((answer) => answer?.status)).toEqual([
      400, 400,
    ]);
    expect((await small()).status).toBe(200);
  });

  it('are counted as they come where no length tells', async () => {
    const { first } = big();
    const chunk = Buffer.alloc(4 * MIB, 'x');
    const framed = (bytes: Buffer): Buffer =>
      Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
    const sockets = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = (await openSocket(url)).once('data', () => socket.end());
        const text = readAll(socket, 25_000);
        socket.write(rawRequest('POST', '/v1/messages', [...credential, ['transfer-encoding', 'chunked']]));
        socket.write(framed(first));
        socket.write(framed(chunk));
        return { socket, text };
      }),
    );
    await eventually(() => expect(sockets.some(({ socket }) => socket.closed)).toBe(true));
    for (const { socket } of sockets) if (!socket.closed) socket.write(Buffer.from('0\r\n\r\n'));
    const statuses = await Promise.all(sockets.map(async ({ text }) => answersIn(await text)[0]?.status));
    expect(new Set(statuses)).toEqual(new Set([400, 503]));
    expect(statuses.filter((status) => status === 400).length).toBeGreaterThanOrEqual(15);
    expect((await small()).status).toBe(200);
  });
});

describe('a body of 30 MB', () => {
  /** 50 ms is the promise on a machine that is not shared; ten times that is only a sign of life. */
  const LONGEST_MS = 500;

  it.each<[string, () => string]>([
    ['one long string', () => `"${'x'.repeat(30 * MIB)}"`],
    ['fifteen million numbers', () => `[${'1,'.repeat(15 * MIB)}1]`],
    ['characters of three bytes', () => `"${'–'.repeat(10 * MIB)}"`],
    ['escapes', () => `"${'\\u00e9'.repeat(5 * MIB)}"`],
  ])('is read without keeping others waiting: %s', async (what, value) => {
    // Refused at its very end, so that what is timed is the relay's reading and not the simulator's.
    const body = Buffer.from(`{"model":"${MODEL}","messages":[],"x":${value()},"max_tokens":-1}`);
    const bytes = rawRequest('POST', '/v1/messages', credential, body);
    const longest = async (): Promise<number> => {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      const { answers } = await exchangeBytes(rehearsal.url, bytes);
      delay.disable();
      expect([answers[0]?.status, answers[0]?.body]).toEqual([400, expect.stringContaining('max_tokens: ')]);
      return Math.round(delay.max / 1e6);
    };
    let ms = await longest();
    // A neighbour on the machine may have taken the processor once; what the relay does, it does each time.
    for (let again = 0; ms >= LONGEST_MS && again < 2; again += 1) ms = Math.min(ms, await longest());
    process.stdout.write(`  the event loop waited ${ms} ms at most for 30 MB of ${what}\n`);
    expect(ms).toBeLessThan(LONGEST_MS);
  });
});
