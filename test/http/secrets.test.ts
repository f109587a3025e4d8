import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { makeCertificate } from '../support/certificate.ts';
import { TestProxy } from '../support/proxies.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { eventually } from '../support/eventually.ts';
import { askRaw, exchangeBytes, type HeaderLines, type RawAnswer } from '../support/raw-http.ts';
import { failingStart, type SpawnedRelay, spawnRelay } from '../support/spawned-relay.ts';

/**
 * What must be told to nobody: driven through every way in which a call or a setting can go well or wrong, with the
 * log at its most talkative, and then looked for wherever anything is written.
 */

const unique = (): string => randomBytes(24).toString('base64url');
const ADMIN_TOKEN = `ra_${unique()}${unique()}`;
const METRICS_TOKEN = unique();
const ENCRYPTION_KEY = randomBytes(32);
const PROMPT = `prompt-${unique()}`;
const ANSWER = `answer-${unique()}`;
const UPSTREAM_WORDS = `upstream-words-${unique()}`;
const API_KEY = `sk-ant-sim-${unique()}`;
const GEMINI_KEY = `gemini-sim-${unique()}`;
const OPENAI_KEY = `sk-sim-${unique()}`;
const ACCESS = `access-${unique()}`;
const REFRESH = `refresh-${unique()}`;
const CLIENT_SECRET = `client-secret-${unique()}`;
const FIELD = `field-${unique()}`;
const BEDROCK_KEY = `bedrock-api-key-sim-${unique()}`;
const AWS_ID = `AKIASIM${randomBytes(8).toString('hex').toUpperCase()}`;
const AWS_SECRET = `simulator-secret-${AWS_ID}`;
const PROXY_PASSWORD = `proxy/p@ss-${unique()}`;
const WRONG_PASSWORD = `wrong/p@ss-${unique()}`;
const COOKIE = `cookie-${unique()}`;
const STRANGER = `rk_${unique()}${unique().slice(0, 11)}`;

/** Told nowhere. What is made on the way is added. */
const secrets = new Map<string, string>([
  ["the administrator's token", ADMIN_TOKEN],
  ['the metrics token', METRICS_TOKEN],
  ['the encryption key', ENCRYPTION_KEY.toString('base64').slice(0, 40)],
  ['the encryption key in hex', ENCRYPTION_KEY.toString('hex')],
  ['a key that is none', STRANGER],
  ['the API key of an account', API_KEY],
  ['the API key of a Gemini account', GEMINI_KEY],
  ['the API key of an OpenAI-compatible account', OPENAI_KEY],
  ['an access token', ACCESS],
  ['a refresh token', REFRESH],
  ['a client secret', CLIENT_SECRET],
  ['a renewed access token', 'sim-access-'],
  ['a renewed refresh token', 'sim-refresh-'],
  ['the API key of a Bedrock account', BEDROCK_KEY],
  ['the secret key of a Bedrock account', AWS_SECRET],
  ['the password of a proxy', PROXY_PASSWORD],
  ['the password of a proxy in its URL', encodeURIComponent(PROXY_PASSWORD)],
  ['a sign-in to a proxy', Buffer.from(`relay:${PROXY_PASSWORD}`).toString('base64')],
  ['a wrong password of a proxy', WRONG_PASSWORD],
  ['a wrong password of a proxy in its URL', encodeURIComponent(WRONG_PASSWORD)],
  ['a wrong sign-in to a proxy', Buffer.from(`relay:${WRONG_PASSWORD}`).toString('base64')],
  ['a cookie', COOKIE],
  ['the value of a refused field', FIELD],
]);
/** Told to the caller by the model or the vendor, and kept nowhere. */
const passing = new Map<string, string>([
  ['the prompt', PROMPT],
  ['the answer', ANSWER],
  ['the words of an upstream', UPSTREAM_WORDS],
]);

const spoolDir = mkdtempSync(join(tmpdir(), 'relay-secrets-'));
let database: TestDatabase;
let simulator: Simulator;
let relay: SpawnedRelay;
/** Named by the environment, which has no say. */
let stray: TestProxy;
let authority: string;
/** The id of a call of a model that nobody has. */
let unknown: string | undefined;
const certificate = makeCertificate('localhost');
const answers: { asked: string; text: string }[] = [];

const variables = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  DATABASE_URL: database.url,
  RELAY_ADMIN_TOKEN: ADMIN_TOKEN,
  RELAY_METRICS_TOKEN: METRICS_TOKEN,
  RELAY_ENCRYPTION_KEYS: `k1:${ENCRYPTION_KEY.toString('base64')}`,
  RELAY_ALLOWED_UPSTREAMS: '127.0.0.0/8,localhost',
  NODE_EXTRA_CA_CERTS: authority,
  ...Object.fromEntries(['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].map((name) => [name, stray.url()])),
  NODE_USE_ENV_PROXY: '1',
  RELAY_LOG_LEVEL: 'trace',
  RELAY_HEADERS_TIMEOUT_MS: '300',
  RELAY_JSON_HEADERS_TIMEOUT_MS: '300',
  RELAY_IDLE_TIMEOUT_MS: '300',
  RELAY_MAX_BODY_BYTES: '100000',
  RELAY_SPOOL_DIR: spoolDir,
  ...more,
});

async function tell(
  method: string,
  target: string,
  headers: HeaderLines,
  body: Buffer | string = '',
): Promise<RawAnswer> {
  const answer = await askRaw(relay.url, method, target, headers, body);
  answers.push({ asked: `${method} ${target}`, text: `${JSON.stringify(answer.headers)}\n${answer.body}` });
  return answer;
}

const asAdmin: HeaderLines = [
  ['authorization', `Bearer ${ADMIN_TOKEN}`],
  ['content-type', 'application/json'],
];
const manage = (method: string, path: string, body?: unknown): Promise<RawAnswer> =>
  tell(method, `/admin/v1${path}`, asAdmin, body === undefined ? '' : JSON.stringify(body));

/** Answers with the secret, once, and so is not looked through; the secret is looked for from now on. */
async function newSecret(path: string, body: object, what: string): Promise<{ id: string; key: string }> {
  const answer = await askRaw(relay.url, 'POST', `/admin/v1${path}`, asAdmin, JSON.stringify(body));
  expect([path, answer.status, answer.body]).toEqual([path, 201, expect.any(String)]);
  const made = JSON.parse(answer.body) as { id: string; key: string };
  secrets.set(what, made.key.slice(8));
  return made;
}

async function newAccount(body: object): Promise<string> {
  const answer = await manage('POST', '/accounts', body);
  expect([answer.body, answer.status]).toEqual([expect.any(String), 201]);
  return (JSON.parse(answer.body) as { id: string }).id;
}

const ways = (key: string, text: string): readonly [string, HeaderLines, string][] => {
  const claude = {
    model: 'claude-sonnet-5',
    max_tokens: 64,
    system: PROMPT,
    metadata: { user_id: PROMPT },
    messages: [{ role: 'user', content: `${PROMPT} ${text}` }],
  };
  const gemini = {
    systemInstruction: { parts: [{ text: PROMPT }] },
    contents: [{ role: 'user', parts: [{ text: `${PROMPT} ${text}` }] }],
  };
  const chat = {
    model: 'gpt-4.1',
    messages: [
      { role: 'system', content: PROMPT },
      { role: 'user', content: `${PROMPT} ${text}` },
    ],
  };
  const version: HeaderLines = [['anthropic-version', '2023-06-01']];
  return [
    ['/v1/messages', [['x-api-key', key], ...version], JSON.stringify({ ...claude, stream: true })],
    ['/v1/messages', [['authorization', `Bearer ${key}`], ...version], JSON.stringify(claude)],
    [`/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=${key}`, [], JSON.stringify(gemini)],
    ['/v1beta/models/gemini-2.5-flash:generateContent', [['x-goog-api-key', key]], JSON.stringify(gemini)],
    ['/v1/chat/completions', [['authorization', `Bearer ${key}`]], JSON.stringify({ ...chat, stream: true })],
    ['/v1/chat/completions', [['authorization', `Bearer ${key}`]], JSON.stringify(chat)],
  ];
};

beforeAll(async () => {
  [database, simulator] = await Promise.all([createDatabase(), startSimulator()]);
  stray = await TestProxy.start({ kind: 'http' });
  authority = join(mkdtempSync(join(tmpdir(), 'authority-')), 'ca.pem');
  writeFileSync(authority, certificate.cert);
  secrets.set("the database's password", new URL(database.url).password);
  relay = await spawnRelay(variables());
});
afterAll(async () => {
  await stray.close();
  rmSync(dirname(authority), { recursive: true });
  await simulator.close();
  await database.drop();
  rmSync(spoolDir, { recursive: true, force: true });
});

describe('what is secret (S3, U17)', () => {
  let key: string;
  let claude: string;
  let gemini: string;
  let renewing: string;

  it('is told to nobody when accounts and keys are made, shown, changed and refused', async () => {
    const baseUrl = simulator.url;
    claude = await newAccount({ name: 'one', kind: 'claude', baseUrl, credentials: { apiKey: API_KEY } });
    gemini = await newAccount({ name: 'two', kind: 'gemini', baseUrl, credentials: { apiKey: GEMINI_KEY } });
    await newAccount({
      name: 'four',
      kind: 'openai-compatible',
      baseUrl: `${baseUrl}/v1`,
      credentials: { apiKey: OPENAI_KEY },
    });
    simulator.oauth.grant({ accessToken: ACCESS, refreshToken: REFRESH });
    renewing = await newAccount({
      name: 'three',
      kind: 'claude',
      baseUrl,
      enabled: false,
      credentials: {
        accessToken: ACCESS,
        refreshToken: REFRESH,
        tokenUrl: `${baseUrl}/oauth/token`,
        clientId: 'a-client',
        clientSecret: CLIENT_SECRET,
      },
    });
    const everything = { name: 'all', scopes: ['claude', 'gemini', 'openai'], models: ['*'] };
    const made = await newSecret('/keys', everything, 'a key');
    key = (await newSecret(`/keys/${made.id}/rotate`, { overlapSeconds: 600 }, 'a rotated key')).key;
    const revoked = await newSecret('/keys', everything, 'a revoked key');
    await manage('POST', `/keys/${revoked.id}/revoke`);
    for (const way of ways(revoked.key, '')) await tell('POST', ...way);

    const credentials = { apiKey: `${API_KEY} ${FIELD}` };
    const wrong: [string, string, unknown][] = [
      ['POST', '/accounts', { name: 'x', kind: 'claude', baseUrl, credentials }],
      ['POST', '/accounts', { name: 'x', kind: FIELD, baseUrl, credentials: { apiKey: API_KEY } }],
      ['POST', '/accounts', { name: 'x', kind: 'claude', baseUrl, credentials: { authToken: API_KEY } }],
      [
        'POST',
        '/accounts',
        { name: 'x', kind: 'claude', baseUrl: `http://u:${FIELD}@127.0.0.1`, credentials },
      ],
      ['POST', '/accounts', { name: 'one', kind: 'claude', baseUrl, credentials: { apiKey: API_KEY } }],
      [
        'POST',
        '/accounts',
        { name: 'x', kind: 'claude', proxyUrl: `http://u:${FIELD}@127.0.0.1/x`, credentials },
      ],
      ['PATCH', `/accounts/${claude}`, { proxyUrl: `http://u:${PROXY_PASSWORD}@proxy.example.com` }],
      ['PATCH', `/accounts/${claude}`, { proxyUrl: `socks5://u:${FIELD}@10.0.0.1` }],
      ['PATCH', `/accounts/${claude}`, { proxyUrl: { url: `http://u:${FIELD}@proxy.example.com` } }],
      [
        'POST',
        '/accounts',
        { name: `\0${FIELD}`, kind: 'claude', baseUrl, credentials: { apiKey: API_KEY } },
      ],
      ['PATCH', `/accounts/${claude}`, { credentials: { apiKey: '', accessToken: ACCESS } }],
      ['PATCH', `/accounts/${claude}`, { priority: FIELD, nope: API_KEY }],
      ['PATCH', `/accounts/${claude}`, { baseUrl: 'https://api.anthropic.com' }],
      ['POST', '/keys', { name: `a\0${FIELD}`, scopes: ['claude'], models: ['*'] }],
      ['POST', '/keys', { name: 'x', scopes: [FIELD], models: [`${FIELD} ${key}`], expiresAt: FIELD }],
      ['POST', '/keys', { name: 'x', accounts: [FIELD], limits: { concurrency: FIELD }, secret: key }],
      ['GET', `/keys/${FIELD}`, undefined],
      ['GET', `/keys?cursor=${FIELD}&limit=${FIELD}`, undefined],
      ['GET', `/usage?from=${FIELD}&groupBy=${FIELD}`, undefined],
      ['PUT', `/prices/${FIELD}`, { usd: FIELD }],
      ['POST', '/account-groups', { name: 'x', accounts: [FIELD] }],
      ['DELETE', `/accounts/${randomUUID()}`, undefined],
    ];
    for (const [method, path, body] of wrong) {
      expect([method, path, (await manage(method, path, body)).status]).toEqual([
        method,
        path,
        expect.any(Number),
      ]);
    }
    await tell('POST', '/admin/v1/keys', asAdmin, `{"name":"${FIELD}`);
    await tell('POST', '/admin/v1/keys', [...asAdmin, ['content-encoding', 'gzip']], FIELD);
    for (const path of [
      '/accounts',
      `/accounts/${claude}`,
      '/keys',
      `/keys/${made.id}`,
      '/audit',
      '/prices',
    ]) {
      expect((await manage('GET', path)).status).toBe(200);
    }
  });

  it('is told to nobody when credentials are missing, wrong, many, or in the wrong place', async () => {
    const credentials: HeaderLines[] = [
      [['x-api-key', STRANGER]],
      [['authorization', `Bearer ${STRANGER}`]],
      [['authorization', STRANGER]],
      [
        ['x-api-key', key],
        ['authorization', `Bearer ${STRANGER}`],
      ],
      [['authorization', `Basic ${Buffer.from(`x:${key}`).toString('base64')}`]],
      [['authorization', `AWS4-HMAC-SHA256 Credential=${STRANGER}/x, Signature=${STRANGER}`]],
      [['x-api-key', ADMIN_TOKEN]],
      [['x-api-key', METRICS_TOKEN]],
      [
        ['x-api-key', key],
        ['cookie', `session=${COOKIE}`],
        ['proxy-authorization', `Basic ${COOKIE}`],
        ['connection', 'close, x-api-key'],
      ],
    ];
    secrets.set('a key in base64', Buffer.from(`x:${key}`).toString('base64').slice(8));
    for (const given of credentials) {
      for (const [target, , body] of ways(STRANGER, ''))
        await tell('POST', target.split('?')[0] ?? '', given, body);
      await tell('GET', '/v1/models', given);
      await tell('GET', '/me', given);
      await tell('GET', '/admin/v1/accounts', given);
      await tell('GET', '/metrics', given);
      await tell('GET', '/docs', given);
      await tell('GET', `/nowhere?key=${key}&token=${ADMIN_TOKEN}`, given);
      await tell('GET', `/v1/nowhere/${key}?key=${key}`, given);
      await tell('GET', `/v1beta/%ff?key=${key}`, given);
    }
    const seen = simulator.requests.flatMap(({ headers }) => Object.keys(headers));
    expect(seen.filter((name) => /cookie|proxy|x-goog-api-key.*x-api-key/.test(name))).toEqual([]);
  });

  it('is told to nobody when a body cannot be read', async () => {
    for (const [target, headers, body] of ways(key, '')) {
      for (const broken of [
        body.slice(0, -1),
        body.replace('{', `{"${PROMPT}":1,"x":`),
        body.replace('{', `{"max_tokens":"${PROMPT}","generationConfig":"${PROMPT}",`),
        `${PROMPT}${body}`,
        Buffer.concat([Buffer.from(body.slice(0, -1)), Buffer.from([0xff]), Buffer.from('}')]),
        body.replace('{', `{"x":"${PROMPT.repeat(3000)}",`),
      ]) {
        expect((await tell('POST', target, headers, broken)).status).toBeGreaterThanOrEqual(400);
      }
      await tell('POST', target, [...headers, ['content-encoding', 'gzip']], body);
      // What is no HTTP is no request: no answer of ours, and no line.
      await exchangeBytes(relay.url, `POST ${target} HTTP/1.1\r\nx-api-key : ${key}\r\n\r\n${body}`);
    }
  });

  /** Ends every cooldown, so that the next fault is met as well. */
  const recover = () => query(database.url, 'delete from cooldowns');

  const FAULTS = [
    `say="${ANSWER}"`,
    `say="${ANSWER}" deltas=4 split=3`,
    ...[400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 529].map(
      (status) => `status=${status} echo message="${UPSTREAM_WORDS}"`,
    ),
    'status=400 echo reason=low-credit',
    `status=400 echo split=7 message="${UPSTREAM_WORDS}"`,
    `status=429 echo retry-after=${UPSTREAM_WORDS} retry-after-ms=x`,
    `status=401 html`,
    `status=500 html`,
    `status=400 type="${UPSTREAM_WORDS} x" message="${UPSTREAM_WORDS}"`,
    'html',
    'empty',
    'bad-json',
    'wrong-type=text/plain',
    'echo-header set-cookie hop-by-hop',
    'huge-headers=20kb',
    'huge-headers=100kb',
    'hang=head',
    'hang=2',
    'reset=head',
    'reset=2',
    'end=2',
    'fin=60b',
    'cut=2',
    `error=0 echo message="${UPSTREAM_WORDS}"`,
    `error=2 echo message="${UPSTREAM_WORDS}"`,
    // One word is the vendor's name for what happened, and is kept; anything longer is somebody's text.
    `error=2 type="${UPSTREAM_WORDS} x" message="a\\nb"`,
    'usage=string',
    'gzip',
  ].map((fault) => `[[sim: ${fault}]]`);

  it('is told to nobody whatever an upstream does, though it quote the credential', async () => {
    const redirect = `[[sim: redirect=${simulator.url}/v1/messages?key=${API_KEY}]]`;
    let echoed = 0;
    for (const fault of [...FAULTS, redirect]) {
      for (const way of ways(key, fault)) {
        const { body } = await tell('POST', ...way);
        if (/\*{20}/.test(body)) echoed += 1;
        await recover();
      }
    }
    // The upstream did quote it, and what was passed on has asterisks there.
    const quoted = simulator.requests.filter(({ answer }) =>
      [API_KEY, GEMINI_KEY, OPENAI_KEY].some((secret) => answer.includes(secret)),
    );
    expect(quoted.length).toBeGreaterThan(20);
    expect(echoed).toBeGreaterThan(10);
    await eventually(() => expectQuiet(database.url));
  });

  it('is told to nobody when accounts are tested, listed, not reached, or their tokens are renewed or not', async () => {
    // Nobody else may serve in its place.
    await manage('PATCH', `/accounts/${claude}`, { enabled: false });
    await manage('PATCH', `/accounts/${renewing}`, { enabled: true, priority: 1 });
    const call = (): Promise<RawAnswer> =>
      tell('POST', ...(ways(key, '')[1] as [string, HeaderLines, string]));
    expect((await call()).status).toBe(200);
    for (const fault of [
      { status: 500, message: `${REFRESH} ${CLIENT_SECRET}` },
      { status: 400, type: 'slow_down', message: REFRESH },
      { status: 502, html: true },
    ]) {
      simulator.oauth.expire(ACCESS);
      simulator.plan({ path: '/oauth/token', times: 1, fault });
      expect((await call()).status).toBe(503);
    }
    expect((await call()).status).toBe(200);
    expect(simulator.oauth.refreshes).toBe(1);
    const accessToken = simulator.requests.at(-1)?.credential ?? '';
    expect(accessToken).toMatch(/^sim-access-/);
    simulator.oauth.expire(accessToken);
    simulator.plan({ path: '/oauth/token', times: 1, fault: { status: 400, message: REFRESH } });
    expect((await call()).status).toBe(503);

    await manage('PATCH', `/accounts/${claude}`, { enabled: true });
    const gone = 'http://127.0.0.1:1';
    await newAccount({ name: 'gone', kind: 'claude', baseUrl: gone, credentials: { apiKey: API_KEY } });
    await newAccount({
      name: 'no TLS',
      kind: 'gemini',
      baseUrl: simulator.url.replace('http:', 'https:'),
      credentials: { apiKey: GEMINI_KEY },
    });

    const list = JSON.parse((await manage('GET', '/accounts')).body) as { items: { id: string }[] };
    for (const { id } of list.items) await manage('POST', `/accounts/${id}/test`, {});
    const stop = simulator.plan({ times: 4, fault: { status: 403, echo: true, message: UPSTREAM_WORDS } });
    for (const { id } of list.items) {
      await manage('POST', `/accounts/${id}/test`, {});
      if (![claude, gemini].includes(id)) await manage('PATCH', `/accounts/${id}`, { enabled: false });
      await manage('POST', `/accounts/${id}/clear-cooldowns`);
    }
    stop();
    for (const target of ['/v1/models', '/v1beta/models', '/claude/v1/models']) {
      await tell('GET', `${target}?key=${key}`, []);
    }
    for (const path of ['/accounts', '/requests', '/usage?groupBy=key,account,model', '/audit?limit=100']) {
      expect((await manage('GET', path)).status).toBe(200);
    }
    await tell('GET', '/me/usage', [['x-api-key', key]]);
    await tell('GET', '/metrics', [['authorization', `Bearer ${METRICS_TOKEN}`]]);
    await eventually(() => expectQuiet(database.url));
  });

  it('is told to nobody whatever Bedrock does, by a key or by a signature, and by the Responses API', async () => {
    const region = 'us-east-1';
    const bedrockKeys = [
      { region, apiKey: BEDROCK_KEY },
      { region, accessKeyId: AWS_ID, secretAccessKey: AWS_SECRET },
    ];
    const accounts: string[] = [];
    for (const [at, credentials] of bedrockKeys.entries()) {
      const fields = { kind: 'bedrock', baseUrl: simulator.url, credentials };
      accounts.push(await newAccount({ ...fields, name: `bedrock ${at}` }));
      const wrong = { ...credentials, region: `${region}/${FIELD}` };
      const refused = await manage('PATCH', `/accounts/${accounts[at]}`, { credentials: wrong });
      expect(refused.status).toBe(400);
    }
    const faults = [
      `say="${ANSWER}"`,
      'status=400 echo',
      'status=403 echo',
      'status=429 echo',
      'status=500 echo',
      'error=2 echo',
      'echo-header',
      'html',
      'hang=head',
      'reset=2',
    ];
    const haiku = 'us.anthropic.claude-haiku-4-5-20251001-v1%3A0';
    for (const id of accounts) {
      const bound = { scopes: ['claude', 'openai', 'bedrock'], models: ['*'], accounts: [id] };
      const own = (await newSecret('/keys', { ...bound, name: id }, `a key for ${id}`)).key;
      for (const fault of faults) {
        const text = `${PROMPT} [[sim: ${fault}]]`;
        const messages = [{ role: 'user', content: text }];
        const conversed = { messages: [{ role: 'user', content: [{ text }] }] };
        const invoked = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 8, messages };
        for (const [target, body] of [
          [`/model/${haiku}/invoke`, invoked],
          [`/bedrock/model/${haiku}/invoke-with-response-stream`, invoked],
          ['/model/amazon.nova-pro-v1%3A0/converse', conversed],
          ['/bedrock/model/amazon.nova-pro-v1%3A0/converse-stream', conversed],
          ['/v1/messages', { model: 'claude-haiku-4-5', max_tokens: 8, messages, stream: true }],
          ['/v1/responses', { model: 'claude-haiku-4-5', input: text }],
        ] as const) {
          await tell('POST', target, [['authorization', `Bearer ${own}`]], JSON.stringify(body));
          await manage('POST', `/accounts/${id}/clear-cooldowns`);
        }
      }
      await manage('POST', `/accounts/${id}/test`);
      await manage('DELETE', `/accounts/${id}`);
    }
    expect(simulator.requests.filter(({ answer }) => answer.includes(BEDROCK_KEY)).length).toBeGreaterThan(5);
    await eventually(() => expectQuiet(database.url));
  });

  it('is told to nobody whatever a proxy does, though it quote what it was given', async () => {
    const signIn = { user: 'relay', password: PROXY_PASSWORD };
    const apiKey = API_KEY;
    for (const [kind, host] of [
      ['http', '127.0.0.1'],
      ['https', 'localhost'],
      ['socks5', '127.0.0.1'],
    ] as const) {
      const proxy = await TestProxy.start({ kind, certificate, ...signIn });
      const proxyUrl = proxy.url({ host });
      const fields = { kind: 'claude', baseUrl: simulator.url, credentials: { apiKey }, priority: 1 };
      const id = await newAccount({ ...fields, name: `by ${kind}`, proxyUrl });
      const bound = { name: `by ${kind}`, scopes: ['claude'], models: ['*'], accounts: [id] };
      const own = (await newSecret('/keys', bound, `a key for ${kind}`)).key;
      const faults = [
        'say="x"',
        'status=400 echo',
        'status=401 echo',
        'error=2 echo',
        'hang=head',
        'reset=2',
      ];
      for (const fault of faults) {
        for (const way of ways(own, `[[sim: ${fault}]]`).slice(0, 2)) await tell('POST', ...way);
        await manage('POST', `/accounts/${id}/clear-cooldowns`);
      }
      expect(proxy.tunnels.length).toBeGreaterThan(0);
      const used = proxy.tunnels.length;
      await manage('PATCH', `/accounts/${id}`, { proxyUrl: proxy.url({ host, password: WRONG_PASSWORD }) });
      for (const way of ways(own, '').slice(0, 2)) expect((await tell('POST', ...way)).status).toBe(502);
      expect(proxy.refused.length).toBeGreaterThan(0);
      expect((await manage('POST', `/accounts/${id}/test`)).body).toContain('refuses its user or password');
      expect((await manage('GET', `/accounts/${id}`)).body).toContain('relay:***@');
      await manage('PATCH', `/accounts/${id}`, { proxyUrl });
      await proxy.close();
      expect((await tell('POST', ...ways(own, '')[1]!)).status).toBe(502);
      await manage('DELETE', `/accounts/${id}`);
      expect(proxy.tunnels).toHaveLength(used);
    }
    expect((await manage('GET', '/audit?limit=100')).status).toBe(200);
    expect(stray.connections).toBe(0);
    await eventually(() => expectQuiet(database.url));
  });

  it('is in no client’s request id: that is bounded, and never a key of the ledger (S11)', async () => {
    await recover();
    const [target, headers, body] = ways(key, '')[1] as [string, HeaderLines, string];
    const first = await tell('POST', target, headers, body);
    const taken = first.headers['x-relay-request-id'] ?? '';
    for (const [forged, echoed] of [
      [taken, taken],
      ['x'.repeat(10_000), 'x'.repeat(128)],
      ['"},{"level":"fatal","msg":"forged"}', '"},{"level":"fatal","msg":"forged"}'],
      ['a\\nb\\u001b[31m%0a', 'a\\nb\\u001b[31m%0a'],
      ['\xe9\x80tail', 'tail'],
      ["'; drop table ledger; --", "'; drop table ledger; --"],
    ] as const) {
      const answer = await tell(
        'POST',
        target,
        [...headers, ['x-request-id', forged], ['x-relay-request-id', taken]],
        body,
      );
      expect([forged, answer.status]).toEqual([forged, 200]);
      expect(answer.headers['x-relay-client-request-id']).toBe(echoed);
      expect(answer.headers['x-relay-request-id']).not.toBe(taken);
      await eventually(async () => {
        const rows = await query<{ client: string }>(
          database.url,
          'select client_request_id as client from ledger where request_id = $1',
          [answer.headers['x-relay-request-id']],
        );
        expect(rows).toEqual([{ client: echoed }]);
      });
    }
  });

  it('cannot be had by writing lines of one’s own into names and paths (S7)', async () => {
    const injected = 'x\r\nset-cookie: injected=1\r\n\r\nevent: injected\ndata: {"injected":1}\n\n';
    const [target, headers] = ways(key, '')[0] as [string, HeaderLines, string];
    const message = { max_tokens: 8, messages: [{ role: 'user', content: 'Hello' }] };
    const texts: RawAnswer[] = [
      await tell('POST', target, headers, JSON.stringify({ ...message, model: injected, stream: true })),
      await tell('POST', target, headers, `{${JSON.stringify(injected)}:1,${JSON.stringify(injected)}:2}`),
      await tell(
        'POST',
        `/v1beta/models/${encodeURIComponent(injected)}:generateContent`,
        headers,
        '{"contents":[]}',
      ),
      await tell('GET', `/v1/models/${encodeURIComponent(injected)}`, headers),
      await tell('GET', `/claude/v1/models/${encodeURIComponent(injected)}`, headers),
      await tell('GET', `/admin/v1/keys/${encodeURIComponent(injected)}`, asAdmin),
    ];
    const other = await tell('POST', target, headers, JSON.stringify({ ...message, model: 'no-such-model' }));
    expect([other.status, other.headers['x-relay-attempts']]).toEqual([404, '0']);
    unknown = other.headers['x-relay-request-id'];
    for (const answer of texts) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(answer.body).not.toMatch(/^event: injected|\r|\n(event|data):/m);
      expect(() => void JSON.parse(answer.body)).not.toThrow();
    }
  });

  it('is not what one is shown without a credential: that the relay lives, and nothing of what it is (S4)', async () => {
    expect((await tell('GET', '/health/live', [])).body).toBe('{"status":"ok"}');
    expect((await tell('GET', '/health/ready', [])).body).toBe('{"status":"ready"}');
    for (const path of [
      '/metrics',
      '/docs',
      '/openapi.json',
      '/docs/swagger-ui-init.js',
      '/admin/v1/accounts',
    ]) {
      expect([path, (await tell('GET', path, [])).status]).toEqual([path, 401]);
    }
    for (const path of ['/', '/admin', '/version', '/.env', '/favicon.ico']) {
      const answer = await tell('GET', path, []);
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.body).not.toMatch(/express|nest|node|llm-relay/i);
    }
  });

  it('is not in the answers', () => {
    expect(answers.length).toBeGreaterThan(300);
    const told = answers.flatMap(({ asked, text }) =>
      [...secrets]
        .filter(([, secret]) => text.includes(secret))
        .map(([what]) => [what, asked, text.slice(0, 600)]),
    );
    // A client that puts its key into a path is told of no such route, and not which.
    expect(told).toEqual([]);
    const granted = answers.filter(({ text }) => /"access-control-|"x-powered-by|"server"/.test(text));
    expect(granted).toEqual([]);
  });

  it('is in no column of any table', async () => {
    const columns = await query<{ table: string; column: string; type: string }>(
      database.url,
      `select table_name as table, column_name as column, data_type as type from information_schema.columns
        where table_schema = 'public'
          and data_type in ('text', 'character varying', 'jsonb', 'json', 'bytea', 'ARRAY', 'USER-DEFINED')`,
    );
    expect(columns.length).toBeGreaterThan(50);
    const found: unknown[] = [];
    const needles = [...secrets, ...passing].map(([, secret]) => secret);
    for (const { table, column, type } of columns) {
      const where =
        type === 'bytea'
          ? `position(convert_to(needle, 'UTF8') in "${column}")`
          : `position(needle in "${column}"::text)`;
      const hits = await query<{ needle: string }>(
        database.url,
        `select needle from unnest($1::text[]) needle where exists (select from "${table}" where ${where} > 0)`,
        [needles],
      );
      for (const { needle } of hits) found.push([needle, table, column]);
    }
    expect(found).toEqual([]);
    const [booked] = await query<{ rows: number }>(
      database.url,
      'select count(*)::integer as rows from ledger',
    );
    expect(booked?.rows).toBeGreaterThan(100);
  });

  it('is in no record of the spool', () => {
    const files = readdirSync(spoolDir, { recursive: true, withFileTypes: true }).filter((one) =>
      one.isFile(),
    );
    const texts = files.map((file) => readFileSync(join(file.parentPath, file.name), 'utf8')).join('');
    // Not merely empty: the last calls are in it until their segment is full.
    expect(texts).toContain(',"completed",200,');
    const told = [...secrets, ...passing]
      .filter(([, secret]) => texts.includes(secret))
      .map(([what]) => what);
    expect(told).toEqual([]);
  });

  it('is in no line of the log, each of which is one JSON document (B16)', async () => {
    expect(await relay.leave()).toBe(0);
    expect(relay.err).toBe('');
    const lines = relay.out.trimEnd().split('\n');
    const spoken = lines.filter((line) => !line.startsWith('{'));
    expect(spoken).toEqual([expect.stringMatching(/^llm-relay listens on http/)]);
    const logged = lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(logged.filter(({ msg }) => msg === 'attempt ended').length).toBeGreaterThan(100);
    expect(logged.filter(({ msg }) => msg === 'call refused')).toContainEqual(
      expect.objectContaining({ requestId: unknown, code: 'model-unknown', attempts: 0 }),
    );
    expect(new Set(logged.map(({ level }) => level))).toContain('debug');
    expect(logged.filter(({ msg }) => msg === 'forged')).toEqual([]);
    expect(
      logged.filter(({ clientRequestId }) => String(clientRequestId).includes('"level":"fatal"')),
    ).toHaveLength(1);

    expect(relay.out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/);
    const told = [...secrets, ...passing]
      .filter(([, secret]) => relay.out.includes(secret))
      .map(([what]) => what);
    expect(told).toEqual([]);
  });
});

/** The rest of the table is in env.spec.ts and sealing.spec.ts: a start takes long. */
describe('a relay with settings that protect nothing (A13)', () => {
  it.each<[string, string, Readonly<Record<string, string>>]>([
    [
      'an administrator’s token of a template',
      'RELAY_ADMIN_TOKEN',
      { RELAY_ADMIN_TOKEN: 'change-me-change-me-now!' },
    ],
    [
      'an encryption key that somebody typed',
      'RELAY_ENCRYPTION_KEYS',
      { RELAY_ENCRYPTION_KEYS: `k1:${Buffer.from('a sentence of thirty-two letters').toString('base64')}` },
    ],
    [
      'another encryption key than the database was sealed with',
      'RELAY_ENCRYPTION_KEYS',
      { RELAY_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}` },
    ],
  ])('does not start, and names the setting: %s', async (_, name, wrong) => {
    const { code, text } = await failingStart(variables({ ...wrong, RELAY_LOG_LEVEL: 'info' }));
    expect(code).toBe(1);
    expect(text).toContain(name);
    for (const value of Object.values(wrong))
      if (value !== '') expect(text).not.toContain(value.replace('k1:', ''));
    expect([...secrets].filter(([, secret]) => text.includes(secret)).map(([what]) => what)).toEqual([]);
  });
});
