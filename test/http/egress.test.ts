import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { HttpService } from '@nestjs/axios';
import { AddressPolicy } from '../../src/upstream/address-policy.ts';
import { createAxios } from '../../src/upstream/axios-adapter.ts';
import type { DialerOptions } from '../../src/upstream/dialer.ts';
import { Egress } from '../../src/upstream/egress.ts';
import { UpstreamClient } from '../../src/upstream/upstream-client.ts';
import { UpstreamFailure } from '../../src/upstream/upstream-failure.ts';
import { makeCertificate } from '../support/certificate.ts';
import { eventually } from '../support/eventually.ts';
import { type ProxyOptions, TestProxy } from '../support/proxies.ts';

/** Requests through an egress proxy, against proxies written by hand: the tunnel, and everything that can befall it. */

const LOOPBACK = ['127.0.0.0/8'];
const USER = 'account-7';
const PASSWORD = 'p@ss:wörd/%';
const certificate = makeCertificate('relay.test');
/** Trusted for the upstream as for the proxy. */
const ca = certificate.cert;

const servers = new Set<Server>();
const proxies = new Set<TestProxy>();
const ways = new Set<Egress>();

afterEach(async () => {
  for (const egress of ways) await egress.destroy();
  for (const proxy of proxies) await proxy.close();
  for (const server of servers) server.close();
  ways.clear();
  proxies.clear();
  servers.clear();
});

async function listen(server: Server): Promise<number> {
  servers.add(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function proxyOf(options: ProxyOptions): Promise<TestProxy> {
  const proxy = await TestProxy.start({ certificate, ...options });
  proxies.add(proxy);
  return proxy;
}

interface Seen {
  readonly path: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly servername: unknown;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function upstream(scheme: 'http' | 'https', handle: Handler): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const listener: Handler = (request, response) => {
    const { servername } = request.socket as Socket & { servername?: unknown };
    seen.push({ path: request.url, headers: request.headers, servername });
    handle(request, response);
  };
  const port = await listen(
    scheme === 'http' ? createHttpServer(listener) : createHttpsServer(certificate, listener),
  );
  return { url: scheme === 'http' ? `http://127.0.0.1:${port}` : `https://relay.test:${port}`, seen };
}

/** Where no proxy is used, names lead to this machine too: whoever goes straight arrives, and is counted. */
function clientFor(
  allowed: readonly string[] = LOOPBACK,
  options: Partial<DialerOptions> = {},
): UpstreamClient {
  const resolve: DialerOptions['resolve'] = (_name, _options, callback) => {
    callback(null, [{ address: '127.0.0.1', family: 4 }]);
  };
  const egress = new Egress(new AddressPolicy(allowed), { connectMs: 5_000, ca, resolve, ...options });
  ways.add(egress);
  return new UpstreamClient(new HttpService(createAxios()), egress);
}

function get(client: UpstreamClient, url: string, proxyUrl: string | undefined, signal?: AbortSignal) {
  return client.send(
    {
      method: 'POST',
      url: new URL(`${url}/v1?a=b`),
      headers: { 'x-api-key': 'k' },
      body: Buffer.from('hello'),
    },
    { signal: signal ?? new AbortController().signal, headersMs: 20_000, proxyUrl },
  );
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const echo: Handler = (request, response) => {
  void textOf(request).then((text) => response.end(`${request.url} ${text}`));
};

async function failureOf(work: Promise<unknown>, ...secrets: readonly string[]): Promise<[string, string?]> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UpstreamFailure);
  const { reason, code, stack, cause } = error as UpstreamFailure;
  expect(cause).toBeUndefined();
  for (const secret of secrets) expect(`${JSON.stringify(error)}${stack}`).not.toContain(secret);
  return code === undefined ? [reason] : [reason, code];
}

const KINDS = ['http', 'https', 'socks5'] as const;
const MATRIX = KINDS.flatMap((kind) => (['http', 'https'] as const).map((scheme) => [kind, scheme] as const));

/** By its name where the proxy is asked by TLS, since a certificate is for a name. */
const hostOf = (kind: ProxyOptions['kind']): string => (kind === 'https' ? 'relay.test' : '127.0.0.1');

describe('a request through a proxy', () => {
  it.each(MATRIX)(
    'arrives as it was made, over a tunnel through %s to an %s upstream',
    async (kind, scheme) => {
      const { url, seen } = await upstream(scheme, echo);
      const proxy = await proxyOf({ kind, user: USER, password: PASSWORD });
      const { status, body } = await get(clientFor(), url, proxy.url({ host: hostOf(kind) }));
      expect(status).toBe(200);
      expect(await textOf(body)).toBe('/v1?a=b hello');
      const { host } = new URL(url);
      // Names are the proxy's to resolve; TLS and Host are the upstream's own.
      expect(proxy.tunnels).toMatchObject([{ target: host, user: USER }]);
      expect(seen).toHaveLength(1);
      expect(seen[0]?.path).toBe('/v1?a=b');
      expect(seen[0]?.headers).toEqual({
        host,
        connection: 'keep-alive',
        'accept-encoding': 'identity',
        'content-length': '5',
        'x-api-key': 'k',
      });
      expect(seen[0]?.servername).toBe(scheme === 'https' ? 'relay.test' : undefined);
    },
  );

  it.each([
    ['http', 'a user alone', { user: 'token-123', password: '' }],
    ['http', 'nobody', {}],
    ['socks5', 'nobody', {}],
    ['socks5', 'a user', { user: 'ü'.repeat(127), password: 'x'.repeat(255), bound: 'ipv6' }],
    ['socks5', 'a user', { user: 'u', password: 'p', bound: 'name' }],
  ] as const)('signs in at an %s proxy as %s', async (kind, _, options) => {
    const { url } = await upstream('http', echo);
    const proxy = await proxyOf({ kind, ...options });
    expect(await textOf((await get(clientFor(), url, proxy.url())).body)).toBe('/v1?a=b hello');
  });

  it.each([
    ['http', '[::1]'],
    ['socks5', '[::1]'],
    ['socks5', '127.0.0.1'],
  ] as const)('names an address by an %s proxy as what it is: %s', async (kind, host) => {
    const { url } = await upstream('http', echo);
    const proxy = await proxyOf({ kind });
    const { port } = new URL(url);
    await textOf((await get(clientFor([...LOOPBACK, '::1']), `http://${host}:${port}`, proxy.url())).body);
    const written = kind === 'socks5' && host === '[::1]' ? '[0:0:0:0:0:0:0:1]' : host;
    expect(proxy.tunnels[0]?.target).toBe(`${written}:${port}`);
  });

  it.each(KINDS)(
    'keeps its connection for the next one through the same %s proxy, and no other',
    async (kind) => {
      const { url } = await upstream('https', echo);
      const client = clientFor();
      const proxy = await proxyOf({ kind, user: USER, password: PASSWORD });
      const other = await proxyOf({ kind, user: 'other', password: PASSWORD });
      const host = hostOf(kind);
      for (let round = 0; round < 3; round += 1) {
        for (const way of [proxy.url({ host }), other.url({ host }), undefined]) {
          expect(await textOf((await get(client, url, way)).body)).toBe('/v1?a=b hello');
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(proxy.tunnels.map(({ user }) => user)).toEqual([USER]);
      expect(other.tunnels.map(({ user }) => user)).toEqual(['other']);
    },
  );

  it.each(MATRIX)('streams, and closes its tunnel when it is cut: %s to %s', async (kind, scheme) => {
    const { url } = await upstream(scheme, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    });
    const proxy = await proxyOf({ kind });
    const left = new AbortController();
    const { body } = await get(clientFor(), url, proxy.url({ host: hostOf(kind) }), left.signal);
    const reader = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    expect((await reader.next()).value?.toString()).toBe('data: 1\n\n');
    expect(proxy.openTunnels).toBe(1);
    left.abort();
    await expect(reader.next()).rejects.toThrow();
    await eventually(() => {
      expect(proxy.openTunnels).toBe(0);
    });
  });

  it.each(MATRIX)('is read no faster than its reader reads: %s to %s', async (kind, scheme) => {
    let written = 0;
    const { url } = await upstream(scheme, (_request, response) => {
      const block = Buffer.alloc(64 * 1024, 'x');
      const more = (): void => {
        while (written < 64 * 1024 * 1024) {
          written += block.length;
          if (!response.write(block)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const proxy = await proxyOf({ kind });
    const { body } = await get(clientFor(), url, proxy.url({ host: hostOf(kind) }));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(written).toBeLessThan(32 * 1024 * 1024);
    expect((await textOf(body)).length).toBe(64 * 1024 * 1024);
  });
});

describe('a proxy that opens no tunnel', () => {
  const refuseAll: Handler = (_request, response) => response.end('straight');

  async function through(options: ProxyOptions, scheme: 'http' | 'https', more: Partial<DialerOptions> = {}) {
    const { url, seen } = await upstream(scheme, refuseAll);
    const proxy = await proxyOf(options);
    const way = proxy.url({ host: hostOf(options.kind) });
    const failure = await failureOf(get(clientFor(LOOPBACK, more), url, way), PASSWORD, proxy.url());
    // Whatever happened, nothing went straight.
    expect(seen).toEqual([]);
    await eventually(() => {
      expect(proxy.openTunnels).toBe(0);
    });
    return failure;
  }

  it.each(MATRIX)('because it refuses is a failure of the proxy: %s to %s', async (kind, scheme) => {
    const code = kind === 'socks5' ? 'SOCKS_REPLY_5' : 'PROXY_503';
    expect(await through({ kind, fault: 'refuse' }, scheme)).toEqual(['proxy-refused', code]);
  });

  it.each(MATRIX)('because it closes is a failure of the proxy: %s to %s', async (kind, scheme) => {
    expect(await through({ kind, fault: 'close' }, scheme)).toEqual(['proxy-refused', 'PROXY_CLOSED']);
  });

  it.each(MATRIX)('because it is none is a failure of the proxy: %s to %s', async (kind, scheme) => {
    expect(await through({ kind, fault: 'not-a-proxy' }, scheme)).toEqual([
      'proxy-refused',
      'PROXY_PROTOCOL',
    ]);
  });

  it.each(MATRIX)('within the connect clock is not waited for: %s to %s', async (kind, scheme) => {
    const failure = await through({ kind, fault: 'hang' }, scheme, { connectMs: 300 });
    expect(failure).toEqual(['proxy-unreachable', 'PROXY_TIMEOUT']);
  });

  it.each(MATRIX)('but says more than it was asked is not believed: %s to %s', async (kind, scheme) => {
    const failure = await through({ kind, fault: 'opened-with-garbage' }, scheme);
    expect(failure).toEqual(['proxy-refused', 'PROXY_PROTOCOL']);
  });

  it.each(KINDS)('and speaks in the upstream’s place fails as TLS: %s', async (kind) => {
    expect((await through({ kind, fault: 'opened-then-garbage' }, 'https'))[0]).toBe('tls');
  });

  it.each(KINDS)('and falls silent in the upstream’s place fails by the connect clock: %s', async (kind) => {
    const port = await listen(createTcpServer(() => undefined));
    const proxy = await proxyOf({ kind });
    const client = clientFor(LOOPBACK, { connectMs: 500 });
    const way = proxy.url({ host: hostOf(kind) });
    expect(await failureOf(get(client, `https://relay.test:${port}`, way))).toEqual(['connect-timeout']);
    await eventually(() => {
      expect(proxy.openTunnels).toBe(0);
    });
  });

  it.each(KINDS)('to whoever does not sign in, or wrongly: %s', async (kind) => {
    const { url, seen } = await upstream('http', refuseAll);
    const proxy = await proxyOf({ kind, user: USER, password: PASSWORD });
    const host = hostOf(kind);
    const wrong = proxy.url({ password: 'wrong-secret', host });
    const client = clientFor();
    const none = `${kind}://${host}:${proxy.port}`;
    for (const way of [wrong, none]) {
      const [reason] = await failureOf(get(client, url, way), PASSWORD, 'wrong-secret');
      expect(reason).toBe('proxy-denied');
    }
    expect(proxy.refused[0]).toBe(`${USER}:wrong-secret`);
    expect(seen).toEqual([]);
  });

  it('because nobody listens there cannot be reached', async () => {
    const { url, seen } = await upstream('http', refuseAll);
    const server = createTcpServer();
    const port = await listen(server);
    server.close();
    await once(server, 'close');
    for (const kind of KINDS) {
      const way = `${kind}://${hostOf(kind)}:${port}`;
      expect(await failureOf(get(clientFor(), url, way))).toEqual(['proxy-unreachable', 'ECONNREFUSED']);
    }
    expect(seen).toEqual([]);
  });

  it('because nobody vouches for its certificate cannot be reached, whoever vouches for the upstream', async () => {
    const { url, seen } = await upstream('https', refuseAll);
    const proxy = await proxyOf({ kind: 'https', certificate: makeCertificate('relay.test') });
    const [reason] = await failureOf(get(clientFor(), url, proxy.url({ host: 'relay.test' })));
    expect(reason).toBe('proxy-unreachable');
    const named = await proxyOf({ kind: 'https' });
    expect((await failureOf(get(clientFor(), url, named.url())))[0]).toBe('proxy-unreachable');
    expect(seen).toEqual([]);
  });

  it('because its URL is none is a failure of the proxy too', async () => {
    const { url, seen } = await upstream('http', refuseAll);
    for (const way of ['', 'direct', 'socks4://127.0.0.1:1080', 'http://', 'http://u:p@ss@127.0.0.1:1']) {
      expect(await failureOf(get(clientFor(), url, way))).toEqual(['proxy-refused', 'PROXY_URL']);
    }
    expect(seen).toEqual([]);
  });

  it('does not stand in the way of those who go straight', async () => {
    const { url } = await upstream('http', echo);
    const hanging = await proxyOf({ kind: 'http', fault: 'hang' });
    const client = clientFor(LOOPBACK, { connectMs: 1_000 });
    const slow = failureOf(get(client, url, hanging.url()));
    expect(await textOf((await get(client, url, undefined)).body)).toBe('/v1?a=b hello');
    expect((await slow)[0]).toBe('proxy-unreachable');
  });
});

describe('the certificate of an upstream behind a proxy (U1)', () => {
  it('must be trusted, and for its own name', async () => {
    const stranger = await listen(createHttpsServer(makeCertificate('relay.test'), () => undefined));
    const { url } = await upstream('https', echo);
    for (const kind of KINDS) {
      const proxy = await proxyOf({ kind });
      const way = proxy.url({ host: hostOf(kind) });
      for (const address of [`https://relay.test:${stranger}`, url.replace('relay.test', 'other.test')]) {
        expect((await failureOf(get(clientFor(), address, way)))[0]).toBe('tls');
      }
    }
  });
});

describe('the address policy where there is a proxy (S1)', () => {
  it('is asked of the proxy’s address, be it written or resolved', async () => {
    const { url } = await upstream('https', echo);
    for (const kind of KINDS) {
      const proxy = await proxyOf({ kind });
      for (const host of [
        '127.0.0.1',
        'proxy.example.com',
        '[::1]',
        '[::ffff:127.0.0.1]',
        '127.1',
        '0x7f.1',
      ]) {
        const way = `${kind}://${host}:${proxy.port}`;
        const failure = await failureOf(get(clientFor([]), url, way));
        expect([host, ...failure]).toEqual([host, 'forbidden-address', 'PROXY']);
      }
      expect(proxy.connections).toBe(0);
    }
  });

  it('is asked at every connection: a proxy’s name that moves inside is not followed', async () => {
    const { url } = await upstream('https', (_request, response) =>
      response.setHeader('connection', 'close').end('x'),
    );
    const proxy = await proxyOf({ kind: 'https' });
    const addresses = ['127.0.0.1', '127.0.0.2'];
    const resolve: DialerOptions['resolve'] = (_name, _options, callback) => {
      callback(null, [{ address: addresses.shift() ?? '', family: 4 }]);
    };
    const client = clientFor(['127.0.0.1'], { resolve });
    const way = proxy.url({ host: 'relay.test' });
    expect(await textOf((await get(client, url, way)).body)).toBe('x');
    expect(await failureOf(get(client, url, way))).toEqual(['forbidden-address', 'PROXY']);
  });

  it.each([
    ['an address that is not public', 'https://10.0.0.9'],
    ['the metadata service', 'https://169.254.169.254'],
    ['the metadata service over http', 'http://169.254.169.254'],
    ['this machine', 'https://localhost'],
    ['a name of one label', 'https://intranet'],
    ['a name that is never public', 'https://metadata.google.internal'],
    ['a name of the local link', 'https://printer.local.'],
    ['plain http by a name', 'http://api.example.com'],
    ['an IPv6 spelling of this machine', 'https://[::1]'],
  ])('is asked of the upstream behind it: %s', async (_, url) => {
    for (const kind of KINDS) {
      const proxy = await proxyOf({ kind });
      const way = proxy.url({ host: hostOf(kind) });
      const failure = await failureOf(get(clientFor(['127.0.0.1']), url, way));
      expect(failure).toEqual(['forbidden-address', 'BEHIND_PROXY']);
      expect(proxy.tunnels).toEqual([]);
    }
  });

  it('shows a request without TLS to a listed proxy only', async () => {
    const { url, seen } = await upstream('http', echo);
    const proxy = await proxyOf({ kind: 'http' });
    const client = clientFor(['api.example.com', 'proxy.example.com']);
    const plain = url.replace('127.0.0.1', 'api.example.com');
    const way = `http://proxy.example.com:${proxy.port}`;
    expect(await textOf((await get(client, plain, way)).body)).toBe('/v1?a=b hello');
    // By its address it would be a listed one, but the name is nobody's word (egress-policy.spec.ts has the rest).
    const unlisted = clientFor(['api.example.com', '127.0.0.1']);
    expect(await failureOf(get(unlisted, plain, way))).toEqual(['forbidden-address', 'PROXY']);
    expect(seen).toHaveLength(1);
  });
});

describe('the environment', () => {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'NODE_USE_ENV_PROXY'];
  const before = new Map<string, string | undefined>();
  afterEach(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  it('has no say in the way out, be there a proxy or none', async () => {
    const canary = await proxyOf({ kind: 'http' });
    for (const name of names.flatMap((one) => [one, one.toLowerCase()])) {
      before.set(name, process.env[name]);
      process.env[name] = /no_proxy/i.test(name) ? '*' : /node/i.test(name) ? '1' : canary.url();
    }
    const { url } = await upstream('https', echo);
    const proxy = await proxyOf({ kind: 'socks5' });
    const client = clientFor();
    expect(await textOf((await get(client, url, undefined)).body)).toBe('/v1?a=b hello');
    expect(await textOf((await get(client, url, proxy.url())).body)).toBe('/v1?a=b hello');
    expect(proxy.tunnels).toHaveLength(1);
    expect(canary.connections).toBe(0);
  });
});
