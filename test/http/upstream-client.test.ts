import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { HttpService } from '@nestjs/axios';
import { AddressPolicy } from '../../src/upstream/address-policy.ts';
import { createAxios } from '../../src/upstream/axios-adapter.ts';
import type { DialerOptions } from '../../src/upstream/dialer.ts';
import { Egress } from '../../src/upstream/egress.ts';
import { readBounded } from '../../src/upstream/read-bounded.ts';
import { type SendOptions, UpstreamClient } from '../../src/upstream/upstream-client.ts';
import { UpstreamFailure } from '../../src/upstream/upstream-failure.ts';
import type { UpstreamRequest } from '../../src/upstream/upstream.ts';
import { makeCertificate } from '../support/certificate.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { eventually } from '../support/eventually.ts';

const SECRET = 'sk-canary-0123456789';
const LOOPBACK = ['127.0.0.0/8'];

const servers = new Set<Server>();
const sockets = new Set<Socket>();
const ways = new Set<Egress>();

afterEach(async () => {
  for (const egress of ways) await egress.destroy();
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  ways.clear();
  sockets.clear();
  servers.clear();
});

async function listen(server: Server): Promise<number> {
  servers.add(server);
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server that says exactly these bytes to whoever has sent a whole head. */
function tcp(onHead: (socket: Socket, head: string) => void): Promise<number> {
  return listen(
    createTcpServer((socket) => {
      let seen = '';
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        seen += chunk.toString('latin1');
        if (!seen.includes('\r\n\r\n')) return;
        const head = seen;
        seen = '';
        onHead(socket, head);
      });
    }),
  );
}

function http(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  return listen(createHttpServer(handle));
}

function clientFor(allowed: readonly string[], options: Partial<DialerOptions> = {}): UpstreamClient {
  const egress = new Egress(new AddressPolicy(allowed), { connectMs: 2_000, ...options });
  ways.add(egress);
  return new UpstreamClient(new HttpService(createAxios()), egress);
}

function post(url: string, body: UpstreamRequest['body'] = Buffer.from('{}')): UpstreamRequest {
  const headers = { 'content-type': 'application/json', 'x-api-key': SECRET };
  return { method: 'POST', url: new URL(url), headers, body };
}

function patience(signal = new AbortController().signal): SendOptions {
  return { signal, headersMs: 20_000, proxyUrl: undefined };
}

async function failureOf(work: Promise<unknown>): Promise<UpstreamFailure> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UpstreamFailure);
  expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(SECRET);
  expect((error as Error).cause).toBeUndefined();
  return error as UpstreamFailure;
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Tells only whether it is there: an assertion that failed on the object itself would hold it. */
function expectCollected(ref: WeakRef<object>): Promise<void> {
  return eventually(() => {
    collectGarbage();
    expect(ref.deref() === undefined).toBe(true);
  });
}

/** Resolves when the relay's end of a connection has gone. */
function closed(socket: Socket): Promise<unknown> {
  return socket.closed ? Promise.resolve() : new Promise((resolve) => socket.on('close', resolve));
}

describe('what an upstream is sent', () => {
  it('is the request as it was made, asking for no encoding, with its length and nothing of the client library', async () => {
    let head = '';
    const port = await tcp((socket, seen) => {
      head = seen;
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
    const request = post(`http://127.0.0.1:${port}/v1/messages?beta=true`, Buffer.from('{"a":1}'));
    const headers = {
      ...request.headers,
      host: 'evil.example',
      connection: 'x-api-key',
      'accept-encoding': 'gzip',
    };
    const { body } = await clientFor(LOOPBACK).send({ ...request, headers }, patience());
    expect(await textOf(body)).toBe('ok');

    const [first, ...lines] = (head.split('\r\n\r\n')[0] ?? '').split('\r\n');
    expect(first).toBe('POST /v1/messages?beta=true HTTP/1.1');
    expect(lines.map((line) => line.toLowerCase()).sort()).toEqual([
      'accept-encoding: identity',
      'connection: keep-alive',
      'content-length: 7',
      'content-type: application/json',
      `host: 127.0.0.1:${port}`,
      `x-api-key: ${SECRET}`,
    ]);
  });

  it('is a body in pieces as one body of the summed length', async () => {
    const seen: { length?: string; encoding?: string; text: string }[] = [];
    const port = await http((request, response) => {
      void textOf(request).then((text) => {
        const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
        seen.push({ text, ...(length && { length }), ...(encoding && { encoding }) });
        response.end();
      });
    });
    const client = clientFor(LOOPBACK);
    const pieces = [Buffer.from('{"model":'), Buffer.from('"claude-x"'), Buffer.alloc(0), Buffer.from('}')];
    for (const body of [pieces, Buffer.alloc(0), Buffer.alloc(3_000_000, 'x')]) {
      await textOf((await client.send(post(`http://127.0.0.1:${port}/`, body), patience())).body);
    }
    expect(seen[0]).toEqual({ length: '20', text: '{"model":"claude-x"}' });
    expect(seen[1]).toEqual({ length: '0', text: '' });
    expect(seen[2]?.length).toBe('3000000');
    expect(seen[2]?.text.length).toBe(3_000_000);
  });

  it('is let go of once it is sent, though the answer goes on', async () => {
    const port = await http((request, response) => {
      request.resume().on('end', () => response.writeHead(200).write('begun'));
    });
    const client = clientFor(LOOPBACK);
    // In a function of its own, so that no variable of this one holds the bytes.
    const send = async (): Promise<{ bytes: WeakRef<ArrayBufferLike>; answer: unknown }> => {
      const body = Buffer.alloc(2_000_000, 'x');
      const answer = await client.send(post(`http://127.0.0.1:${port}/`, body), patience());
      return { bytes: new WeakRef(body.buffer), answer };
    };
    const { bytes, answer } = await send();
    await expectCollected(bytes);
    expect(answer).toBeDefined();
  });

  it('is a GET without a body or a content-type', async () => {
    let headers: IncomingMessage['headers'] = {};
    const port = await http((request, response) => {
      headers = request.headers;
      response.end();
    });
    const url = new URL(`http://127.0.0.1:${port}/v1/models`);
    const get: UpstreamRequest = { method: 'GET', url, headers: {}, body: undefined };
    await textOf((await clientFor(LOOPBACK).send(get, patience())).body);
    expect(Object.keys(headers).sort()).toEqual(['accept-encoding', 'connection', 'host']);
  });
});

describe('an answer', () => {
  it('is given with its status whatever it is, and a redirect is not followed', async () => {
    let requests = 0;
    const port = await http((_request, response) => {
      requests += 1;
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end('moved');
    });
    const answer = await clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience());
    expect(answer.status).toBe(302);
    expect(answer.headers['location']).toBe('http://169.254.169.254/latest/meta-data/');
    expect(await textOf(answer.body)).toBe('moved');
    expect(requests).toBe(1);
  });

  it('keeps its headers but those of the connection, those it names so, and cookies', async () => {
    const port = await tcp((socket) => {
      socket.end(
        'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n' +
          'Keep-Alive: timeout=5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nRequest-Id: req_1\r\n' +
          'Vary: a\r\nVary: b\r\n__proto__: x\r\nconstructor: y\r\nContent-Encoding: gzip\r\n\r\nraw',
      );
    });
    const { headers, body } = await clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience());
    expect(headers['content-type']).toBe('text/event-stream');
    expect(headers['request-id']).toBe('req_1');
    expect(headers['vary']).toBe('a, b');
    // An encoding is not undone: the bytes are as they came, and the caller sees why they are of no use.
    expect(headers['content-encoding']).toBe('gzip');
    expect(await textOf(body)).toBe('raw');
    for (const name of ['connection', 'x-hop', 'keep-alive', 'set-cookie', 'transfer-encoding']) {
      expect(headers[name]).toBeUndefined();
    }
  });

  it('whose headers are a flood, or which is not HTTP, is a broken connection', async () => {
    const flood = await tcp((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${`x-flood: ${'x'.repeat(1000)}\r\n`.repeat(80)}\r\n`);
    });
    const noise = await tcp((socket) => socket.write('220 mail.example ESMTP\r\n'));
    const client = clientFor(LOOPBACK);
    for (const port of [flood, noise]) {
      const failure = await failureOf(client.send(post(`http://127.0.0.1:${port}/`), patience()));
      expect(failure.reason).toBe('reset');
    }
  });

  it('does not keep for as long as it takes what came with its head', async () => {
    const port = await tcp((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 100000\r\nx-a: b\r\n\r\n${'x'.repeat(50_000)}`);
    });
    const client = clientFor(LOOPBACK);
    const begun = async (): Promise<{ bytes: WeakRef<ArrayBufferLike>; answer: unknown }> => {
      const answer = await client.send(post(`http://127.0.0.1:${port}/`), patience());
      await new Promise<void>((resolve) => answer.body.listen(resolve));
      return { bytes: new WeakRef((answer.body.take() as Buffer).buffer), answer };
    };
    const { bytes, answer } = await begun();
    // Node itself may keep what its last read brought.
    const other = await client.send(post(`http://127.0.0.1:${port}/`), patience());
    await expectCollected(bytes);
    expect([answer, other]).toHaveLength(2);
  });

  it('is read no further than the bound', async () => {
    let socketOf: Socket | undefined;
    const port = await http((request, response) => {
      socketOf = request.socket;
      response.writeHead(500).write('first');
      const drip = setInterval(() => response.write('x'.repeat(10_000)), 1);
      response.on('close', () => clearInterval(drip));
    });
    const client = clientFor(LOOPBACK);
    const large = await client.send(post(`http://127.0.0.1:${port}/`), patience());
    expect((await readBounded(large.body, 65_536)).length).toBe(65_536);
    await closed(socketOf as Socket);

    const slow = await client.send(post(`http://127.0.0.1:${port}/`), patience());
    expect((await readBounded(slow.body, 1_000_000_000, undefined, 500)).toString()).toMatch(/^first/);
    await closed(socketOf as Socket);

    const left = new AbortController();
    const unread = await client.send(post(`http://127.0.0.1:${port}/`), patience(left.signal));
    left.abort();
    const failure = await failureOf(readBounded(unread.body, 65_536, left.signal));
    expect(failure.reason).toBe('aborted');
    await closed(socketOf as Socket);
  });

  it('that ends within the bound leaves its connection for the next request', async () => {
    const ports = new Set<number | undefined>();
    const port = await http((request, response) => {
      ports.add(request.socket.remotePort);
      request.resume().on('end', () => response.writeHead(400).end('{"error":1}'));
    });
    const client = clientFor(LOOPBACK);
    for (let round = 0; round < 3; round += 1) {
      const { body } = await client.send(post(`http://127.0.0.1:${port}/`), patience());
      expect((await readBounded(body, 65_536)).toString()).toBe('{"error":1}');
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ports.size).toBe(1);
  });
});

describe('no answer', () => {
  it('because nothing listens is refused', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    server.close();
    await once(server, 'close');
    const failure = await failureOf(clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience()));
    expect(failure.reason).toBe('refused');
    expect(failure.code).toBe('ECONNREFUSED');
  });

  it('because the name does not exist is a failure of DNS', async () => {
    const sent = clientFor([]).send(post('https://no-such-host.invalid/'), patience());
    expect((await failureOf(sent)).reason).toBe('dns');
  });

  it('within its clock is a headers timeout, though the head may have begun', async () => {
    const silent = await tcp(() => undefined);
    const halting = await tcp((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const drip = setInterval(() => socket.write('x-drip: 1\r\n'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    const client = clientFor(LOOPBACK);
    for (const port of [silent, halting]) {
      const { signal } = new AbortController();
      const sent = client.send(post(`http://127.0.0.1:${port}/`), { ...patience(signal), headersMs: 150 });
      expect((await failureOf(sent)).reason).toBe('headers-timeout');
    }
  });

  it('because the connection closed before the head is a reset, and is not asked twice', async () => {
    let connections = 0;
    const port = await tcp((socket) => {
      connections += 1;
      socket.resetAndDestroy();
    });
    const failure = await failureOf(clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience()));
    expect(failure.reason).toBe('reset');
    expect(connections).toBe(1);
  });
});

describe('TLS', () => {
  const { key, cert } = makeCertificate('relay.test');
  const toLoopback: DialerOptions['resolve'] = (_name, _options, callback) => {
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  };
  const serve = (): Promise<number> =>
    listen(createHttpsServer({ key, cert }, (_request, response) => response.end('hello')));

  it('refuses a certificate that nobody vouches for, whatever the environment says', async () => {
    const port = await serve();
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const client = clientFor(LOOPBACK, { resolve: toLoopback });
      const failure = await failureOf(client.send(post(`https://relay.test:${port}/`), patience()));
      expect(failure.reason).toBe('tls');
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  it('takes a trusted certificate for its own name only', async () => {
    const port = await serve();
    const client = clientFor(LOOPBACK, { resolve: toLoopback, ca: cert });
    const answer = await client.send(post(`https://relay.test:${port}/`), patience());
    expect(await textOf(answer.body)).toBe('hello');
    for (const host of ['other.test', '127.0.0.1']) {
      const failure = await failureOf(client.send(post(`https://${host}:${port}/`), patience()));
      expect(failure.reason).toBe('tls');
    }
  });
});

describe('a forbidden address', () => {
  it('is not connected to, be it written or resolved', async () => {
    let connections = 0;
    const server = createTcpServer(() => (connections += 1));
    const port = await listen(server);
    const written = clientFor(['10.0.0.0/8']);
    for (const host of ['127.0.0.1', '[::ffff:127.0.0.1]', '[::1]', '0.0.0.0', 'localhost']) {
      for (const scheme of ['http', 'https']) {
        const failure = await failureOf(written.send(post(`${scheme}://${host}:${port}/`), patience()));
        expect(failure.reason).toBe('forbidden-address');
      }
    }
    expect(connections).toBe(0);
  });

  it('among the addresses of a name refuses the whole name', async () => {
    let connections = 0;
    const port = await listen(createTcpServer(() => (connections += 1)));
    const resolve: DialerOptions['resolve'] = (_name, _options, callback) => {
      const addresses = ['127.0.0.1', '10.0.0.9'].map((address) => ({ address, family: 4 }));
      callback(null, addresses);
    };
    const client = clientFor(LOOPBACK, { resolve });
    const failure = await failureOf(client.send(post(`https://api.example.com:${port}/`), patience()));
    expect(failure.reason).toBe('forbidden-address');
    expect(connections).toBe(0);
  });

  it('is found when a name moves there after it was fine', async () => {
    const { key, cert } = makeCertificate('api.example.com');
    const server = createHttpsServer({ key, cert }, (_request, response) =>
      response.setHeader('connection', 'close').end('first'),
    );
    const port = await listen(server);
    let looks = 0;
    const resolve: DialerOptions['resolve'] = (_name, _options, callback) => {
      looks += 1;
      callback(null, [{ address: looks === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
    };
    const client = clientFor(['127.0.0.1'], { resolve, ca: cert });
    const request = post(`https://api.example.com:${port}/`);
    expect(await textOf((await client.send(request, patience())).body)).toBe('first');
    expect((await failureOf(client.send(request, patience()))).reason).toBe('forbidden-address');
    expect(looks).toBe(2);
  });

  it('is allowed by a listed host name', async () => {
    const port = await http((_request, response) => response.end('inside'));
    const answer = await clientFor(['localhost']).send(post(`http://localhost:${port}/`), patience());
    expect(await textOf(answer.body)).toBe('inside');
  });
});

describe('cancelling', () => {
  it('before the head closes the connection at once', async () => {
    const left = new AbortController();
    let socketOf: Socket | undefined;
    const port = await tcp((socket) => {
      socketOf = socket;
      left.abort();
    });
    const sent = clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience(left.signal));
    expect((await failureOf(sent)).reason).toBe('aborted');
    await closed(socketOf as Socket);
  });

  it('while the name is still being looked up ends the wait at once and sends nothing', async () => {
    const left = new AbortController();
    let answerLookup = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      answerLookup = resolve;
    });
    let heads = 0;
    const port = await tcp(() => (heads += 1));
    let connect = (): void => undefined;
    const client = clientFor(['relay.test'], {
      resolve: (_name, _options, callback) => {
        connect = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
        answerLookup();
      },
    });
    const sent = client.send(post(`http://relay.test:${port}/`), patience(left.signal));
    await asked;
    left.abort();
    expect((await failureOf(sent)).reason).toBe('aborted');
    connect();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(heads).toBe(0);
  });

  it('in mid-stream closes the connection, which no later request uses', async () => {
    const seen: Socket[] = [];
    const port = await http((request, response) => {
      seen.push(request.socket);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
    });
    const client = clientFor(LOOPBACK);
    for (let round = 0; round < 5; round += 1) {
      const left = new AbortController();
      const { body } = await client.send(post(`http://127.0.0.1:${port}/`), patience(left.signal));
      const reader = body[Symbol.asyncIterator]();
      expect(String((await reader.next()).value)).toBe('data: 1\n\n');
      left.abort();
      const failure = UpstreamFailure.of(await reader.next().catch((error: unknown) => error), left.signal);
      expect(failure.reason).toBe('aborted');
      await closed(seen[round] as Socket);
    }
    expect(new Set(seen).size).toBe(5);
  });

  it('by dropping the body closes the connection as well', async () => {
    let socketOf: Socket | undefined;
    const port = await http((request, response) => {
      socketOf = request.socket;
      response.writeHead(200).write('x');
    });
    const { body } = await clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience());
    body.destroy();
    await closed(socketOf as Socket);
  });

  it('beforehand sends nothing', async () => {
    const sent = clientFor(LOOPBACK).send(post('http://127.0.0.1:1/'), patience(AbortSignal.abort()));
    expect((await failureOf(sent)).reason).toBe('aborted');
  });
});

describe('a stream that breaks', () => {
  it.each([
    ['by a reset', 'transfer-encoding: chunked\r\n\r\n4\r\nonly\r\n', true],
    ['by an end before its last chunk', 'transfer-encoding: chunked\r\n\r\n4\r\nonly\r\n', false],
    ['by an end before its length', 'content-length: 100\r\n\r\nonly', false],
  ])('%s is an error after the bytes that came', async (_title, rest, reset) => {
    let breakOff = (): void => undefined;
    const port = await tcp((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
      breakOff = () => (reset ? socket.resetAndDestroy() : socket.end());
    });
    const { body } = await clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience());
    const reader = body[Symbol.asyncIterator]();
    expect(String((await reader.next()).value)).toBe('only');
    breakOff();
    const broken = await reader.next().catch((error: unknown) => error);
    expect(broken).toHaveProperty('code');
    expect(UpstreamFailure.of(broken).reason).toBe('reset');
  });

  it.each([
    ['by the end of the connection', 'connection: close\r\n\r\n', (socket: Socket) => socket.end()],
    [
      'by its length, on a connection that is closed behind it',
      'connection: close\r\ncontent-length: 262144\r\n\r\n',
      (socket: Socket) => socket.end(),
    ],
    [
      'by its length, on one that is closed later',
      'content-length: 262144\r\n\r\n',
      (socket: Socket) => socket.end(),
    ],
  ])('is none where an answer is whole %s while nobody reads', async (_title, rest, close) => {
    // Every size of the last piece, so that the pause falls on the end of what was read as well.
    for (const first of [65_536, 65_536 * 2, 65_536 * 4]) {
      const port = await tcp((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
        socket.write(Buffer.alloc(first, 'a'));
        socket.write(Buffer.alloc(262_144 - first, 'b'));
        setTimeout(() => close(socket), 20);
      });
      const { body } = await clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience());
      await new Promise((resolve) => setTimeout(resolve, 100));
      let size = 0;
      for await (const chunk of body) {
        size += chunk.length;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(size).toBe(262_144);
    }
  });

  it('before anybody reads harms nobody and is still an error to the reader', async () => {
    let socketOf: Socket | undefined;
    const port = await tcp((socket) => {
      socketOf = socket;
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nonly\r\n');
      setTimeout(() => socket.resetAndDestroy(), 10);
    });
    const { body } = await clientFor(LOOPBACK).send(post(`http://127.0.0.1:${port}/`), patience());
    await closed(socketOf as Socket);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await expect(textOf(body)).rejects.toHaveProperty('code');
  });
});
