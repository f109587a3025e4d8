import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { AccountDirectory } from '../../src/accounts/account-directory.ts';
import { type Relay, startRelay } from '../../src/main.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { checkAnswer } from '../support/openapi.ts';
import { query } from '../support/query.ts';
import { ADMIN_TOKEN, testEnv } from '../support/relay.ts';

const SECRET = 'sk-ant-canary-0123456789';

/** What any of these routes may answer; a test reads the fields that its route has. */
interface Body {
  readonly id: string;
  readonly name: string;
  readonly accounts: string[];
  readonly groups: string[];
  readonly health: { readonly cooldowns: Record<string, string>[] };
  readonly items: Body[];
  readonly nextCursor: string | null;
  readonly errors: { readonly field: string }[];
  readonly updatedAt: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: Body;
}

let database: TestDatabase;
let relay: Relay;
let directory: AccountDirectory;
let vendor: Server;
let vendorUrl: string;
let vendorAnswer: { status: number; body: string };
let vendorSaw: IncomingHttpHeaders[] = [];

async function call(method: string, path: string, body?: unknown, token = ADMIN_TOKEN): Promise<Answer> {
  const response = await fetch(`${relay.url}/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const headers = Object.fromEntries(response.headers);
  checkAnswer({ method, path: `/admin/v1${path}`, status: response.status, headers, body: text });
  return { status: response.status, text, body: JSON.parse(text === '' ? '{}' : text) as Body };
}

function wish(more: object = {}): Record<string, unknown> {
  return { name: `a-${randomUUID()}`, kind: 'claude', credentials: { apiKey: SECRET }, ...more };
}

async function create(more: object = {}): Promise<Answer['body']> {
  const { status, body, text } = await call('POST', '/accounts', wish(more));
  if (status !== 201) throw new Error(text);
  return body;
}

async function problemsOf(method: string, path: string, body: unknown): Promise<string[]> {
  const answer = await call(method, path, body);
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ type: 'about:blank', title: 'Bad Request', status: 400 });
  return answer.body.errors.map(({ field }) => field);
}

function sql<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
  return query<Row>(database.url, text, values);
}

beforeAll(async () => {
  vendor = createServer((request, response) => {
    vendorSaw.push(request.headers);
    request.resume().on('end', () => {
      response.writeHead(vendorAnswer.status, { 'content-type': 'application/json' });
      response.end(vendorAnswer.body);
    });
  });
  await new Promise<void>((resolve) => vendor.listen(0, '127.0.0.1', resolve));
  vendorUrl = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`;

  database = await createDatabase();
  relay = await startRelay(testEnv(database.url, { RELAY_ALLOWED_UPSTREAMS: '127.0.0.1' }));
  directory = relay.app.get(AccountDirectory);
});

afterAll(async () => {
  await relay.close();
  vendor.close();
  await database.drop();
});

beforeEach(() => {
  vendorSaw = [];
  vendorAnswer = { status: 200, body: '{"type":"message","content":[]}' };
});

describe('accounts', () => {
  it('are created with the defaults of the contract, and read again by id and in the list', async () => {
    const { status, body } = await call('POST', '/accounts', wish({ name: 'first' }));
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      name: 'first',
      kind: 'claude',
      baseUrl: null,
      proxyUrl: null,
      priority: 50,
      weight: 1,
      maxConcurrency: 0,
      models: null,
      groups: [],
      onClientLeave: 'cancel',
      enabled: true,
      health: { cooldowns: [] },
      inUse: 0,
      credentialsVersion: 1,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
    });
    expect((await call('GET', `/accounts/${body.id}`)).body).toEqual(body);
    expect(directory.get(body.id)).toMatchObject({ name: 'first', credentialsVersion: 1 });
  });

  it('keep every field that is set, and change only those that a patch names', async () => {
    const models = { allow: ['claude-*'], map: { fast: 'claude-haiku-4-5' } };
    const made = await create({
      baseUrl: 'https://gateway.example.com/anthropic',
      priority: 10,
      weight: 7,
      maxConcurrency: 3,
      models,
      onClientLeave: 'cancel',
      enabled: false,
    });
    expect(made).toMatchObject({ priority: 10, weight: 7, maxConcurrency: 3, models, enabled: false });
    const { status, body } = await call('PATCH', `/accounts/${made.id}`, { priority: 20, models: null });
    expect(status).toBe(200);
    expect(body).toEqual({ ...made, priority: 20, models: null, updatedAt: body.updatedAt });
  });

  it('are listed newest first, page by page, each once', async () => {
    const made: string[] = [];
    for (let index = 0; index < 5; index += 1) made.push((await create()).id);
    const seen: string[] = [];
    let cursor: string | null = '';
    do {
      const page: Answer = await call('GET', `/accounts?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(page.body.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.body.items.map(({ id }) => id));
      cursor = page.body.nextCursor;
    } while (cursor !== null);
    expect(seen.slice(0, 5)).toEqual(made.reverse());
    expect(new Set(seen).size).toBe(seen.length);
    expect((await call('GET', '/accounts?cursor=nonsense')).status).toBe(400);
    expect((await call('GET', '/accounts?limit=0')).status).toBe(400);
  });

  it('never show a credential: not in an answer, the audit log or any table', async () => {
    const made = await create({ name: 'masked' });
    const answers = [
      await call('GET', `/accounts/${made.id}`),
      await call('PATCH', `/accounts/${made.id}`, { credentials: { apiKey: `${SECRET}-2` } }),
      await call('GET', '/accounts?limit=200'),
      await call('GET', '/audit'),
      await call('POST', '/accounts', wish({ credentials: { apiKey: `${SECRET}\n` } })),
    ];
    for (const { text } of answers) expect(text).not.toContain('canary');
    const audit = await sql<{ row: string }>('select a::text as row from audit_log a');
    expect(JSON.stringify(audit)).not.toContain('canary');
    expect(answers[3]?.text).toContain('"credentialFields":["apiKey"]');
    const credentials = await sql<{ row: string }>('select c::text as row from account_credentials c');
    const hex = Buffer.from('canary').toString('hex');
    expect(JSON.stringify(credentials)).not.toMatch(new RegExp(`canary|${hex}`));
  });

  it('go up one credential version with each new credential, which ends the parking for the old one', async () => {
    const made = await create();
    await sql(
      `insert into cooldowns (id, account_id, reason, evidence, until, credentials_version) values
        ($1, $2, 'credential-refused', 'authentication_error', 'infinity', 1)`,
      [randomUUID(), made.id],
    );
    const parked = (await call('GET', `/accounts/${made.id}`)).body;
    expect(parked.health.cooldowns).toEqual([
      {
        scope: 'account',
        modelFamily: null,
        reason: 'credential-refused',
        evidence: 'authentication_error',
        since: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as unknown,
        until: null,
      },
    ]);
    const { body } = await call('PATCH', `/accounts/${made.id}`, { credentials: { apiKey: 'sk-new' } });
    expect(body).toMatchObject({ credentialsVersion: 2, health: { cooldowns: [] } });
    expect(await sql('select 1 from cooldowns where account_id = $1', [made.id])).toEqual([]);
    expect(directory.get(made.id)?.credentialsVersion).toBe(2);
  });

  it('are edited while a renewal holds the credential: settings at once, a new credential after it', async () => {
    const made = await create();
    const renewal = new pg.Client({ connectionString: database.url });
    await renewal.connect();
    await renewal.query('begin');
    await renewal.query('select 1 from account_credentials where account_id = $1 for update', [made.id]);
    expect((await call('PATCH', `/accounts/${made.id}`, { priority: 7 })).status).toBe(200);

    const edit = call('PATCH', `/accounts/${made.id}`, { credentials: { apiKey: 'sk-after' } });
    // Nothing is held by the edit that waits: others write meanwhile, the renewal among them.
    expect((await call('POST', '/account-groups', { name: `g-${randomUUID()}` })).status).toBe(201);
    await renewal.query('update config_version set version = version + 1');
    await renewal.query('commit');
    await renewal.end();
    expect((await edit).body).toMatchObject({ priority: 7, credentialsVersion: 2 });
  });

  it('have their cooldowns cleared on request, those of a model family too', async () => {
    const made = await create();
    await sql(
      `insert into cooldowns (id, account_id, model_family, reason, evidence, until)
        values ($1, $2, 'claude-opus-4', 'rate_limit_error', '429', now() + interval '1 hour')`,
      [randomUUID(), made.id],
    );
    const cooling = (await call('GET', `/accounts/${made.id}`)).body.health.cooldowns[0];
    expect(cooling).toMatchObject({ scope: 'model', modelFamily: 'claude-opus-4' });
    expect(Date.parse(cooling?.until ?? '')).toBeGreaterThan(Date.now() + 3_000_000);
    const cleared = await call('POST', `/accounts/${made.id}/clear-cooldowns`);
    expect(cleared.status).toBe(201);
    expect(cleared.body.health.cooldowns).toEqual([]);
  });

  it('are gone once deleted, with their credential; the name becomes free and the row stays for reports', async () => {
    const made = await create({ name: 'deleted' });
    expect((await call('DELETE', `/accounts/${made.id}`)).status).toBe(204);
    expect((await call('GET', `/accounts/${made.id}`)).status).toBe(404);
    expect((await call('DELETE', `/accounts/${made.id}`)).status).toBe(404);
    expect(directory.get(made.id)).toBeUndefined();
    expect(await sql('select name from accounts where id = $1', [made.id])).toEqual([{ name: 'deleted' }]);
    expect(await sql('select 1 from account_credentials where account_id = $1', [made.id])).toEqual([]);
    expect((await call('POST', '/accounts', wish({ name: 'deleted' }))).status).toBe(201);
  });

  it('have one name each', async () => {
    const [one, two] = [await create({ name: 'one' }), await create({ name: 'two' })];
    const again = await call('POST', '/accounts', wish({ name: 'one' }));
    expect(again.status).toBe(409);
    expect(again.body.errors[0]?.field).toBe('name');
    expect((await call('PATCH', `/accounts/${two.id}`, { name: 'one' })).status).toBe(409);
    expect((await call('PATCH', `/accounts/${one.id}`, { name: 'one' })).status).toBe(200);
  });

  it.each([
    ['no name', { name: undefined }, ['name']],
    ['an empty name', { name: '' }, ['name']],
    ['a line break in the name', { name: 'a\nb' }, ['name']],
    ['a name of 201 characters', { name: 'x'.repeat(201) }, ['name']],
    ['null for a name', { name: null }, ['name']],
    ['an unknown kind', { kind: 'bedrock-of-tomorrow' }, ['kind']],
    ['a kind of the object prototype', { kind: 'constructor' }, ['kind']],
    ['no credentials', { credentials: undefined }, ['credentials']],
    ['credentials without a field', { credentials: {} }, ['credentials.apiKey']],
    ['a credential that is no text', { credentials: { apiKey: 5 } }, ['credentials.apiKey']],
    ['a header in a credential', { credentials: { apiKey: 'a\r\nx-evil: 1' } }, ['credentials.apiKey']],
    ['a foreign credential field', { credentials: { apiKey: 'k', region: 'x' } }, ['credentials.region']],
    ['a weight of 0', { weight: 0 }, ['weight']],
    ['a weight of 1001', { weight: 1001 }, ['weight']],
    ['half a place', { maxConcurrency: 0.5 }, ['maxConcurrency']],
    ['a text for a number', { priority: '1' }, ['priority']],
    ['null for a number', { priority: null }, ['priority']],
    ['a text for a flag', { enabled: 'yes' }, ['enabled']],
    ['a proxy inside', { proxyUrl: 'http://10.0.0.1' }, ['proxyUrl']],
    ['a leaving that is none', { onClientLeave: 'stay' }, ['onClientLeave']],
    ['a read-only field', { inUse: 5 }, ['inUse']],
    ['a group that is no id', { groups: ['x'] }, ['groups']],
    ['a group that is not there', { groups: [randomUUID()] }, ['groups']],
    ['a model policy that is a list', { models: [] }, ['models']],
    ['a foreign field of the model policy', { models: { deny: [] } }, ['models.deny']],
    ['a pattern with a space', { models: { allow: ['a b'] } }, ['models.allow.0']],
    ['a model name that climbs', { models: { map: { a: '../b' } } }, ['models.map.a']],
    ['501 patterns', { models: { allow: Array.from({ length: 501 }, () => 'a') } }, ['models.allow']],
  ])('are refused with %s, by the name of the field', async (_case, more, fields) => {
    expect(await problemsOf('POST', '/accounts', wish(more))).toEqual(fields);
  });

  it('are refused whole: one wrong field changes nothing', async () => {
    const made = await create();
    expect(
      await problemsOf('PATCH', `/accounts/${made.id}`, { priority: 1, groups: [randomUUID()] }),
    ).toEqual(['groups']);
    expect((await call('GET', `/accounts/${made.id}`)).body).toEqual(made);
    expect(await problemsOf('PATCH', `/accounts/${made.id}`, { kind: 'gemini' })).toEqual(['kind']);
  });

  it.each([
    'http://api.anthropic.com',
    'https://localhost',
    'https://10.0.0.1',
    'https://192.168.1.1',
    'https://169.254.169.254',
    'https://100.64.0.1',
    'https://0.0.0.0',
    'https://0x7f000002',
    'https://2130706434',
    'https://127.0.0.2',
    'https://[::1]',
    'https://[::ffff:10.0.0.1]',
    'https://[64:ff9b::a00:1]',
    'https://[2002:a00:1::]',
    'https://[fd00::1]',
    'https://[fe80::1]',
    'https://user:pw@api.anthropic.com',
    'https://api.anthropic.com/?x=1',
    'https://api.anthropic.com/#x',
    'https://api.anthropic.com/a%2fb',
    'file:///etc/passwd',
    'gopher://127.0.0.1',
    'not a url',
  ])('may not stand at %s', async (address) => {
    expect(await problemsOf('POST', '/accounts', wish({ baseUrl: address }))).toEqual(['baseUrl']);
    const made = await create();
    const body = { baseUrl: address, credentials: { apiKey: 'k' } };
    expect(await problemsOf('PATCH', `/accounts/${made.id}`, body)).toEqual(['baseUrl']);
  });

  it('have a token URL that is checked like a base URL', async () => {
    const credentials = { accessToken: 'at', refreshToken: 'rt', tokenUrl: 'https://10.0.0.1/token' };
    expect(await problemsOf('POST', '/accounts', wish({ credentials }))).toEqual(['credentials.tokenUrl']);
  });

  it('do not take a stored credential to another origin: it must be given again', async () => {
    const made = await create({ baseUrl: 'https://one.example.com/a' });
    const path = `/accounts/${made.id}`;
    for (const baseUrl of ['https://two.example.com', 'https://one.example.com:8443', null]) {
      expect(await problemsOf('PATCH', path, { baseUrl })).toEqual(['credentials']);
    }
    expect((await call('PATCH', path, { baseUrl: 'https://one.example.com/b' })).status).toBe(200);
    const moved = await call('PATCH', path, {
      baseUrl: 'https://two.example.com',
      credentials: { apiKey: 'sk-two' },
    });
    expect(moved.body).toMatchObject({ baseUrl: 'https://two.example.com', credentialsVersion: 2 });
  });

  it('answer 404 for an id that is not theirs, in every route', async () => {
    const group = (await call('POST', '/account-groups', { name: `g-${randomUUID()}` })).body;
    for (const id of [randomUUID(), group.id, 'x', "';drop table accounts;--", '%00']) {
      const path = `/accounts/${encodeURIComponent(id)}`;
      for (const [method, route, body] of [
        ['GET', path],
        ['PATCH', path, { priority: 1 }],
        ['DELETE', path],
        ['POST', `${path}/test`],
        ['POST', `${path}/clear-cooldowns`],
      ] as const) {
        expect((await call(method, route, body)).status).toBe(404);
      }
    }
  });

  it('are for administrators alone', async () => {
    for (const token of ['', 'ra_wrong', `rk_${randomBytes(32).toString('base64url')}`]) {
      expect((await call('GET', '/accounts', undefined, token)).status).toBe(401);
      expect((await call('POST', '/accounts', wish(), token)).status).toBe(401);
      expect((await call('GET', '/account-groups', undefined, token)).status).toBe(401);
    }
  });

  it('keep SQL and markup in a name as the text it is', async () => {
    for (const name of [
      "'; drop table accounts; --",
      '<script>alert(1)</script>',
      '=1+1',
      '${7*7}',
      '\\\\',
    ]) {
      const made = await create({ name });
      expect(made.name).toBe(name);
      expect((await call('DELETE', `/accounts/${made.id}`)).status).toBe(204);
    }
  });
});

describe('the test of an account', () => {
  it('makes one real request with the credential, and says what it saw', async () => {
    const made = await create({ baseUrl: vendorUrl });
    const { status, body } = await call('POST', `/accounts/${made.id}/test`);
    expect(status).toBe(201);
    expect(body).toEqual({
      status: 200,
      verdict: 'ok',
      model: expect.stringMatching(/^claude-/) as unknown,
      latencyMs: expect.any(Number) as unknown,
      message: 'The upstream answered',
    });
    expect(vendorSaw).toHaveLength(1);
    expect(vendorSaw[0]?.['x-api-key']).toBe(SECRET);
    expect(JSON.stringify(vendorSaw)).not.toContain(ADMIN_TOKEN);
  });

  it('tells a refused credential, and repeats nothing of what the upstream quotes', async () => {
    vendorAnswer = {
      status: 401,
      body: `{"type":"error","error":{"type":"authentication_error","message":"bad key ${SECRET}"}}`,
    };
    const made = await create({ baseUrl: vendorUrl });
    const { body, text } = await call('POST', `/accounts/${made.id}/test`);
    expect(body).toMatchObject({ status: 401, verdict: 'credential' });
    expect(text).not.toContain('canary');
  });

  it('tells the vendor’s trouble, an answer that is none, and a server that is not there', async () => {
    const made = await create({ baseUrl: vendorUrl });
    vendorAnswer = {
      status: 529,
      body: '{"type":"error","error":{"type":"overloaded_error","message":"x"}}',
    };
    expect((await call('POST', `/accounts/${made.id}/test`)).body).toMatchObject({ verdict: 'provider' });
    vendorAnswer = { status: 200, body: '<html>please sign in</html>' };
    expect((await call('POST', `/accounts/${made.id}/test`)).body).toMatchObject({
      status: 200,
      verdict: 'provider',
    });
    const nobody = await create({ baseUrl: 'http://127.0.0.1:1' });
    expect((await call('POST', `/accounts/${nobody.id}/test`)).body).toMatchObject({
      status: null,
      verdict: 'unreachable',
    });
  });
});

describe('account groups', () => {
  it('hold accounts, told on both sides, and every replica hears of the accounts that came or went', async () => {
    const [one, two] = [await create(), await create()];
    const { status, body: group } = await call('POST', '/account-groups', {
      name: 'pool',
      accounts: [one.id],
    });
    expect(status).toBe(201);
    expect(group).toMatchObject({ name: 'pool', accounts: [one.id] });
    expect(directory.get(one.id)?.groups).toEqual([group.id]);
    const versionOfTwo = directory.get(two.id)?.version;

    const path = `/account-groups/${group.id}`;
    expect((await call('PATCH', path, { accounts: [two.id] })).body.accounts).toEqual([two.id]);
    expect(directory.get(one.id)?.groups).toEqual([]);
    expect(directory.get(two.id)?.groups).toEqual([group.id]);
    expect(directory.get(two.id)?.version).not.toBe(versionOfTwo);

    expect((await call('PATCH', `/accounts/${one.id}`, { groups: [group.id] })).body.groups).toEqual([
      group.id,
    ]);
    expect((await call('GET', path)).body.accounts.sort()).toEqual([one.id, two.id].sort());

    expect((await call('DELETE', `/accounts/${one.id}`)).status).toBe(204);
    expect((await call('GET', path)).body.accounts).toEqual([two.id]);
    expect((await call('DELETE', path)).status).toBe(204);
    expect(directory.get(two.id)?.groups).toEqual([]);
    expect((await call('GET', `/accounts/${two.id}`)).body.groups).toEqual([]);
    expect((await call('GET', path)).status).toBe(404);
  });

  it('are renamed, listed, and have one name each', async () => {
    const { body: one } = await call('POST', '/account-groups', { name: 'g-one' });
    const { body: two } = await call('POST', '/account-groups', { name: 'g-two' });
    expect((await call('PATCH', `/account-groups/${two.id}`, { name: 'g-one' })).status).toBe(409);
    expect((await call('PATCH', `/account-groups/${two.id}`, { name: 'g-three' })).body.name).toBe('g-three');
    const list = (await call('GET', '/account-groups?limit=1')).body;
    expect(list.items[0]?.id).toBe(two.id);
    const next = (await call('GET', `/account-groups?limit=1&cursor=${list.nextCursor}`)).body;
    expect(next.items[0]?.id).toBe(one.id);
  });

  it('refuse an account that is not there, and every unknown field, by name', async () => {
    expect(await problemsOf('POST', '/account-groups', { name: 'x', accounts: [randomUUID()] })).toEqual([
      'accounts',
    ]);
    expect(await problemsOf('POST', '/account-groups', { name: 'x', weight: 1 })).toEqual(['weight']);
    expect(await problemsOf('POST', '/account-groups', { name: ' x' })).toEqual(['name']);
  });

  it('leave an audit row for each change, with before and after', async () => {
    const { body: group } = await call('POST', '/account-groups', { name: 'audited' });
    await call('PATCH', `/account-groups/${group.id}`, { name: 'audited twice' });
    await call('DELETE', `/account-groups/${group.id}`);
    const rows = await sql<{ action: string; before: object | null; after: object | null }>(
      'select action, before, after from audit_log where resource_id = $1 order by id',
      [group.id],
    );
    expect(rows).toMatchObject([
      { action: 'account-group.create', before: null, after: { name: 'audited' } },
      { action: 'account-group.update', before: { name: 'audited' }, after: { name: 'audited twice' } },
      { action: 'account-group.delete', before: { name: 'audited twice' }, after: null },
    ]);
  });
});
