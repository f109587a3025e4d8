import { Rehearsal } from '../support/relay.ts';
import { CLAUDE_MODEL, contents, lastSeen, message, MESSAGES, STREAM } from '../support/simulated-calls.ts';
import { onWire, type WireAnswer, type WireRequest } from '../support/wire-client.ts';

/** Headers pass by an allow-list in both directions; those of the relay's own stand on every answer. */

const CLAUDE_CREDENTIAL = 'sk-ant-sim-headers';
const GEMINI_CREDENTIAL = 'gemini-sim-headers';

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount({ credentials: { apiKey: CLAUDE_CREDENTIAL } });
  await rehearsal.geminiAccount({ credentials: { apiKey: GEMINI_CREDENTIAL } });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

function post(path: string, body: string, more: WireRequest = {}): Promise<WireAnswer> {
  return onWire(`${rehearsal.url}${path}`, {
    body,
    ...more,
    headers: {
      'x-api-key': key,
      'content-type': 'application/json',
      ...(path.startsWith('/v1beta') ? {} : { 'anthropic-version': '2023-06-01' }),
      ...more.headers,
    },
  });
}

describe('the headers of a request', () => {
  const noise = {
    connection: 'keep-alive, x-hop, x-api-key',
    'x-hop': 'for this hop only',
    'keep-alive': 'timeout=9',
    te: 'trailers',
    'proxy-connection': 'keep-alive',
    'proxy-authorization': 'Basic c2VjcmV0',
    cookie: 'session=mine',
    'accept-language': '*',
    'accept-encoding': 'gzip, deflate, br, zstd',
    'sec-fetch-mode': 'cors',
    origin: 'http://elsewhere.example',
    referer: 'http://elsewhere.example/page',
    forwarded: 'for=10.0.0.1',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-host': 'elsewhere.example',
    'x-real-ip': '10.0.0.1',
    'x-amz-security-token': 'token',
    'x-relay-session-id': 'session',
    'x-relay-client-request-id': 'mine',
    'x-request-id': 'mine',
    'x-admin-token': 'ra_secret',
    'idempotency-key': 'once',
    via: '1.1 elsewhere',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
  const own = ['accept-encoding', 'connection', 'content-length', 'content-type', 'host'];

  it('to Claude pass by an allow-list: these, with these values, and no other', async () => {
    const kept = {
      accept: 'application/json',
      'user-agent': 'claude-cli/2.1.330 (external, cli)',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'claude-code-20250219, interleaved-thinking-2025-05-14,effort-2025-11-24',
      'anthropic-dangerous-direct-browser-access': 'true',
      'x-app': 'cli',
      'x-claude-code-session-id': '0b5f3a38-6a32-4b0e-93b7-2f6b3a1b7a11',
      'x-stainless-lang': 'js',
      'x-stainless-retry-count': '0',
      'x-stainless-timeout': '600',
    };
    const answer = await post(`${MESSAGES}?beta=true&trace=mine`, message('say=ok'), {
      headers: { ...noise, ...kept, 'x-api-key': key },
    });
    expect(answer.status).toBe(200);
    expect(lastSeen(rehearsal.simulator).headers).toMatchObject({
      ...kept,
      'x-api-key': CLAUDE_CREDENTIAL,
      'accept-encoding': 'identity',
      host: new URL(rehearsal.simulator.url).host,
    });
    expect(Object.keys(lastSeen(rehearsal.simulator).headers).sort()).toEqual(
      [...own, ...Object.keys(kept), 'x-api-key'].sort(),
    );
    expect(lastSeen(rehearsal.simulator).url).toBe('/v1/messages?beta=true');
  });

  it('to Gemini pass by an allow-list: these, with these values, and no other', async () => {
    const kept = {
      accept: '*/*',
      'user-agent': 'google-genai-sdk/2.32.0 gl-node/v20.20.0',
      'x-goog-api-client': 'google-genai-sdk/2.32.0 gl-node/v20.20.0',
      'x-server-timeout': '30',
    };
    const query = '?alt=sse&prettyPrint=false&access_token=x&%24alt=json&fields=candidates';
    const answer = await post(`${STREAM}${query}`, contents('say=ok'), {
      headers: { ...noise, ...kept, 'x-goog-user-project': 'mine', 'anthropic-version': '2023-06-01' },
    });
    expect(answer.status).toBe(200);
    expect(lastSeen(rehearsal.simulator).headers).toMatchObject({
      ...kept,
      'x-goog-api-key': GEMINI_CREDENTIAL,
    });
    expect(Object.keys(lastSeen(rehearsal.simulator).headers).sort()).toEqual(
      [...own, ...Object.keys(kept), 'x-goog-api-key'].sort(),
    );
    expect(lastSeen(rehearsal.simulator).url).toBe(`${STREAM}?alt=sse`);
  });

  interface Place {
    readonly headers?: Readonly<Record<string, string>>;
    readonly query?: string;
  }
  const PLACES: [string, (key: string) => Place][] = [
    ['a bearer token', (key) => ({ headers: { authorization: `Bearer ${key}` } })],
    ['a bearer token in other letters', (key) => ({ headers: { AUTHORIZATION: `bearer   ${key}` } })],
    ['x-api-key', (key) => ({ headers: { 'x-api-key': key } })],
    ['x-goog-api-key', (key) => ({ headers: { 'X-Goog-Api-Key': key } })],
    ['api-key', (key) => ({ headers: { 'api-key': key } })],
    ['?key=', (key) => ({ query: `?key=${key}` })],
    [
      'all five at once',
      (key) => ({
        headers: { authorization: `Bearer ${key}`, 'x-api-key': key, 'x-goog-api-key': key, 'api-key': key },
        query: `?key=${key}`,
      }),
    ],
  ];
  const CREDENTIALS = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key', 'cookie'];

  it.each(PLACES)(
    "bring the relay's key as %s on every door, and nothing of it goes upstream",
    async (_, at) => {
      const { headers = {}, query = '' } = at(key);
      const counted = message('say=ok').replace('"max_tokens":500,', '');
      for (const [path, body, credential, where] of [
        [MESSAGES, message('say=ok'), CLAUDE_CREDENTIAL, 'x-api-key'],
        [`${MESSAGES}/count_tokens`, counted, CLAUDE_CREDENTIAL, 'x-api-key'],
        [STREAM, contents('say=ok'), GEMINI_CREDENTIAL, 'x-goog-api-key'],
      ] as const) {
        const answer = await onWire(`${rehearsal.url}${path}${query}`, {
          headers: { 'anthropic-version': '2023-06-01', 'content-type': 'application/json', ...headers },
          body,
        });
        expect(answer.status).toBe(200);
        const seen = lastSeen(rehearsal.simulator);
        expect(seen).toMatchObject({ credential, credentialIn: where });
        expect(`${seen.url}\n${seen.rawHeaders.join('\n')}`).not.toContain(key);
        expect(CREDENTIALS.filter((name) => seen.headers[name] !== undefined)).toEqual([where]);
      }
    },
  );

  it("leave nothing of the relay's key beside an account's bearer token", async () => {
    const model = 'claude-sim-bearer';
    await rehearsal.claudeAccount({
      credentials: { accessToken: 'sim-access-0' },
      models: { allow: [], map: { [model]: model } },
      priority: 1,
    });
    const answer = await post(MESSAGES, message('say=ok').replace(CLAUDE_MODEL, model));
    expect(answer.status).toBe(200);
    expect(lastSeen(rehearsal.simulator).headers).toMatchObject({ authorization: 'Bearer sim-access-0' });
    expect(lastSeen(rehearsal.simulator).headers['x-api-key']).toBeUndefined();
  });
});

describe('the headers of an answer', () => {
  const relay = ['x-relay-attempts', 'x-relay-edits', 'x-relay-request-id'];
  const http = ['connection', 'content-type', 'date', 'keep-alive'];
  const limits = ['input-tokens', 'output-tokens', 'requests', 'tokens'].flatMap((dimension) =>
    ['limit', 'remaining', 'reset'].map((field) => `anthropic-ratelimit-${dimension}-${field}`),
  );
  const rude = 'set-cookie hop-by-hop echo-header huge-headers=8kb header.x-custom=1 header.server=edge';

  it('of Claude pass by an allow-list, in JSON and in SSE', async () => {
    for (const stream of [false, true]) {
      const answer = await post(MESSAGES, message(`say=ok ${rude}`, { stream }));
      expect(answer.status).toBe(200);
      const names = Object.keys(answer.headers).filter((name) => !http.includes(name));
      const streaming = ['cache-control', 'transfer-encoding', 'x-accel-buffering'];
      const framing = stream ? streaming : ['transfer-encoding'];
      const vendors = names.filter((name) => name.startsWith('anthropic-ratelimit-'));
      expect(vendors.length).toBeGreaterThan(2);
      expect(limits).toEqual(expect.arrayContaining(vendors));
      expect(names.sort()).toEqual([...relay, ...framing, ...vendors, 'request-id'].sort());
      expect(answer.headers['request-id']).toBe(lastSeen(rehearsal.simulator).requestId);
      expect(answer.rawHeaders.join('\n')).not.toContain(CLAUDE_CREDENTIAL);
      expect(answer.headers['x-hop']).toBeUndefined();
    }
  });

  it('of Gemini pass by an allow-list', async () => {
    const answer = await post(STREAM, contents(`say=ok ${rude} header.x-gemini-service-tier=standard`));
    const names = Object.keys(answer.headers).filter((name) => !http.includes(name));
    const streaming = ['cache-control', 'transfer-encoding', 'x-accel-buffering'];
    expect(names.sort()).toEqual([...relay, ...streaming, 'x-gemini-service-tier'].sort());
  });

  it('tell no buffer to hold a stream back, and compress nothing', async () => {
    const answer = await post(MESSAGES, message('say=ok', { stream: true }), {
      headers: { 'accept-encoding': 'gzip, br' },
    });
    expect(answer.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.headers['content-length']).toBeUndefined();
  });

  it('tell the length of a JSON document where the upstream told it', async () => {
    const answer = await post(MESSAGES, message('say=ok length'));
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    expect(answer.sha256).toBe(lastSeen(rehearsal.simulator).answerSha256);
  });

  it("name the ledger's row, and repeat the client's own id", async () => {
    const answer = await post(MESSAGES, message('say=ok'), {
      headers: { 'x-relay-client-request-id': 'job 7/a' },
    });
    const row = await rehearsal.lastRow();
    expect(answer.headers).toMatchObject({
      'x-relay-request-id': row['request_id'],
      'x-relay-client-request-id': 'job 7/a',
      'x-relay-edits': 'none',
      'x-relay-attempts': '1',
    });
    expect(row).toMatchObject({
      client_request_id: 'job 7/a',
      upstream_request_id: lastSeen(rehearsal.simulator).requestId,
    });
    expect(row['request_id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it.each([
    ['a wrong key', 401, MESSAGES, message(''), { 'x-api-key': 'rk_wrong' }, '0'],
    ['no such route', 404, '/v1/nonesuch', '{}', {}, '0'],
    ['no such Gemini route', 404, '/v1beta/nonesuch', '{}', {}, '0'],
    ['a body that is no call', 400, MESSAGES, '{"model":1}', {}, '0'],
    ['an unknown model', 404, MESSAGES, message('').replace(CLAUDE_MODEL, 'nonesuch'), {}, '0'],
    ["the vendor's error", 400, MESSAGES, message('status=400'), {}, '1'],
    ['an unusable upstream', 502, MESSAGES, message('html'), {}, '1'],
  ])('are there on a refusal too: %s', async (_, status, path, body, headers, attempts) => {
    const answer = await post(path, body, {
      headers: { ...headers, 'x-relay-client-request-id': 'mine' },
    });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.headers).toMatchObject({
      'x-relay-request-id': expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/) as string,
      'x-relay-client-request-id': 'mine',
      'x-relay-edits': 'none',
      'x-relay-attempts': attempts,
    });
  });

  it.each(['GET', 'HEAD'])('are there when Claude Code says hello: %s', async (method) => {
    const response = await fetch(`${rehearsal.url}/api/hello`, {
      method,
      headers: { 'x-request-id': 'mine' },
    });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-relay-request-id': expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/) as string,
      'x-relay-client-request-id': 'mine',
      'x-relay-edits': 'none',
      'x-relay-attempts': '0',
    });
  });
});
