import { accountFor, asking, onlyRow, send, WAYS } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { type ProxyOptions, TestProxy } from '../support/proxies.ts';
import { admin, type CreatedAccount, Rehearsal } from '../support/relay.ts';
import { onWire, type WireAnswer } from '../support/wire-client.ts';

/**
 * Accounts with an egress proxy, the whole relay over. The upstream's name is one that only a proxy can resolve here, so
 * that whatever went straight would not arrive; egress.test.ts has what happens inside the tunnel.
 */

const HOST = 'simulator.test';
const PASSWORD = 'proxy-p@ss/wörd';
const ROLE = 'arn:aws:iam::123456789012:role/relay';

let rehearsal: Rehearsal;
let outside: string;
const proxies = new Set<TestProxy>();
const saved = { ...process.env };

beforeAll(async () => {
  rehearsal = await Rehearsal.start({
    RELAY_ALLOWED_UPSTREAMS: `127.0.0.0/8,${HOST}`,
    RELAY_CONNECT_TIMEOUT_MS: '500',
  });
  outside = `http://${HOST}:${new URL(rehearsal.simulator.url).port}`;
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'AKIASIMENVIRONMENT00',
    AWS_SECRET_ACCESS_KEY: 'simulator-secret-AKIASIMENVIRONMENT00',
    AWS_ENDPOINT_URL_STS: `${outside}/sts`,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
  });
});
afterEach(async () => {
  await rehearsal.quiet();
  for (const proxy of proxies) await proxy.close();
  proxies.clear();
});
afterAll(async () => {
  await rehearsal.close();
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, saved);
});

async function proxyOf(kind: 'http' | 'socks5', more: Partial<ProxyOptions> = {}): Promise<TestProxy> {
  const proxy = await TestProxy.start({ kind, user: 'relay', password: PASSWORD, ...more });
  proxies.add(proxy);
  return proxy;
}

interface Place {
  readonly account: CreatedAccount & {
    readonly proxyUrl: string | null;
    readonly credentialsVersion: number;
  };
  readonly key: string;
}

type Maker = (more: object) => Promise<CreatedAccount>;

async function placeFor(make: Maker, more: object): Promise<Place> {
  const account = (await make({ baseUrl: outside, ...more })) as Place['account'];
  const { key } = await rehearsal.key({ accounts: [account.id] });
  return { account, key };
}

const claude: Maker = (more) => rehearsal.claudeAccount(more);

async function ask({ key }: Place, way = WAYS[0]!, text = 'Hello.') {
  const one = asking(way, key, text);
  return { answer: await send(rehearsal.url, one), row: await onlyRow(rehearsal, one) };
}

/** What the administrators' API answers of an account, of its test and of its problems. */
interface Told {
  readonly id: string;
  readonly message: string;
  readonly verdict: string;
  readonly health: object;
  readonly errors?: readonly { readonly field: string }[];
  readonly items: readonly { readonly after: { readonly proxyUrl?: unknown } }[];
}

async function manage(method: string, path: string, body?: object): Promise<{ status: number; body: Told }> {
  const answer = await admin(rehearsal.url, method, path, body);
  return { status: answer.status, body: answer.body as Told };
}

const fieldsOf = ({ errors = [] }: Told): string[] => errors.map(({ field }) => field);

const change = ({ account }: Place, body: object) => manage('PATCH', `/accounts/${account.id}`, body);

const post = (key: string, path: string, body: object): Promise<WireAnswer> =>
  onWire(`${rehearsal.url}${path}`, {
    headers: {
      'x-api-key': key,
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
    },
    body: JSON.stringify(body),
  });

describe('every kind of account', () => {
  const messages = [{ role: 'user', content: 'Hello' }];
  const KINDS: Readonly<
    Record<string, { make: Maker; model: string; calls: (model: string) => readonly [string, object][] }>
  > = {
    claude: { make: claude, model: 'claude-sonnet-5', calls: byMessages },
    'claude-console': {
      make: (more) => rehearsal.consoleAccount(more),
      model: 'claude-sonnet-5',
      calls: byMessages,
    },
    ccr: { make: (more) => rehearsal.ccrAccount(more), model: 'claude-sonnet-5', calls: byMessages },
    gemini: {
      make: (more) => rehearsal.geminiAccount(more),
      model: 'gemini-2.5-flash',
      calls: (model) =>
        ['generateContent', 'streamGenerateContent?alt=sse', 'streamGenerateContent', 'countTokens'].map(
          (verb) => [
            `/v1beta/models/${model}:${verb}`,
            { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] },
          ],
        ),
    },
    'openai-compatible': {
      make: (more) => rehearsal.openaiAccount({ ...more, baseUrl: `${outside}/v1` }),
      model: 'gpt-5',
      calls: (model) => [
        ['/openai/v1/chat/completions', { model, messages }],
        ['/openai/v1/chat/completions', { model, messages, stream: true }],
      ],
    },
    bedrock: { make: (more) => rehearsal.bedrockAccount(more), model: 'claude-haiku-4-5', calls: byMessages },
    'bedrock by a role that STS gives': {
      make: (more) =>
        rehearsal.bedrockAccount({ ...more, credentials: { region: 'us-east-1', roleArn: ROLE } }),
      model: 'claude-haiku-4-5',
      calls: byMessages,
    },
  };

  function byMessages(model: string): readonly [string, object][] {
    return [
      ['/v1/messages', { model, max_tokens: 8, messages }],
      ['/v1/messages', { model, max_tokens: 8, messages, stream: true }],
      ['/v1/messages/count_tokens', { model, messages }],
    ];
  }

  it.each(
    Object.keys(KINDS).flatMap((kind) => (['http', 'socks5'] as const).map((by) => [kind, by] as const)),
  )('goes through its proxy with all that it asks: %s by %s', async (kind, by) => {
    const { make, model, calls } = KINDS[kind]!;
    const proxy = await proxyOf(by);
    const { account, key } = await placeFor(make, { proxyUrl: proxy.url() });
    const before = rehearsal.simulator.requests.length;
    for (const [path, body] of calls(model)) {
      const { status, text } = await post(key, path, body);
      expect([path, status, text]).toEqual([path, 200, expect.any(String)]);
    }
    const tested = await manage('POST', `/accounts/${account.id}/test`);
    expect(tested.body).toMatchObject({ status: 200, verdict: 'ok' });
    const listed = await onWire(`${rehearsal.url}/openai/v1/models`, {
      method: 'GET',
      headers: { 'x-api-key': key },
    });
    expect(listed.text).toContain(model);
    const seen = rehearsal.simulator.requests.slice(before);
    expect(seen.length).toBeGreaterThan(calls(model).length);
    if (kind.includes('STS')) expect(seen.map(({ url }) => url)).toContain('/sts/');
    // All of it over tunnels to the one upstream; nothing of the proxy's own is told there.
    expect(new Set(proxy.tunnels.map(({ target }) => target))).toEqual(new Set([new URL(outside).host]));
    expect(
      seen.flatMap(({ headers }) => Object.keys(headers)).filter((name) => name.includes('proxy')),
    ).toEqual([]);
  });

  it('renews its tokens through the proxy too, and stays behind it with the renewed ones', async () => {
    const { oauth } = rehearsal.simulator;
    const pair = oauth.grant();
    const proxy = await proxyOf('socks5');
    const credentials = { ...pair, tokenUrl: `${outside}/oauth/token` };
    const place = await placeFor(claude, { credentials, proxyUrl: proxy.url() });
    const before = oauth.refreshes;
    for (let round = 0; round < 2; round += 1) {
      oauth.expire(rehearsal.simulator.requests.at(-1)?.credential ?? pair.accessToken);
      oauth.expire(pair.accessToken);
      expect((await ask(place)).answer.status).toBe(200);
    }
    expect(oauth.refreshes).toBe(before + 2);
    const { body } = await manage('GET', `/accounts/${place.account.id}`);
    expect(body).toMatchObject({ credentialsVersion: 3, proxyUrl: place.account.proxyUrl });
  });
});

describe('a proxy', () => {
  it('of one account is nobody else’s, though they have the same upstream', async () => {
    const [one, other] = [await proxyOf('http'), await proxyOf('http')];
    const first = await placeFor(claude, { proxyUrl: one.url() });
    const second = await placeFor(claude, { proxyUrl: other.url() });
    const third = await placeFor(claude, { baseUrl: rehearsal.simulator.url });
    for (let round = 0; round < 3; round += 1) {
      for (const place of [first, second, third]) expect((await ask(place)).answer.status).toBe(200);
    }
    expect([one.tunnels.length, other.tunnels.length]).toEqual([1, 1]);
  });

  it('that is changed is used from the next call on, on every replica, while what is open goes on', async () => {
    const [one, other] = [await proxyOf('http'), await proxyOf('socks5')];
    const place = await placeFor(claude, { proxyUrl: one.url() });
    const replica = await rehearsal.addReplica();
    const call = asking('Claude SSE', place.key, '[[sim: say="a b c d e f" deltas=6 every=100]]');
    const elsewhere = asking('Claude JSON', place.key, 'Hello.');
    let changed: Promise<unknown> | undefined;
    const open = await send(rehearsal.url, call, {
      onData: () => {
        changed ??= change(place, { proxyUrl: other.url() });
      },
    });
    await changed;
    expect([open.status, open.broken]).toEqual([200, false]);
    expect(open.text).toContain('message_stop');
    expect(one.tunnels).toHaveLength(1);
    expect((await ask(place)).answer.status).toBe(200);
    expect((await send(replica.url, elsewhere)).status).toBe(200);
    expect(one.tunnels).toHaveLength(1);
    expect(other.tunnels.length).toBeGreaterThan(0);

    // Taken away, the account stands where everybody does: this name leads nowhere from here.
    await change(place, { proxyUrl: null });
    expect((await ask(place)).row).toMatchObject({ outcome: 'failed', reason: 'dns' });
    await change(place, { baseUrl: rehearsal.simulator.url, credentials: { apiKey: 'sk-ant-sim-moved' } });
    const used = other.tunnels.length;
    expect((await ask(place)).answer.status).toBe(200);
    expect(other.tunnels).toHaveLength(used);
  });

  it.each(WAYS)('is left as soon as the client leaves: %s', async (way) => {
    const proxy = await proxyOf('http');
    const make: Maker = (more) => accountFor(rehearsal, way, more);
    const baseUrl = way.startsWith('OpenAI') ? `${outside}/v1` : outside;
    const place = await placeFor(make, { baseUrl, proxyUrl: proxy.url() });
    const left = new AbortController();
    const one = asking(way, place.key, way.endsWith('JSON') ? '[[sim: hang=head]]' : '[[sim: hang=2]]');
    const sent = send(rehearsal.url, one, { signal: left.signal }).catch(() => undefined);
    await eventually(() => {
      expect(proxy.openTunnels).toBe(1);
    });
    left.abort();
    await sent;
    await eventually(() => {
      expect(proxy.openTunnels).toBe(0);
    });
    expect(await onlyRow(rehearsal, one)).toMatchObject({ outcome: 'client-left' });
  });
});

describe('a proxy that fails', () => {
  const HOSTILE: readonly [string, Partial<ProxyOptions>, object, string, RegExp][] = [
    [
      'that refuses the password',
      {},
      { password: 'wrong-p@ss' },
      'proxy-denied',
      /refuses its user or password/,
    ],
    ['that refuses the upstream', { fault: 'refuse' }, {}, 'proxy-refused', /opened no way/],
    ['that closes', { fault: 'close' }, {}, 'proxy-refused', /opened no way/],
    ['that hangs', { fault: 'hang' }, {}, 'proxy-unreachable', /cannot be reached/],
    ['that is none', { fault: 'not-a-proxy' }, {}, 'proxy-refused', /opened no way/],
    ['that says more than 200', { fault: 'opened-with-garbage' }, {}, 'proxy-refused', /opened no way/],
    // What it says then stands where the upstream's answer is expected, which here is in the clear.
    [
      'that speaks for the upstream',
      { fault: 'opened-then-garbage' },
      {},
      'upstream-unusable',
      /its own format/,
    ],
  ];

  it.each(HOSTILE.flatMap((one) => (['http', 'socks5'] as const).map((by) => [one[0], by, one] as const)))(
    '%s is a 502 that says so and goes no other way: %s',
    async (_, by, [, options, signIn, reason, words]) => {
      const proxy = await proxyOf(by, options);
      // This upstream could be reached straight.
      const place = await placeFor(claude, { baseUrl: rehearsal.simulator.url, proxyUrl: proxy.url(signIn) });
      const before = rehearsal.simulator.requests.length;
      for (const way of ['Claude SSE', 'Claude JSON'] as const) {
        const { answer, row } = await ask(place, way);
        expect([answer.status, answer.headers['x-should-retry']]).toEqual([502, undefined]);
        const { error } = JSON.parse(answer.text) as { error: { type: string; message: string } };
        expect(error).toEqual({ type: 'api_error', message: expect.stringMatching(words) as string });
        expect(row).toMatchObject({ reason });
        expect(`${answer.text}${JSON.stringify(row)}`).not.toMatch(/p@ss|p%40ss|127\.0\.0\.1/);
      }
      const { body } = await manage('POST', `/accounts/${place.account.id}/test`);
      expect(body).toMatchObject(
        reason.startsWith('proxy-') ? { verdict: 'unreachable', status: null } : { verdict: 'provider' },
      );
      expect(body.message).not.toMatch(/p@ss|p%40ss|127\.0\.0\.1/);
      expect(rehearsal.simulator.requests).toHaveLength(before);
    },
  );

  it('by being gone is a 502, and the account serves again when it is back', async () => {
    const proxy = await proxyOf('http');
    const place = await placeFor(claude, { proxyUrl: proxy.url() });
    expect((await ask(place)).answer.status).toBe(200);
    await proxy.close();
    const { answer, row } = await ask(place);
    expect([answer.status, row['reason']]).toEqual([502, 'proxy-unreachable']);
    const back = await proxyOf('http');
    await change(place, { proxyUrl: back.url() });
    expect((await ask(place)).answer.status).toBe(200);
  });

  it('does not park its account: no person has to act when it is back', async () => {
    const proxy = await proxyOf('socks5');
    const place = await placeFor(claude, { proxyUrl: proxy.url({ password: 'wrong' }) });
    expect((await ask(place)).answer.status).toBe(502);
    const { body } = await manage('GET', `/accounts/${place.account.id}`);
    expect(body.health).toEqual({ cooldowns: [] });
  });
});

describe('proxyUrl in the administrators’ API', () => {
  it('is shown, changed and audited with asterisks for the password, and sealed', async () => {
    const proxy = await proxyOf('http');
    const place = await placeFor(claude, { proxyUrl: proxy.url() });
    const shown = `http://relay:***@127.0.0.1:${proxy.port}`;
    expect(place.account).toMatchObject({ proxyUrl: shown, credentialsVersion: 1 });
    const path = `/accounts/${place.account.id}`;
    const edits: [object, string | null, number][] = [
      [{ priority: 7 }, shown, 1],
      [{ proxyUrl: 'socks5://u:another-p%40ss@127.0.0.1:1' }, 'socks5://u:***@127.0.0.1:1', 2],
      [{ credentials: { apiKey: 'sk-ant-sim-new' } }, 'socks5://u:***@127.0.0.1:1', 3],
      [
        { proxyUrl: 'https://token-p%40ss@proxy.example.com', baseUrl: null, credentials: { apiKey: 'k' } },
        'https://***@proxy.example.com',
        4,
      ],
      [{ proxyUrl: null }, null, 5],
    ];
    for (const [body, proxyUrl, credentialsVersion] of edits) {
      const changed = await manage('PATCH', path, body);
      expect([changed.status, changed.body]).toMatchObject([200, { proxyUrl, credentialsVersion }]);
      expect((await manage('GET', path)).body).toMatchObject({ proxyUrl, credentialsVersion });
    }
    const { body } = await manage('GET', '/audit?limit=5');
    const audited = body.items.map(({ after }) => after.proxyUrl);
    expect(audited).toEqual(edits.map(([, proxyUrl]) => proxyUrl).reverse());
    const stored = await rehearsal.sql(
      `select a::text || c::text || l.audit as text from accounts a join account_credentials c on c.account_id = a.id,
        (select string_agg(x::text, ' ') as audit from audit_log x) l where a.id = $1`,
      [place.account.id],
    );
    expect(JSON.stringify(stored)).not.toMatch(/p@ss|p%40ss|proxy-p/);
  });

  it.each([
    ['a URL that is none', 'proxy'],
    ['another scheme', 'ftp://proxy.example.com'],
    ['a password that is only shown so', 'http://relay:***@127.0.0.1:1'],
    ['a password that is not percent-encoded', 'http://u:p@ss@127.0.0.1:1'],
    ['half a sign-in for SOCKS', 'socks5://u@127.0.0.1:1'],
    ['a path', 'http://127.0.0.1:1/x'],
    ['an address inside (S1)', 'http://10.0.0.1:3128'],
    ['the metadata service (S1)', 'socks5://169.254.169.254:80'],
    ['a spelling of an address inside (S1)', 'socks5://0xa000001'],
    ['this machine by name (S1)', 'socks5://localhost:1080'],
    ['no text', 5],
    ['an empty text', ''],
  ])('is refused by name when it is %s', async (_, proxyUrl) => {
    const made = await rehearsal.claudeAccount();
    const wish = { name: 'x', kind: 'claude', credentials: { apiKey: 'k' }, proxyUrl };
    for (const answer of [
      await manage('POST', '/accounts', wish),
      await manage('PATCH', `/accounts/${made.id}`, { proxyUrl }),
    ]) {
      expect(answer.status).toBe(400);
      expect(fieldsOf(answer.body)).toEqual(['proxyUrl']);
      expect(JSON.stringify(answer.body)).not.toContain('p@ss');
    }
  });

  it.each([
    [
      'a base URL without TLS through a proxy that is not listed',
      { baseUrl: 'http://127.0.0.1:1' },
      'baseUrl',
    ],
    ['a base URL that is no public name', { baseUrl: 'https://gateway.internal' }, 'baseUrl'],
    [
      'a token URL that is no public name',
      { credentials: { accessToken: 'a', refreshToken: 'r', tokenUrl: 'https://login.corp/token' } },
      'credentials.tokenUrl',
    ],
  ])('is refused before %s (S1)', async (_, more, field) => {
    const proxyUrl = 'https://u:p@proxy.example.com';
    const plain = { name: `behind ${field} ${_}`, kind: 'claude', credentials: { apiKey: 'k' } };
    const made = await manage('POST', '/accounts', { ...plain, ...more, proxyUrl });
    const straight = await manage('POST', '/accounts', { ...plain, ...more });
    expect([made.status, straight.status]).toEqual([400, 201]);
    const behind = await manage('PATCH', `/accounts/${straight.body.id}`, {
      proxyUrl,
      ...('credentials' in more ? more : {}),
    });
    const moved = await manage('PATCH', `/accounts/${(await behindProxy(proxyUrl)).id}`, {
      credentials: { apiKey: 'k' },
      ...more,
    });
    for (const { status, body } of [made, behind, moved]) {
      expect([status, fieldsOf(body)[0]]).toEqual([400, field]);
    }
  });

  async function behindProxy(proxyUrl: string): Promise<CreatedAccount> {
    return rehearsal.create('accounts', {
      name: `behind ${Math.random()}`,
      kind: 'claude',
      credentials: { apiKey: 'k' },
      proxyUrl,
    }) as Promise<CreatedAccount>;
  }

  it('is not forgotten for being unreadable: what cannot be opened has to be given again', async () => {
    const proxy = await proxyOf('http');
    const place = await placeFor(claude, { proxyUrl: proxy.url() });
    await rehearsal.sql(`update account_credentials set sealed = sealed || '\\x00' where account_id = $1`, [
      place.account.id,
    ]);
    const credentials = { apiKey: 'sk-ant-sim-again' };
    for (const [body, field] of [
      [{ proxyUrl: proxy.url() }, 'credentials'],
      [{ proxyUrl: null }, 'credentials'],
      [{ credentials }, 'proxyUrl'],
    ] as const) {
      const answer = await change(place, body);
      expect([answer.status, fieldsOf(answer.body)]).toEqual([400, [field]]);
    }
    expect((await change(place, { credentials, proxyUrl: proxy.url() })).status).toBe(200);
    expect((await ask(place)).answer.status).toBe(200);
    expect(proxy.tunnels).toHaveLength(1);
  });
});
