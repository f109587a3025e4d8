import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { apiDocument, operationFor } from '../support/openapi.ts';
import { ADMIN_TOKEN, Rehearsal } from '../support/relay.ts';
import { WatchedAnswers } from '../support/watched-answers.ts';

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;
const AS_BASIC = basic(`anybody:${ADMIN_TOKEN}`);

async function ask(path: string, authorization?: string) {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const response = await fetch(`${rehearsal.url}${path}`, { headers, redirect: 'manual' });
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    challenge: response.headers.get('www-authenticate'),
    bytes: Buffer.from(await response.arrayBuffer()),
  };
}

describe('the document of the API', () => {
  it.each([
    ['as Bearer', `Bearer ${ADMIN_TOKEN}`],
    ['as the password of Basic', AS_BASIC],
    ['as the password of Basic without a name', basic(`:${ADMIN_TOKEN}`)],
  ])('is the committed one, for an administrator’s token %s', async (_way, authorization) => {
    const { status, type, bytes } = await ask('/openapi.json', authorization);
    expect([status, type]).toEqual([200, 'application/json; charset=utf-8']);
    expect(JSON.parse(bytes.toString())).toEqual(apiDocument);
  });

  it('is shown to nobody else: not the document, the page, or what lies under it', async () => {
    const { key } = await rehearsal.key();
    const strangers = [
      undefined,
      'Bearer',
      `Bearer ${key}`,
      `Bearer ${ADMIN_TOKEN}x`,
      basic(`admin:${key}`),
      basic(`${ADMIN_TOKEN}:`),
      basic(ADMIN_TOKEN.slice(0, -1)),
      `Digest ${ADMIN_TOKEN}`,
    ];
    const paths = ['/openapi.json', '/docs', '/docs/', '/docs/swagger-ui-init.js', '/docs/swagger-ui.css'];
    for (const path of paths) {
      for (const authorization of strangers) {
        const { status, challenge, bytes } = await ask(path, authorization);
        expect([path, authorization, status]).toEqual([path, authorization, 401]);
        expect(challenge).toMatch(/^Basic realm="/);
        expect(bytes.toString()).toBe("An administrator's token is needed\n");
      }
    }
    const { status } = await ask(`/openapi.json?token=${ADMIN_TOKEN}&key=${ADMIN_TOKEN}`);
    expect(status).toBe(401);
  });

  it('is found under no other spelling', async () => {
    for (const path of [
      '/OPENAPI.json',
      '/Docs',
      '//docs',
      '/docs-json',
      '/docs-yaml',
      '/openapi.yaml',
      '/api',
    ]) {
      const { status, bytes } = await ask(path);
      expect([path, status]).toEqual([path, 404]);
      expect(bytes.toString()).not.toContain('openapi');
    }
  });

  it('is a page for a browser, whose scripts and styles load', async () => {
    for (const path of ['/docs', '/docs/']) {
      const page = await ask(path, AS_BASIC);
      expect([path, page.status, page.type]).toEqual([path, 200, 'text/html; charset=utf-8']);
      const html = page.bytes.toString();
      const assets = [...html.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, found]) => found as string);
      expect(assets.length).toBeGreaterThanOrEqual(5);
      for (const asset of assets) {
        const url = new URL(asset, `${rehearsal.url}${path}`);
        expect(url.origin).toBe(rehearsal.url);
        const { status, type, bytes } = await ask(url.pathname, AS_BASIC);
        expect([url.pathname, status]).toEqual([url.pathname, 200]);
        expect(type).toMatch(/^(text\/(css|javascript)|application\/javascript|image\/png)/);
        expect(bytes.length).toBeGreaterThan(100);
      }
    }
    const script = (await ask('/docs/swagger-ui-init.js', AS_BASIC)).bytes.toString();
    expect(script).toContain('"operationId": "createAccountGroup"');
  });
});

/** What Express keeps of each route; one for every method is a net for what no other route takes. */
interface Layer {
  readonly route?: {
    readonly path: string;
    readonly methods: Readonly<Record<string, boolean>>;
  };
}

describe('the routes of the app', () => {
  it('are all in the document', () => {
    const http = rehearsal.replica(0).app.getHttpAdapter().getInstance() as {
      readonly router: { readonly stack: readonly Layer[] };
    };
    const routes = http.router.stack.flatMap(({ route }) =>
      route === undefined || Object.keys(route.methods).length > 10
        ? []
        : Object.keys(route.methods).map((method) => ({ method: method.toUpperCase(), path: route.path })),
    );
    const asked = routes
      .filter(({ path }) => !path.startsWith('/docs/'))
      .map(({ method, path }) => ({ method, path: path.replace(/\/[:*][A-Za-z]+/g, '/x') }))
      // A verb stands in the last segment of Gemini's calls, and behind the model in Bedrock's.
      .map(({ method, path }) => ({
        method,
        path:
          method === 'POST'
            ? path.replace(/(odels\/x)$/, '$1:countTokens').replace(/(\/model\/x)$/, '$1/invoke')
            : path,
      }));
    expect(asked.length).toBeGreaterThan(40);
    expect(asked.filter(({ method, path }) => operationFor(method, path) === undefined)).toEqual([]);
  });
});

describe('the watch over answers', () => {
  it('tells what a server answered otherwise than documented, however it was written', async () => {
    const server = createServer((request, response) => {
      const id = { 'x-relay-request-id': 'x', 'X-Relay-Edits': 'none' };
      if (request.url === '/health/live') response.setHeader('content-type', 'application/json');
      else response.writeHead(401, { ...id, 'content-type': 'application/json', 'x-relay-attempts': '0' });
      response.write('{"status":"ok",');
      response.end(Buffer.from('"more":"ä"}'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const watched = new WatchedAnswers(url);
    await (await fetch(`${url}/health/live`)).text();
    expect(() => watched.check()).toThrow(/GET \/health\/live answered 200: .*additional properties/);
    await (await fetch(`${url}/v1/messages`, { method: 'POST' })).text();
    expect(() => watched.check()).toThrow(/POST \/v1\/messages answered 401: .*required property 'error'/);
    expect(() => watched.check()).not.toThrow();
    watched.stop();
    await (await fetch(`${url}/health/live`)).text();
    expect(watched.count).toBe(2);
    server.close();
  });
});
