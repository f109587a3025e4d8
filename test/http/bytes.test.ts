import type { SimulatedRequest } from '../../src/simulator/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';
import { onWire, sha256, type WireAnswer, type WireRequest } from '../support/wire-client.ts';

/** Where dialects match, bytes pass: what the client said is what is sent, what the upstream said is what comes. */

const MODEL = 'claude-sonnet-5';
const GEMINI = 'gemini-2.5-flash';
const MESSAGES = '/v1/messages';
const CLAUDE_CREDENTIAL = 'sk-ant-sim-bytes';
const GEMINI_CREDENTIAL = 'gemini-sim-bytes';

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount({
    credentials: { apiKey: CLAUDE_CREDENTIAL },
    models: { allow: ['claude-*'], map: { 'team/my-model': MODEL } },
  });
  await rehearsal.geminiAccount({
    credentials: { apiKey: GEMINI_CREDENTIAL },
    models: { allow: ['gemini-*'], map: { 'my-gemini': GEMINI, 'my-embedding': 'gemini-embedding-001' } },
  });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

function post(path: string, body: string | Buffer, more: WireRequest = {}): Promise<WireAnswer> {
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

function lastSeen(of = rehearsal): SimulatedRequest {
  const seen = of.simulator.requests.at(-1);
  if (seen === undefined) throw new Error('The simulator saw no request');
  return seen;
}

/** A message's body, its text beginning with sixteen bytes beside the directive. */
function message(directive: string, more: Record<string, unknown> = {}): string {
  const content = `sixteen letters.[[sim: ${directive}]]`;
  return JSON.stringify({ model: MODEL, max_tokens: 500, ...more, messages: [{ role: 'user', content }] });
}

function contents(directive: string): string {
  return JSON.stringify({ contents: [{ parts: [{ text: `sixteen letters.[[sim: ${directive}]]` }] }] });
}

const STREAM = `/v1beta/models/${GEMINI}:streamGenerateContent`;

describe('a request body', () => {
  const said = '"messages":[{"role":"user","content":"[[sim: say=ok]]"}]';
  const asked = '"contents":[{"parts":[{"text":"[[sim: say=ok]]"}]}]';

  it.each([
    ['odd spacing', `\n{ "model" :\t"${MODEL}"\r\n,"max_tokens"  :50, ${said} }  \r\n\t`],
    ['a strange order', `{${said},"stream":false,"max_tokens":50,"model":"${MODEL}"}`],
    [
      'escapes where none are needed',
      `{"model":"claude\\u002dsonnet-5","max_tokens":50,"system":"\\u0041\\/\\u00e9 \\ud83d\\ude42 \\ud800 é🙂",${said}}`,
    ],
    [
      'numbers that no double holds, or that print otherwise',
      `{"model":"${MODEL}","max_tokens":5e1,"tools":[{"name":"t","input_schema":{"type":"object","a":1e21,"b":1.0,"c":-0,"d":12345678901234567890,"e":0.10}}],${said}}`,
    ],
    [
      'nested names that come twice, and names with a meaning elsewhere',
      `{"model":"${MODEL}","max_tokens":50,"metadata":{"user_id":"a","user_id":"b","__proto__":{"x":1},"constructor":1},${said}}`,
    ],
  ])('of Claude arrives as it was sent: %s', async (_, body) => {
    const answer = await post(MESSAGES, body);
    expect(answer.status).toBe(200);
    expect(lastSeen().body.toString()).toBe(body);
    expect(lastSeen().bodySha256).toBe(sha256(body));
    expect(lastSeen().headers['content-length']).toBe(String(Buffer.byteLength(body)));
    expect(answer.headers['x-relay-edits']).toBe('none');
    expect(answer.sha256).toBe(lastSeen().answerSha256);
  });

  it.each([
    ['odd spacing and a strange order', `\r\n{ "generationConfig" :{ }\t,\n${asked} } \n`],
    [
      'escapes and numbers',
      `{${asked},"systemInstruction":{"parts":[{"text":"\\u0041\\/ \\ud83d\\ude42"}]},"generationConfig":{"temperature":1.0,"seed":1e2}}`,
    ],
    [
      'nested names that come twice',
      `{${asked},"labels":{"a":"1","a":"2","__proto__":"x"},"generation_config":{"top_k":1}}`,
    ],
  ])('of Gemini arrives as it was sent: %s', async (_, body) => {
    const answer = await post(`/v1beta/models/${GEMINI}:generateContent`, body);
    expect(answer.status).toBe(200);
    expect(lastSeen().bodySha256).toBe(sha256(body));
    expect(answer.headers['x-relay-edits']).toBe('none');
    expect(answer.sha256).toBe(lastSeen().answerSha256);
  });

  it('arrives whole when it came in chunks, without a length', async () => {
    const body = message('say=chunked', { system: 'é🙂'.repeat(20_000) });
    const answer = await post(MESSAGES, body, { chunked: true });
    expect(answer.status).toBe(200);
    expect(lastSeen().bodySha256).toBe(sha256(body));
    expect(lastSeen().headers['transfer-encoding']).toBeUndefined();
  });

  it.each(['"team/my-model"', '"team\\/my\\u002dmodel"', '"\\u0074eam/my-model"'])(
    'has the bytes of a mapped model name replaced and no other: %s',
    async (written) => {
      const around = (name: string): string =>
        ` {"system":"team/my-model, \\u00e9" ,"max_tokens":50, "model" : ${name} ,"stream":true,${said}}\n`;
      const answer = await post(MESSAGES, around(written));
      expect(lastSeen().body.toString()).toBe(around(`"${MODEL}"`));
      expect(answer.headers['x-relay-edits']).toBe('model');
      expect(answer.sha256).toBe(lastSeen().answerSha256);
      // The answer tells the upstream's own name, which it was given.
      expect(answer.text).toContain(`"model":"${MODEL}"`);
      expect(await rehearsal.lastRow()).toMatchObject({ model: 'team/my-model', upstream_model: MODEL });
    },
  );

  it('of Gemini keeps every byte where only the path names the mapped model', async () => {
    const body = ` {${asked}}`;
    const answer = await post('/v1beta/models/my-gemini:generateContent', body);
    expect(lastSeen().url).toBe(`/v1beta/models/${GEMINI}:generateContent`);
    expect(lastSeen().bodySha256).toBe(sha256(body));
    expect(answer.headers['x-relay-edits']).toBe('model');
    expect(answer.sha256).toBe(lastSeen().answerSha256);
  });

  it('of Gemini has the mapped name replaced wherever the body repeats it', async () => {
    const around = (name: string): string =>
      `{"requests": [{"model":"models/${name}", "content":{"parts":[{"text":"my-embedding"}]}},\n {"content":{"parts":[{"text":"b"}]},"model" :"models/${name}"}]}`;
    const answer = await post('/v1beta/models/my-embedding:batchEmbedContents', around('my-embedding'));
    expect(answer.status).toBe(200);
    expect(lastSeen().body.toString()).toBe(around('gemini-embedding-001'));
    expect(answer.headers['x-relay-edits']).toBe('model');
  });
});

const SPLITS = ['split=1', 'split=utf8', 'split=crlf', 'split=7', 'split=@1,2,3,40,41,42,200,201', ''];
const LINES = ['eol=lf', 'eol=cr', 'eol=crlf'];
const NOISE = ['', 'bom comments unknown-events=2 pings=2'];
const SAY = 'say="naïve 🙂 \\n\\"text\\" of six words" deltas=5';

describe('an answer', () => {
  /** Each row's usage by outcome, of the requests made since the ledger had `before` rows. */
  async function usages(before: number): Promise<string[]> {
    await rehearsal.quiet();
    const rows = await rehearsal.sql(
      `select outcome, estimated, suspicious, input_tokens, cache_read_tokens, output_tokens, reasoning_tokens,
              cost_nanos
         from ledger order by request_id offset ${before}`,
    );
    return [...new Set(rows.map((row) => JSON.stringify(row)))];
  }

  async function same(path: string, bodies: readonly string[]): Promise<void> {
    for (const body of bodies) {
      const answer = await post(path, body);
      const told = { status: answer.status, sha256: answer.sha256, broken: answer.broken };
      expect({ body, ...told }).toEqual({
        body,
        status: 200,
        sha256: lastSeen().answerSha256,
        broken: false,
      });
      expect(answer.body.length).toBe(lastSeen().bytesSent);
      expect(answer.headers['x-relay-edits']).toBe('none');
    }
  }

  it.each(LINES.flatMap((line) => NOISE.map((noise) => [line, noise] as const)))(
    'of Claude as SSE comes as it was sent, and is metered alike, however it is split: %s %s',
    async (line, noise) => {
      const before = await rehearsal.rowCount();
      const more = { stream: true, max_tokens: 3000, thinking: { type: 'adaptive' } };
      await same(
        MESSAGES,
        SPLITS.map((split) => message(`${SAY} ${split} ${line} ${noise}`, more)),
      );
      const [usage, ...others] = await usages(before);
      expect(others).toEqual([]);
      // The simulator thinks fifteen words, and says six.
      expect(JSON.parse(usage ?? '')).toMatchObject({
        outcome: 'completed',
        estimated: false,
        suspicious: false,
        input_tokens: '4',
        output_tokens: '21',
        reasoning_tokens: '15',
      });
    },
  );

  it('of Claude as SSE costs the same whatever its line ends and whatever stands between its events', async () => {
    const before = await rehearsal.rowCount();
    const bodies = LINES.flatMap((line) =>
      NOISE.map((noise) => message(`${SAY} ${line} ${noise}`, { stream: true })),
    );
    await same(MESSAGES, bodies);
    const [usage, ...others] = await usages(before);
    expect(others).toEqual([]);
    expect(JSON.parse(usage ?? '')).toMatchObject({
      outcome: 'completed',
      input_tokens: '4',
      output_tokens: '6',
    });
  });

  it.each(LINES.flatMap((line) => NOISE.map((noise) => [line, noise] as const)))(
    'of Gemini as SSE comes as it was sent, and is metered alike, however it is split: %s %s',
    async (line, noise) => {
      const before = await rehearsal.rowCount();
      await same(
        `${STREAM}?alt=sse`,
        SPLITS.map((split) => contents(`${SAY} ${split} ${line} ${noise}`)),
      );
      const [usage, ...others] = await usages(before);
      expect(others).toEqual([]);
      expect(JSON.parse(usage ?? '')).toMatchObject({
        outcome: 'completed',
        estimated: false,
        input_tokens: '4',
        output_tokens: '6',
      });
    },
  );

  it.each([
    ['Claude as JSON', MESSAGES, message],
    ['Gemini as JSON', `/v1beta/models/${GEMINI}:generateContent`, contents],
    ['Gemini as a JSON array', STREAM, contents],
  ])('of %s comes as it was sent, and is metered alike, however it is split', async (_, path, body) => {
    const before = await rehearsal.rowCount();
    await same(
      path,
      SPLITS.map((split) => body(`${SAY} ${split}`)),
    );
    const [usage, ...others] = await usages(before);
    expect(others).toEqual([]);
    expect(JSON.parse(usage ?? '')).toMatchObject({
      outcome: 'completed',
      estimated: false,
      input_tokens: '4',
      output_tokens: '6',
    });
  });

  it.each([
    ['a refused message', MESSAGES, message('status=400 split=1')],
    ['an overload', MESSAGES, message('status=529 split=3', { stream: true })],
    ['a refused array', STREAM, contents('status=429 split=1')],
    ['an error event of Claude', MESSAGES, message('error=4 split=1', { stream: true })],
    ['an error event of Gemini', `${STREAM}?alt=sse`, contents('error=2 split=1')],
    ['an error element', STREAM, contents('error=2 split=utf8')],
  ])("that is the vendor's own error comes as it was sent: %s", async (_, path, body) => {
    const answer = await post(path, body);
    expect(answer.sha256).toBe(lastSeen().answerSha256);
    expect(answer.broken).toBe(false);
  });

  it('of several megabytes comes as it was sent', async () => {
    for (const [path, body] of [
      [MESSAGES, message('large=3mb')],
      [MESSAGES, message('large=3mb', { stream: true })],
      [MESSAGES, message('large=3mb length')],
      [STREAM, contents('large=3mb')],
    ] as const) {
      const answer = await post(path, body);
      expect(answer.body.length).toBeGreaterThan(3_000_000);
      expect(answer.sha256).toBe(lastSeen().answerSha256);
    }
  });

  it.each([
    ['SSE', MESSAGES, message('deltas=8 hang=HOLD', { stream: true }), /\n\n/g],
    ['SSE of Gemini', `${STREAM}?alt=sse`, contents('deltas=8 hang=HOLD'), /\r\n\r\n/g],
    ['a JSON array', STREAM, contents('deltas=8 hang=HOLD'), /"responseId"/g],
  ])(
    'as %s reaches the client event by event, while the upstream holds the rest',
    async (_, path, body, event) => {
      for (const held of [1, 2, 5]) {
        const leave = new AbortController();
        let seen = '';
        const answer = post(path, body.replace('HOLD', String(held)), {
          signal: leave.signal,
          onData: (_piece, sofar) => {
            seen = sofar.toString();
          },
        });
        await eventually(() => expect(seen.match(event) ?? []).toHaveLength(held));
        expect(lastSeen()).toMatchObject({ framesSent: held, ended: undefined });
        expect(Buffer.byteLength(seen)).toBe(lastSeen().bytesSent);
        leave.abort();
        await answer.catch(() => undefined);
        await rehearsal.quiet();
      }
    },
  );
});

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
    expect(lastSeen().headers).toMatchObject({
      ...kept,
      'x-api-key': CLAUDE_CREDENTIAL,
      'accept-encoding': 'identity',
      host: new URL(rehearsal.simulator.url).host,
    });
    expect(Object.keys(lastSeen().headers).sort()).toEqual(
      [...own, ...Object.keys(kept), 'x-api-key'].sort(),
    );
    expect(lastSeen().url).toBe('/v1/messages?beta=true');
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
    expect(lastSeen().headers).toMatchObject({ ...kept, 'x-goog-api-key': GEMINI_CREDENTIAL });
    expect(Object.keys(lastSeen().headers).sort()).toEqual(
      [...own, ...Object.keys(kept), 'x-goog-api-key'].sort(),
    );
    expect(lastSeen().url).toBe(`${STREAM}?alt=sse`);
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
        const seen = lastSeen();
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
    const answer = await post(MESSAGES, message('say=ok').replace(MODEL, model));
    expect(answer.status).toBe(200);
    expect(lastSeen().headers).toMatchObject({ authorization: 'Bearer sim-access-0' });
    expect(lastSeen().headers['x-api-key']).toBeUndefined();
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
      expect(answer.headers['request-id']).toBe(lastSeen().requestId);
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
    expect(answer.sha256).toBe(lastSeen().answerSha256);
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
    expect(row).toMatchObject({ client_request_id: 'job 7/a', upstream_request_id: lastSeen().requestId });
    expect(row['request_id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it.each([
    ['a wrong key', 401, MESSAGES, message(''), { 'x-api-key': 'rk_wrong' }, '0'],
    ['no such route', 404, '/v1/nonesuch', '{}', {}, '0'],
    ['no such Gemini route', 404, '/v1beta/nonesuch', '{}', {}, '0'],
    ['a body that is no call', 400, MESSAGES, '{"model":1}', {}, '0'],
    ['an unknown model', 404, MESSAGES, message('').replace(MODEL, 'nonesuch'), {}, '0'],
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
});

describe('a keep-alive', () => {
  const COMMENT = ': keep-alive\n\n';
  let quick: Rehearsal;
  let quickKey: string;

  beforeAll(async () => {
    quick = await Rehearsal.start({ RELAY_KEEPALIVE_MS: '300' });
    await quick.claudeAccount();
    await quick.geminiAccount();
    quickKey = (await quick.key()).key;
  });
  afterEach(() => quick.quiet());
  afterAll(() => quick.close());

  const ask = (path: string, body: string) =>
    onWire(`${quick.url}${path}`, {
      headers: {
        'x-api-key': quickKey,
        'content-type': 'application/json',
        'anthropic-version': '2023-06-01',
      },
      body,
    });
  const sentTo = (marker: string) => quick.simulator.find(marker)?.answerSha256;

  it('stands between two events while the upstream is silent, and is all that is added', async () => {
    const cases = [
      ['claude', MESSAGES, message('marker=claude deltas=3 hang=4 hang-for=1000', { stream: true }), '\n\n'],
      ['gemini', `${STREAM}?alt=sse`, contents('marker=gemini deltas=3 hang=2 hang-for=1000'), '\r\n\r\n'],
      ['early', MESSAGES, message('marker=early deltas=2 hang=0 hang-for=1000', { stream: true }), ''],
    ] as const;
    await Promise.all(
      cases.map(async ([marker, path, body, end]) => {
        const answer = await ask(path, body);
        const parts = answer.text.split(COMMENT);
        expect([marker, parts.length > 2]).toEqual([marker, true]);
        expect(parts[0]?.endsWith(end)).toBe(true);
        expect(parts[0] === '').toBe(marker === 'early');
        // One run of silence: between its first comment and its last there is nothing.
        expect(parts.slice(1, -1).join('')).toBe('');
        expect(sha256(parts.join(''))).toBe(sentTo(marker));
        expect(answer.headers['x-relay-edits']).toBe('none');
      }),
    );
    const rows = await quick.ledger(3);
    expect(rows.map((row) => row['outcome'])).toEqual(['completed', 'completed', 'completed']);
  });

  it('never comes inside an event, in an answer without events, or while events come', async () => {
    const whole = await ask(`${STREAM}?alt=sse`, contents('marker=crlf deltas=3'));
    const insideEnd = whole.body.indexOf('\r\n\r\n') + 3;
    const cases = [
      ['event', MESSAGES, message('marker=event deltas=3 hang=700b hang-for=700', { stream: true })],
      ['crlf', `${STREAM}?alt=sse`, contents(`marker=crlf deltas=3 hang=${insideEnd}b hang-for=700`)],
      ['json', MESSAGES, message('marker=json hang=100b hang-for=700')],
      ['large', MESSAGES, message('marker=large large=2mb hang=1500000b hang-for=700')],
      ['array', STREAM, contents('marker=array deltas=3 hang=2 hang-for=700')],
      ['steady', MESSAGES, message('marker=steady deltas=35 every=20', { stream: true })],
    ] as const;
    await Promise.all(
      cases.map(async ([marker, path, body]) => {
        const answer = await ask(path, body);
        expect([marker, answer.text.includes('keep-alive')]).toEqual([marker, false]);
        expect([marker, answer.sha256]).toEqual([marker, sentTo(marker)]);
      }),
    );
  });
});
