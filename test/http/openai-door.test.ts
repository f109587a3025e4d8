import { packToolId } from '../../src/translation/carried.ts';
import {
  BOOKED,
  completion,
  delta,
  DONE,
  frame,
  STREAM,
  TEXT,
  USAGE,
  usageAlone,
} from '../support/chat-frames.ts';
import { type Answering, ChatServer, refuse, say, stream } from '../support/chat-server.ts';
import { eventually } from '../support/eventually.ts';
import { admin, Rehearsal } from '../support/relay.ts';
import { onWire } from '../support/wire-client.ts';

/** The openai door as bytes: what passes, what is edited, what is told when something goes wrong. */

const MODEL = 'gpt-4.1';
const CHAT = '/v1/chat/completions';
const SECRET = 'sk-account-secret';

let rehearsal: Rehearsal;
let server: ChatServer;
let account: string;
let key: string;

beforeAll(async () => {
  [rehearsal, server] = await Promise.all([
    Rehearsal.start({
      RELAY_HEADERS_TIMEOUT_MS: '500',
      RELAY_JSON_HEADERS_TIMEOUT_MS: '500',
      RELAY_IDLE_TIMEOUT_MS: '600',
      RELAY_KEEPALIVE_MS: '150',
    }),
    ChatServer.start(),
  ]);
  const made = await rehearsal.openaiAccount({ baseUrl: server.baseUrl, credentials: { authToken: SECRET } });
  account = made.id;
  key = (await rehearsal.key({ accounts: [account] })).key;
});
afterEach(() => rehearsal.quiet());
afterAll(async () => {
  await rehearsal.close();
  await server.close();
});

const post = (body: object | string, headers: Record<string, string> = {}, path = CHAT, as = key) =>
  onWire(`${rehearsal.url}${path}`, {
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const chat = (more: object = {}) => ({ model: MODEL, messages: [{ role: 'user', content: 'Hi' }], ...more });
const STREAMED = chat({ stream: true });
const errorIn = (text: string): unknown => (JSON.parse(text) as { error: unknown }).error;

/** Bytes in pieces of this size, each a write of its own. */
const inPieces =
  (text: string, size: number): Answering =>
  async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) {
      response.write(bytes.subarray(at, at + size));
      if (at % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  };

describe('bytes', () => {
  it.each([
    ['LF', 1],
    ['LF', 7],
    ['CR LF', 1],
    ['CR LF', 3],
  ])(
    'of a stream with %s in pieces of %i are the upstream’s but for the chunk of usage',
    async (eol, size) => {
      const written = (frames: readonly string[]): string =>
        frames.join('').replaceAll('\n', eol === 'LF' ? '\n' : '\r\n');
      const odd = frame('{ "choices":[{"index":0,"delta":{"content":"\\u00e9 1e21"},"x":1e21}]  }');
      server.answer(inPieces(written([odd, ...STREAM]), size));
      const answer = await post(STREAMED);
      expect(answer.text).toBe(written([odd, ...TEXT, DONE]));
      expect(answer.headers['x-relay-edits']).toBe('usage');
      expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });
    },
  );

  it('of a request that needs no edit are the client’s', async () => {
    server.answer(stream(STREAM));
    const body = `{ "messages" : [], "stream":true,"model":"gpt\\u002d4.1","seed":1e0, "stream_options": {"include_usage":true}}`;
    const answer = await post(body);
    expect(server.last().text).toBe(body);
    expect(answer.text).toBe(STREAM.join(''));
    expect(answer.headers['x-relay-edits']).toBe('none');
  });

  it('of a mapped model are the client’s but for its name, beside the usage asked for', async () => {
    const { id } = await rehearsal.openaiAccount({
      baseUrl: server.baseUrl,
      models: { map: { fast: 'vendor/gpt-mini' } },
    });
    const mapped = (await rehearsal.key({ accounts: [id] })).key;
    server.answer(stream(STREAM));
    const answer = await post('{"stream":true,"messages":[], "model":"fast" }', {}, CHAT, mapped);
    expect(server.last().text).toBe(
      '{"stream":true,"messages":[], "model":"vendor/gpt-mini" ,"stream_options":{"include_usage":true}}',
    );
    expect(String(answer.headers['x-relay-edits']).split(/, ?/).sort()).toEqual(['model', 'usage']);
  });

  it('of a tool call’s id that carries another vendor’s signature become its own id', async () => {
    server.answer(say(completion({ content: 'ok' })));
    const id = packToolId('toolu_7', [
      { kind: 'thinking', text: 'hm', signature: { minted: 'anthropic', value: 'c2ln' } },
    ]);
    const messages = (name: string) => [
      {
        role: 'assistant',
        tool_calls: [{ id: name, type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: name, content: 'x' },
    ];
    const answer = await post(chat({ messages: messages(id) }));
    expect(server.last().text).toBe(JSON.stringify(chat({ messages: messages('toolu_7') })));
    expect(answer.headers['x-relay-edits']).toBe('signature:foreign');
  });
});

describe('servers that are only like OpenAI’s', () => {
  it.each<[string, readonly string[], object]>([
    ['without [DONE]', [...TEXT, usageAlone(USAGE)], { outcome: 'completed', ...BOOKED }],
    [
      'with usage in every chunk',
      [
        delta({ content: 'a' }, null, { usage: { ...USAGE, completion_tokens: 1 } }),
        delta({}, 'stop', { usage: USAGE }),
        DONE,
      ],
      { outcome: 'completed', ...BOOKED },
    ],
    ['without any usage', [...TEXT, DONE], { outcome: 'unknown', reason: 'no-usage', estimated: true }],
    ['with comments', [': OPENROUTER PROCESSING\n\n', ...STREAM], { outcome: 'completed', ...BOOKED }],
  ])('are metered %s', async (_what, frames, row) => {
    server.answer(stream(frames));
    const answer = await post(STREAMED);
    const alone = usageAlone(USAGE);
    expect(answer).toMatchObject({ status: 200, broken: false });
    expect(answer.text).toBe(frames.filter((one) => one !== alone).join(''));
    expect(await rehearsal.lastRow()).toMatchObject(row);
  });

  it.each<[string, Answering, number]>([
    ['an error that is a text', say({ error: 'model "x" not found' }, 404), 404],
    ['FastAPI’s detail', say({ detail: [{ msg: 'field required' }] }, 422), 422],
    [
      'a page of HTML',
      (response) =>
        void response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad gateway</html>'),
      502,
    ],
    [
      'a page of HTML in a success',
      (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>'),
      502,
    ],
    ['an error in a success', say({ error: { message: 'no', type: 'server_error' } }), 502],
  ])('refuse with %s', async (_what, answering, status) => {
    server.answer(answering);
    const answer = await post(chat());
    expect(answer).toMatchObject({ status, broken: false });
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    if (status === 502) expect(errorIn(answer.text)).toMatchObject({ type: 'server_error', param: null });
  });

  it.each<[string, number, object]>([
    ['a wrong key', 401, { type: 'invalid_request_error', code: 'invalid_api_key' }],
    ['a country', 403, { type: 'invalid_request_error', code: 'unsupported_country_region_territory' }],
    ['a quota', 429, { type: 'insufficient_quota', code: 'insufficient_quota' }],
  ])('are the account’s trouble with %s, and never the client’s', async (_what, status, error) => {
    const { id } = await rehearsal.openaiAccount({ baseUrl: server.baseUrl });
    const own = (await rehearsal.key({ accounts: [id] })).key;
    server.answer(refuse(status, { message: `Incorrect API key provided: ${SECRET}`, ...error }));
    const answer = await post(chat(), {}, CHAT, own);
    expect(answer.status).toBe(503);
    expect(answer.headers['x-should-retry']).toBe('false');
    expect(answer.text).not.toContain(SECRET);
    expect(errorIn(answer.text)).toMatchObject({ type: 'server_error' });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed', status });
  });

  it('are tried by a small real request', async () => {
    server.answer(say(completion({ content: '.' })));
    const answer = await admin(rehearsal.url, 'POST', `/accounts/${account}/test`, {});
    expect(answer).toMatchObject({ status: 201, body: { verdict: 'ok', status: 200 } });
    expect(server.seen.filter(({ url }) => url.endsWith('/chat/completions')).at(-1)).toMatchObject({
      headers: { authorization: `Bearer ${SECRET}` },
      json: { max_tokens: 1 },
    });
  });
});

describe('what goes wrong upstream', () => {
  const head = (response: Parameters<Answering>[0], end?: string): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(TEXT.slice(0, 2).join(''));
    if (end !== undefined) response.end(end);
  };
  const ending = /data: (\{"error":[^\n]*\})\n\n$/;

  it.each<[string, Answering, object, string]>([
    ['an end without its end', (response) => head(response, ''), { reason: 'truncated' }, 'server_error'],
    [
      'a reset',
      (response) => {
        head(response);
        setTimeout(() => response.socket?.resetAndDestroy(), 50);
      },
      {},
      'server_error',
    ],
    ['silence', (response) => head(response), {}, 'server_error'],
    [
      'an end after the reason to finish, in the chunk of usage',
      (response) => head(response, `${TEXT[3]}${usageAlone(USAGE).slice(0, -9)}`),
      { reason: 'truncated' },
      '',
    ],
  ])('in mid-stream is told: %s', async (_what, answering, row, type) => {
    server.answer(answering);
    const answer = await post(STREAMED);
    expect(answer.text.startsWith(TEXT.slice(0, 2).join(''))).toBe(true);
    expect(answer.text).not.toContain('[DONE]');
    // Inside a frame nothing can be told: the connection breaks.
    expect(answer.broken).toBe(type === '');
    if (type !== '') expect(errorIn(ending.exec(answer.text)![1]!)).toMatchObject({ type });
    const booked = await rehearsal.lastRow();
    expect(booked).toMatchObject({ estimated: true, ...row });
    expect(booked['outcome']).toMatch(/^(partial|failed|unknown)$/);
  });

  it('in the stream is told as it came, and by the vendor only', async () => {
    const told = frame({ error: { message: 'overloaded', type: 'server_error', param: null, code: null } });
    server.answer(stream([...TEXT.slice(0, 2), told]));
    const answer = await post(STREAMED);
    expect(answer).toMatchObject({ broken: false, text: TEXT.slice(0, 2).join('') + told });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'server_error' });
  });

  it('before the head is a 504 in the client’s shape', async () => {
    server.answer(() => undefined);
    const answer = await post(chat());
    expect(answer.status).toBe(504);
    expect(errorIn(answer.text)).toMatchObject({ type: 'server_error', code: null });
    await eventually(() => expect(server.last().cut).toBe(true));
  });

  it('keeps a silent stream alive between two frames, the hidden one among them', async () => {
    server.answer(async (response) => {
      head(response);
      response.write(TEXT[3]! + usageAlone(USAGE));
      await new Promise((resolve) => setTimeout(resolve, 400));
      response.end(DONE);
    });
    const answer = await post(STREAMED);
    expect(answer.text).toContain(': keep-alive\n\n');
    expect(answer.text.replaceAll(': keep-alive\n\n', '')).toBe(
      [...TEXT.slice(0, 2), TEXT[3], DONE].join(''),
    );
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'completed', ...BOOKED });
  });
});

describe('what the door refuses', () => {
  const untouched = async (work: () => Promise<void>): Promise<void> => {
    const calls = () => server.seen.filter(({ method }) => method === 'POST').length;
    const before = { seen: calls(), rows: await rehearsal.rowCount() };
    await work();
    expect({ seen: calls(), rows: await rehearsal.rowCount() }).toEqual(before);
  };
  const routes = (more: (model: string) => object): [string, (model: string) => object][] => [
    [CHAT, (model) => ({ ...chat(), ...more(model) })],
    ['/v1/embeddings', (model) => ({ input: 'x', ...more(model) })],
    ['/openai/v1/responses', (model) => ({ input: 'x', ...more(model) })],
  ];

  it('is a model’s name that leads elsewhere (B5)', () =>
    untouched(async () => {
      const names = [
        '../x',
        '..',
        'a/../b',
        'a//b',
        '%2e%2e%2fx',
        'a#b',
        'a?b',
        'a b',
        'a\r\nx: y',
        'ｇｐｔ',
        '',
        'x'.repeat(10_240),
      ];
      for (const name of names) {
        for (const [path, body] of routes((model) => ({ model }))) {
          const answer = await post(body(name), {}, path);
          expect({ name, status: answer.status }).toEqual({ name, status: 400 });
          expect(errorIn(answer.text)).toMatchObject({ type: 'invalid_request_error', param: 'model' });
        }
      }
    }));

  it('is a model or a door that the key does not have, on every route (A14)', () =>
    untouched(async () => {
      const narrow = (await rehearsal.key({ models: ['gpt-5-*'] })).key;
      const other = (await rehearsal.key({ scopes: ['claude', 'gemini'] })).key;
      for (const prefix of ['', '/openai']) {
        for (const [path, body] of routes((model) => ({ model }))) {
          const route = `${prefix}${path.replace('/openai', '')}`;
          const missing = await post(body(MODEL), {}, route, narrow);
          expect([route, missing.status]).toEqual([route, 404]);
          expect(errorIn(missing.text)).toMatchObject({ code: 'model_not_found' });
          expect((await post(body(MODEL), {}, route, other)).status).toBe(403);
        }
        const list = (as: string) =>
          onWire(`${rehearsal.url}${prefix}/v1/models`, {
            method: 'GET',
            headers: { authorization: `Bearer ${as}` },
          });
        expect((await list(other)).status).toBe(403);
        expect(
          (JSON.parse((await list(narrow)).text) as { data: { id: string }[] }).data.map(({ id }) => id),
        ).toEqual(['gpt-5-nano']);
      }
      const instead = chat({ model: 'gpt-5-nano', models: ['gpt-5-nano', MODEL] });
      expect((await post(instead, {}, CHAT, narrow)).status).toBe(404);
    }));

  it('is a path that does not exist, without the code of a missing model', () =>
    untouched(async () => {
      for (const path of [
        '/v1/nothing',
        '/v1/chat',
        '/openai/v1/threads',
        '/openai',
        '/v1/chat/completions/x',
      ]) {
        const answer = await post(chat(), {}, path);
        expect([path, answer.status]).toEqual([path, 404]);
        expect(errorIn(answer.text)).toMatchObject({ type: 'invalid_request_error', code: null });
      }
    }));
});

describe('what passes of headers', () => {
  it('is the allow-list, and the account’s credential alone (S6)', async () => {
    server.answer(say(completion({ content: 'ok' })));
    await post(chat(), {
      'x-api-key': key,
      'api-key': key,
      connection: 'keep-alive, x-api-key, openai-beta',
      cookie: 'session=1',
      'proxy-authorization': 'Basic x',
      'openai-organization': 'org-client',
      'openai-project': 'proj-client',
      'x-relay-session-id': 's',
      'x-forwarded-for': '10.0.0.1',
      'x-stainless-lang': 'js',
      'user-agent': 'OpenAI/JS 6.49.0',
    });
    const {
      host: _host,
      'content-length': _length,
      connection: _connection,
      ...headers
    } = server.last().headers;
    expect(headers).toEqual({
      authorization: `Bearer ${SECRET}`,
      'content-type': 'application/json',
      'user-agent': 'OpenAI/JS 6.49.0',
      'x-stainless-lang': 'js',
      'accept-encoding': 'identity',
    });
  });

  it('and what is told of errors makes no header and no event (S7)', async () => {
    const message = 'no\r\nset-cookie: a=b\r\n\r\ndata: {"choices":[{"delta":{"content":"injected"}}]}\n\n';
    server.answer(stream([TEXT[0]!, frame({ error: { message, type: 'server_error' } })]));
    const inStream = await post(STREAMED);
    expect(inStream.text.split('\n\n').filter((line) => line.startsWith('data: '))).toHaveLength(2);

    server.answer(refuse(400, { message, type: 'invalid_request_error' }));
    const refused = await post(chat());
    expect(refused.headers).not.toHaveProperty('set-cookie');
    expect(errorIn(refused.text)).toMatchObject({ message });

    const named = await post(chat({ model: 'a\r\nset-cookie: a=b' }));
    expect(named.headers).not.toHaveProperty('set-cookie');
    expect(named.text).not.toMatch(/[\r\n]/);
  });
});
