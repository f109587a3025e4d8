import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { ConfigWatch } from '../../src/database/config-watch.ts';
import { type Kind, KINDS } from '../support/kinds.ts';
import { admin, type CreatedAccount, Rehearsal } from '../support/relay.ts';
import { onWire, type WireAnswer } from '../support/wire-client.ts';

/**
 * Rows of the catalogue that hold for every kind of account, against an upstream that answers what it is told to; the
 * spellings and corner cases stand in the files of their own (ssrf, headers, secrets).
 */

interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
interface Told {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A few; ssrf.test.ts has every spelling. */
const INSIDE = [
  'https://127.0.0.1',
  'http://[::ffff:127.0.0.1]',
  'https://2130706433',
  'http://localhost',
  'https://169.254.169.254',
  'http://10.0.0.1',
];

let rehearsal: Rehearsal;
/** Nothing but public https origins is allowed there. */
let strict: string;
let vendor: Server;
let vendorUrl: string;
let told: (asked: Asked) => Told;
let asked: Asked[] = [];
/** Nobody may come. */
let canary: Server;
let visits = 0;

beforeAll(async () => {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const one = {
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(pieces).toString(),
      };
      asked.push(one);
      const { status, body = {}, headers = {} } = told(one);
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(body));
    });
  });
  vendor = server;
  canary = createTcpServer((socket) => {
    visits += 1;
    socket.destroy();
  });
  rehearsal = await Rehearsal.start();
  strict = (await rehearsal.addReplica({ RELAY_ALLOWED_UPSTREAMS: '' })).url;
  vendorUrl = `http://127.0.0.1:${await listen(vendor)}`;
  await listen(canary);
});
afterEach(async () => {
  await rehearsal.quiet();
  expect(visits).toBe(0);
  asked = [];
});
afterAll(async () => {
  await rehearsal.close();
  vendor.close();
  canary.close();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

interface Place {
  readonly account: CreatedAccount;
  readonly key: string;
  readonly secret: string;
}

async function placeFor(kind: Kind, more: object = {}): Promise<Place> {
  const secret = `canary/${randomBytes(18).toString('base64url')}`;
  const baseUrl = `${vendorUrl}${kind.below}`;
  const account = await kind.account(rehearsal, { baseUrl, credentials: kind.credentials(secret), ...more });
  const scopes = ['claude', 'gemini', 'openai', 'bedrock'];
  const { key } = await rehearsal.key({ accounts: [account.id], scopes });
  return { account, key, secret };
}

function ask(
  kind: Kind,
  key: string,
  {
    headers = {},
    fields = {},
    query = '',
    url = rehearsal.url,
  }: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly fields?: object;
    readonly query?: string;
    readonly url?: string;
  } = {},
): Promise<WireAnswer> {
  const { path, body } = kind.ask(kind.model, 'Hello');
  return onWire(`${url}${path}${query}`, {
    headers: {
      'x-api-key': key,
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
      ...headers,
    },
    body: JSON.stringify({ ...body, ...fields }),
  });
}

describe.each(KINDS.map((kind) => [kind.title, kind] as const))('an account of kind %s', (_, kind) => {
  beforeEach(() => {
    told = () => ({ status: 400, ...kind.refusal('no') });
  });

  it('is saved at no address inside, and asks none that was written past the API (S1)', async () => {
    const port = portOf(canary);
    for (const host of INSIDE) {
      const address = `${host}:${port}`;
      // One for each address: an account that fails again and again rests.
      const { account, key, secret } = await placeFor(kind, { baseUrl: 'https://gateway.example.com' });
      const wish = { baseUrl: address, credentials: kind.credentials(secret) };
      const saved = await admin(strict, 'PATCH', `/accounts/${account.id}`, wish);
      expect([address, saved]).toMatchObject([
        address,
        { status: 400, body: { errors: [{ field: 'baseUrl' }] } },
      ]);
      await plant(account, address);
      const answer = await ask(kind, key, { url: strict });
      expect([address, answer.status]).toEqual([address, 502]);
      expect((await rehearsal.lastRow())['reason']).toMatch(/^(forbidden-address|dns)$/);
      const tested = await admin(strict, 'POST', `/accounts/${account.id}/test`);
      expect(tested.body).toMatchObject({ status: null, verdict: 'unreachable' });
    }
  });

  it('follows no redirect (S1, U14)', async () => {
    const { key } = await placeFor(kind);
    for (const status of [301, 302, 303, 307, 308]) {
      told = () => ({ status, headers: { location: `http://127.0.0.1:${portOf(canary)}/latest/meta-data` } });
      const answer = await ask(kind, key);
      expect([status, answer.status]).toEqual([status, 502]);
      expect(answer.headers).not.toHaveProperty('location');
    }
  });

  it('is asked at its own origin, with its own credential, whatever a client says of hosts (S2)', async () => {
    const { key, secret } = await placeFor(kind);
    const evil = `http://127.0.0.1:${portOf(canary)}`;
    const fields = {
      base_url: evil,
      api_base: evil,
      endpoint: evil,
      proxy: evil,
      host: 'x',
      account: 'another',
    };
    await ask(kind, key, {
      fields,
      query: `?base_url=${encodeURIComponent(evil)}&host=x&proxy=${evil}`,
      headers: {
        host: `127.0.0.1:${portOf(canary)}`,
        'x-forwarded-host': `127.0.0.1:${portOf(canary)}`,
        'x-portkey-custom-host': evil,
        'x-relay-account': 'another',
        'x-base-url': evil,
        'x-original-url': evil,
      },
    });
    const [one] = asked;
    expect(asked).toHaveLength(1);
    expect(one?.headers).toMatchObject({
      host: new URL(vendorUrl).host,
      [kind.header]: matching(kind.sent(secret)),
    });
    expect(one?.path).not.toMatch(/base_url|proxy|host/);
    expect(JSON.stringify(one?.headers)).not.toContain(String(portOf(canary)));
  });

  it('is told nothing of what a client sent beside its call: the allow-list passes, and one credential (S6)', async () => {
    const { key, secret } = await placeFor(kind);
    const noise = {
      connection: 'keep-alive, x-api-key, x-hop',
      'x-hop': 'hop',
      cookie: 'session=mine',
      'proxy-authorization': 'Basic c2VjcmV0',
      'proxy-connection': 'keep-alive',
      'x-admin-token': 'ra_secret',
      'x-relay-session-id': 'session',
      'x-forwarded-for': '10.0.0.1',
      'x-amz-date': '20200101T000000Z',
      'x-amz-security-token': 'of-the-client',
      'x-goog-api-key': key,
      'api-key': key,
      authorization: `Bearer ${key}`,
      origin: 'http://elsewhere.example',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    };
    await ask(kind, key, { headers: noise });
    const { headers = {} } = asked[0] ?? {};
    const signed = kind.title.includes('keys of AWS') ? ['x-amz-date', 'x-amz-security-token'] : [];
    const own = ['connection', kind.header, ...signed];
    expect(Object.keys(headers).filter((name) => name in noise && !own.includes(name))).toEqual([]);
    const credentials = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'];
    expect(credentials.filter((name) => name in headers)).toEqual([kind.header]);
    expect(headers[kind.header]).toEqual(matching(kind.sent(secret)));
    expect(headers.connection).toBe('keep-alive');
    expect(JSON.stringify(asked)).not.toMatch(new RegExp(`${key}|of-the-client|20200101T`));
  });

  it('has its secrets hidden where its upstream quotes them (U17)', async () => {
    const { key, secret, account } = await placeFor(kind);
    const fields = Object.entries(kind.credentials(secret)).filter(([name]) => /(key|token)$/i.test(name));
    const quoted = fields.map(([, value]) => value);
    told = ({ headers }) => {
      const signature = String(headers['authorization'] ?? headers[kind.header]);
      const message = `not ${quoted.join(' nor ')}, by ${signature}`;
      return { status: 400, ...withHeaders(kind.refusal(message), quoted) };
    };
    const answer = await ask(kind, key);
    expect(asked).toHaveLength(1);
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/not \*{20,}/);
    const row = await rehearsal.lastRow();
    for (const one of quoted) {
      expect(`${answer.rawHeaders.join()}${answer.text}${JSON.stringify(row)}`).not.toContain(one);
    }
    // Of a refused credential nothing passes at all, but for our own words.
    told = () => ({ status: 403, ...kind.refusal(`not ${quoted.join()}`) });
    const refused = await ask(kind, key);
    const tested = await admin(rehearsal.url, 'POST', `/accounts/${account.id}/test`);
    for (const one of quoted) expect(`${refused.text}${JSON.stringify(tested.body)}`).not.toContain(one);
  });

  it('lets no line of its upstream’s become a header or an event (S7)', async () => {
    const { key } = await placeFor(kind);
    const message = 'x\r\nx-injected: 1\r\n\r\nevent: message_stop\ndata: {}\n\n';
    told = () => ({ status: 400, ...kind.refusal(message) });
    const answer = await ask(kind, key);
    expect(answer.status).toBe(400);
    expect(answer.headers).not.toHaveProperty('x-injected');
    expect(answer.text).not.toMatch(/[\r\n]/);
    expect(JSON.stringify(JSON.parse(answer.text))).toContain(JSON.stringify(message).slice(1, -1));
  });
});

const matching = (value: string | RegExp): unknown =>
  typeof value === 'string' ? value : (expect.stringMatching(value) as unknown);

function withHeaders(
  refusal: ReturnType<Kind['refusal']>,
  quoted: readonly string[],
): ReturnType<Kind['refusal']> {
  const id = `req_${quoted.join('_')}`;
  return {
    ...refusal,
    headers: { ...refusal.headers, 'request-id': id, 'x-request-id': id, 'x-amzn-requestid': id },
  };
}

/** As somebody with the database's password might. */
async function plant({ id }: CreatedAccount, baseUrl: string): Promise<void> {
  // One statement, as every change is one transaction: a replica that reads in between would not read again.
  await rehearsal.sql(
    `with next as (update config_version set version = version + 1 returning version)
      update accounts set base_url = $2, version = next.version from next where id = $1`,
    [id, baseUrl],
  );
  for (const at of [0, 1]) await rehearsal.replica(at).app.get(ConfigWatch).refresh();
}
