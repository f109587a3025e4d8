import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { Rehearsal as RehearsalType } from '../support/relay.ts';
import { asking, onlyRow, send } from '../support/asking.ts';
import { makeCertificate } from '../support/certificate.ts';

/**
 * An upstream's address is an administrator's word, and is looked at twice: when it is saved, and at every connect, so
 * that neither a row written past the API nor a name that moves leads inside.
 */

/** Hosts that are not public, in the spellings that have fooled others. */
const INSIDE = [
  '127.0.0.1',
  '127.0.0.2',
  '127.1',
  '127.0.0.1.',
  '0x7f000001',
  '0x7f.1',
  '2130706433',
  '0177.0.0.1',
  '017700000001',
  '0.0.0.0',
  '0',
  '①②⑦.⓪.⓪.①',
  '１２７.0.0.1',
  '127。0。0。1',
  '%31%32%37.0.0.1',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'relay.localhost',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:0:7f00:1]',
  '[::127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[::ffff:a9fe:a9fe]',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.254',
  '192.168.1.1',
  '169.254.169.254',
  '169.254.170.2',
  '100.64.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '[fe80::1]',
  '[fec0::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
  '[2001:db8::1]',
  '[100::1]',
];

type Answer = readonly { readonly address: string; readonly family: number }[];
type Callback = (error: NodeJS.ErrnoException | null, found: Answer | string, family?: number) => void;

/** What the system's resolver says of the names that are made up here. */
const names = new Map<string, () => readonly string[]>();

let rehearsal: RehearsalType;
let simulator: Simulator;
let restore = (): void => undefined;
/** Listens on every address of this machine; nobody may come. */
let canary: Server;
let canaryPort: number;
let visits = 0;
let key: string;
/** An account for each host, that serves one model of its own. */
let planted: { readonly id: string; readonly host: string; readonly model: string }[];
const servers: Server[] = [];

beforeAll(async () => {
  // Before anything of the relay is loaded: it takes the resolver from Node as it finds it.
  const dns = createRequire(import.meta.url)('node:dns') as { lookup: unknown };
  const real = dns.lookup as (name: string, options: object, callback: Callback) => void;
  dns.lookup = (name: string, options: object, callback: Callback) => {
    const found = names.get(name)?.();
    if (found === undefined) return real(name, options, callback);
    callback(
      null,
      found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  restore = () => {
    dns.lookup = real;
  };
  const { Rehearsal } = await import('../support/relay.ts');

  canary = createServer((socket) => {
    visits += 1;
    socket.destroy();
  });
  canaryPort = await listen(canary, '::');
  // One attempt a call: what is refused or breaks here is looked at by itself.
  rehearsal = await Rehearsal.start({ RELAY_MAX_ATTEMPTS: '1' });
  simulator = rehearsal.simulator;
  // Nothing but public https origins is allowed in this one.
  await rehearsal.addReplica({ RELAY_ALLOWED_UPSTREAMS: '' });
  key = (await rehearsal.key()).key;
  planted = await Promise.all(
    INSIDE.filter((host) => URL.canParse(`https://${host}`)).map(async (host, at) => {
      const model = `claude-inside-${at}`;
      const baseUrl = 'https://gateway.example.com';
      const models = { allow: [], map: { [model]: 'claude-sonnet-5' } };
      const { id } = await rehearsal.claudeAccount({ baseUrl, models });
      return { id, host, model };
    }),
  );
});
afterEach(async () => {
  await rehearsal.quiet();
  expect(visits).toBe(0);
});
afterAll(async () => {
  await rehearsal.close();
  for (const server of servers) server.close();
  restore();
});

async function listen(server: Server, host: string): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

/** Writes base URLs past the API, as somebody with the database's password might, and has them read. */
async function plant(urlOf: (host: string) => string): Promise<void> {
  const { ConfigWatch } = await import('../../src/database/config-watch.ts');
  // One statement, as every change is one transaction: a replica that reads in between would not read again.
  await rehearsal.sql(
    `with next as (update config_version set version = version + 1 returning version)
      update accounts a set base_url = p.url, version = next.version
      from next, unnest($1::uuid[], $2::text[]) as p (id, url) where a.id = p.id`,
    [planted.map(({ id }) => id), planted.map(({ host }) => urlOf(host))],
  );
  for (const at of [0, 1]) await rehearsal.replica(at).app.get(ConfigWatch).refresh();
}

async function ask(model: string, url = rehearsal.replica(1).url) {
  const plain = asking('Claude JSON', key, 'Hello.');
  const one = { ...plain, body: plain.body.replace('claude-sonnet-5', model) };
  return { answer: await send(url, one), row: await onlyRow(rehearsal, one) };
}

describe('S1: a base URL that leads inside', () => {
  it.each(['https', 'http'])('is not saved, in any spelling, over %s', async (scheme) => {
    const { admin } = await import('../support/relay.ts');
    const url = rehearsal.replica(1).url;
    const { id } = planted[0] ?? { id: '' };
    const kept: string[] = [];
    await Promise.all(
      INSIDE.map(async (host) => {
        const address = `${scheme}://${host}:${canaryPort}`;
        const apiKey = 'sk-ant-sim-none';
        const made = await admin(url, 'POST', '/accounts', {
          name: `inside ${scheme} ${host}`,
          kind: 'claude',
          baseUrl: address,
          credentials: { apiKey },
        });
        const edited = await admin(url, 'PATCH', `/accounts/${id}`, {
          baseUrl: address,
          credentials: { apiKey },
        });
        const token = await admin(url, 'PATCH', `/accounts/${id}`, {
          credentials: { accessToken: 'a', refreshToken: 'b', tokenUrl: `${address}/oauth/token` },
        });
        for (const { status, body } of [made, edited, token]) {
          const { errors } = body as { errors?: readonly { readonly field: string }[] };
          const [error] = errors ?? [];
          if (status !== 400 || !['baseUrl', 'credentials.tokenUrl'].includes(error?.field ?? ''))
            kept.push(`${host}: ${status}`);
        }
      }),
    );
    expect(kept).toEqual([]);
  });

  it.each(['https', 'http'])(
    'is not connected to when its row was written past the API, over %s',
    async (scheme) => {
      await plant((host) => `${scheme}://${host}:${canaryPort}`);
      const reached: string[] = [];
      await Promise.all(
        planted.map(async ({ host, model }) => {
          const { answer, row } = await ask(model);
          const isName = /localhost/i.test(host);
          const reasons = isName ? ['forbidden-address', 'dns'] : ['forbidden-address'];
          const refused = answer.status === 502 && reasons.includes(String(row['reason']));
          if (!refused || row['outcome'] !== 'failed' || row['status'] !== null)
            reached.push(`${host}: ${answer.status} ${String(row['reason'])}`);
        }),
      );
      expect(reached).toEqual([]);
    },
  );

  it('is connected to where it is listed, so that the listener above would have been heard', async () => {
    await plant(() => `http://127.0.0.1:${canaryPort}`);
    expect((await ask(planted[0]?.model ?? '', rehearsal.url)).row).toMatchObject({ reason: 'reset' });
    expect(visits).toBe(1);
    visits = 0;
  });

  it('is not connected to by the test of an account, either', async () => {
    const { admin } = await import('../support/relay.ts');
    await plant((host) => `http://${host}:${canaryPort}`);
    const tested = await Promise.all(
      planted.map(({ id }) => admin(rehearsal.replica(1).url, 'POST', `/accounts/${id}/test`)),
    );
    expect(tested.filter(({ body }) => (body as { status: unknown }).status !== null)).toEqual([]);
  });

  it('over another scheme is neither saved nor used', async () => {
    const { admin } = await import('../support/relay.ts');
    const schemes = ['file', 'ftp', 'gopher', 'ws', 'data', 'unix'];
    for (const scheme of schemes) {
      const { status } = await admin(rehearsal.url, 'PATCH', `/accounts/${planted[0]?.id}`, {
        baseUrl: `${scheme}://127.0.0.1:${canaryPort}/`,
        credentials: { apiKey: 'sk-ant-sim-none' },
      });
      expect({ scheme, status }).toEqual({ scheme, status: 400 });
    }
    let at = 0;
    await plant(() => `${schemes[at++ % schemes.length]}://127.0.0.1:${canaryPort}/`);
    for (const { model } of planted.slice(0, schemes.length)) {
      const { answer } = await ask(model);
      expect(answer.status).toBeGreaterThanOrEqual(500);
    }
  });
});

describe('S1: a name that moves inside', () => {
  const hosted = async (name: string, port: number) => {
    const model = `claude-${randomUUID()}`;
    const models = { allow: [], map: { [model]: 'claude-sonnet-5' } };
    await rehearsal.claudeAccount({ baseUrl: `https://${name}:${port}`, models });
    return model;
  };

  it('after it was fine is not connected to', async () => {
    let handshakes = 0;
    const outside = createTlsServer(makeCertificate('rebind.test'));
    outside.on('connection', () => (handshakes += 1));
    const port = await listen(outside, '127.0.0.1');
    // 127.0.0.1 is listed as allowed in this relay, 10.0.0.1 is not; the certificate is nobody's.
    let lookups = 0;
    names.set('rebind.test', () => (lookups++ === 0 ? ['127.0.0.1'] : ['10.0.0.1']));
    const model = await hosted('rebind.test', port);
    expect((await ask(model, rehearsal.url)).row).toMatchObject({ outcome: 'failed', reason: 'tls' });
    expect(handshakes).toBe(1);
    for (let again = 0; again < 3; again += 1) {
      const { answer, row } = await ask(model, rehearsal.url);
      expect(answer.status).toBe(502);
      expect(row).toMatchObject({ outcome: 'failed', reason: 'forbidden-address', status: null });
    }
    expect({ handshakes, lookups }).toEqual({ handshakes: 1, lookups: 4 });
  });

  it.each([
    ['one of its addresses', ['93.184.216.34', '10.0.0.1']],
    ['its only one', ['192.168.0.1']],
    ['an IPv6 spelling of one', ['::ffff:127.0.0.1']],
    ['the metadata service', ['169.254.169.254']],
  ])('with %s is refused as a whole', async (what, addresses) => {
    const name = `${what.replaceAll(' ', '-').toLowerCase()}.test`;
    names.set(name, () => addresses);
    const model = await hosted(name, canaryPort);
    const { answer, row } = await ask(model);
    expect(answer.status).toBe(502);
    expect(row).toMatchObject({ outcome: 'failed', reason: 'forbidden-address', status: null });
  });
});

describe('S1: a redirect', () => {
  it('does not lead inside, nor anywhere', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const upstream = createHttpServer((_request, response) => {
        response.writeHead(status, { location: `http://127.0.0.1:${canaryPort}/latest/meta-data/` }).end();
      });
      const port = await listen(upstream, '127.0.0.1');
      const model = `claude-${randomUUID()}`;
      const models = { allow: [], map: { [model]: 'claude-sonnet-5' } };
      await rehearsal.claudeAccount({ baseUrl: `http://127.0.0.1:${port}`, models });
      const { answer, row } = await ask(model, rehearsal.url);
      expect(answer.status).toBe(502);
      expect(answer.headers).not.toHaveProperty('location');
      expect(row).toMatchObject({ outcome: 'failed', reason: 'redirect', status });
    }
  });
});

describe('S2: what a client says of hosts', () => {
  const evil = (): string => `http://127.0.0.1:${canaryPort}`;

  it('in fields of its body goes to the upstream as data, and nowhere else', async () => {
    const account = await rehearsal.claudeAccount();
    const own = await rehearsal.key({ accounts: [account.id] });
    const fields = {
      base_url: evil(),
      baseURL: evil(),
      api_base: evil(),
      endpoint: evil(),
      host: `127.0.0.1:${canaryPort}`,
      proxy: evil(),
      custom_host: evil(),
      account: 'another',
    };
    const plain = asking('Claude JSON', own.key, 'Hello. [[sim: marker=fields]]');
    const body = JSON.stringify({
      ...(JSON.parse(plain.body) as object),
      metadata: { user_id: evil() },
      ...fields,
    });
    await send(rehearsal.url, { ...plain, body });
    await onlyRow(rehearsal, plain);
    const seen = simulator.find('fields');
    expect(seen).toMatchObject({ url: '/v1/messages' });
    expect(seen?.body.toString()).toBe(body);
    expect(seen?.headers.host).toBe(new URL(simulator.url).host);
  });

  it('in its query does not reach the upstream', async () => {
    const account = await rehearsal.claudeAccount();
    const own = await rehearsal.key({ accounts: [account.id] });
    const plain = asking('Claude JSON', own.key, 'Hello. [[sim: marker=query]]');
    const path = `/v1/messages?beta=true&base_url=${encodeURIComponent(evil())}&host=x&proxy=${evil()}`;
    expect((await send(rehearsal.url, { ...plain, path })).status).toBe(200);
    expect(simulator.find('query')?.url).toBe('/v1/messages?beta=true');
  });

  it('moves no credential away from its own origin', async () => {
    const { startSimulator } = await import('../../src/simulator/simulator.ts');
    const second = await startSimulator();
    try {
      const places = await Promise.all(
        [simulator, second].map(async ({ url }) => {
          const apiKey = `sk-ant-sim-${randomUUID()}`;
          const { id } = await rehearsal.claudeAccount({ baseUrl: url, credentials: { apiKey } });
          return { apiKey, ...(await rehearsal.key({ accounts: [id] })) };
        }),
      );
      const claims = [simulator, second].flatMap(({ url }): Record<string, string>[] => [
        { host: new URL(url).host },
        { 'x-forwarded-host': new URL(url).host },
        { 'x-portkey-custom-host': url },
        { 'x-relay-account': 'another', 'x-base-url': url, 'x-original-url': `${url}/v1/messages` },
      ]);
      for (const place of places) {
        for (const headers of claims) {
          const answer = await send(rehearsal.url, asking('Claude SSE', place.key, 'Hello.'), { headers });
          expect(answer.status).toBe(200);
        }
      }
      const [first, other] = places;
      const at = (place: Simulator) => new Set(place.requests.map(({ credential }) => credential));
      expect(at(simulator).has(first?.apiKey)).toBe(true);
      expect(at(simulator).has(other?.apiKey)).toBe(false);
      expect([...at(second)]).toEqual([other?.apiKey]);
    } finally {
      await second.close();
    }
  });
});
