import { eventually } from '../support/eventually.ts';
import { admin, Rehearsal } from '../support/relay.ts';
import { onWire } from '../support/wire-client.ts';

/** The openai door: what is metered, what is told when something goes wrong, what is refused, what passes of headers. */

const MODEL = 'gpt-4.1';
const CHAT = '/v1/chat/completions';
const SECRET = 'sk-sim-account-secret';

let rehearsal: Rehearsal;
let account: string;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start({
    RELAY_HEADERS_TIMEOUT_MS: '500',
    RELAY_JSON_HEADERS_TIMEOUT_MS: '500',
    RELAY_IDLE_TIMEOUT_MS: '600',
    RELAY_KEEPALIVE_MS: '150',
  });
  account = (await rehearsal.openaiAccount({ credentials: { authToken: SECRET } })).id;
  key = (await rehearsal.key({ accounts: [account] })).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

const post = (body: object | string, headers: Record<string, string> = {}, path = CHAT, as = key) =>
  onWire(`${rehearsal.url}${path}`, {
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const chat = (more: object = {}, directive = '') => ({
  model: MODEL,
  messages: [{ role: 'user', content: directive === '' ? 'Hi' : `Hi [[sim: ${directive}]]` }],
  ...more,
});
const streamed = (directive: string) => chat({ stream: true }, directive);
const errorIn = (text: string): unknown => (JSON.parse(text) as { error: unknown }).error;
const last = () => rehearsal.simulator.requests.at(-1)!;
const ALONE = /data: \{[^\n]*"choices":\[\],"usage":[^\n]*\n\n/g;

describe('servers that are only like OpenAI’s', () => {
  const USED = 'input-tokens=100 cached-tokens=40 output-tokens=20';
  const BOOKED = {
    outcome: 'completed',
    input_tokens: '60',
    cache_read_tokens: '40',
    output_tokens: '20',
    estimated: false,
  };

  it.each<[string, string, object]>([
    ['as OpenAI does', '', BOOKED],
    ['without [DONE]', 'deltas=2 end=5', BOOKED],
    ['with usage in the last chunk', 'usage=last-chunk', BOOKED],
    ['with usage in every chunk', 'usage=every-chunk', BOOKED],
    ['with the usage again and again', 'usage=repeated', BOOKED],
    ['without any usage', 'usage=missing', { outcome: 'unknown', reason: 'no-usage', estimated: true }],
    ['with comments and chunks without a choice', 'comments unknown-events=2 deltas=9', BOOKED],
  ])('are metered %s', async (_what, directive, row) => {
    const answer = await post(streamed(`${USED} ${directive}`));
    expect(answer).toMatchObject({ status: 200, broken: false });
    // Byte for byte, but for what only the relay asked for.
    expect(answer.text).toBe(last().answer.toString().replaceAll(ALONE, ''));
    expect(await rehearsal.lastRow()).toMatchObject(row);
  });

  it.each([
    ['a page of HTML', 'html status=502'],
    ['a page of HTML in a success', 'html'],
  ])('refuse with %s', async (_what, directive) => {
    const answer = await post(chat({}, directive));
    expect(answer).toMatchObject({ status: 502, broken: false });
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(errorIn(answer.text)).toMatchObject({ type: 'server_error', param: null });
  });

  it.each([
    ['a wrong key', 'status=401'],
    ['a country', 'status=403 reason=country'],
    ['a quota', 'status=429 reason=low-credit'],
  ])('are the account’s trouble with %s, and never the client’s', async (_what, directive) => {
    const { id } = await rehearsal.openaiAccount({
      credentials: { apiKey: `${SECRET}-${directive.length}` },
    });
    const own = (await rehearsal.key({ accounts: [id] })).key;
    const answer = await post(chat({}, `${directive} echo`), {}, CHAT, own);
    expect(answer.status).toBe(503);
    expect(answer.headers['x-should-retry']).toBe('false');
    expect(answer.text).not.toContain(SECRET);
    expect(errorIn(answer.text)).toMatchObject({ type: 'server_error' });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'failed', status: last().status });
  });

  it('are tried by a small real request', async () => {
    const answer = await admin(rehearsal.url, 'POST', `/accounts/${account}/test`, {});
    expect(answer).toMatchObject({ status: 201, body: { verdict: 'ok', status: 200 } });
    const probe = rehearsal.simulator.requests.findLast(({ url }) => url.endsWith('/chat/completions'));
    expect(probe).toMatchObject({ headers: { authorization: `Bearer ${SECRET}` } });
    const body = JSON.parse(probe!.body.toString()) as Record<string, unknown>;
    expect(body['max_completion_tokens'] ?? body['max_tokens']).toBeLessThanOrEqual(16);
  });
});

describe('what goes wrong upstream', () => {
  const ending = /data: (\{"error":[^\n]*\})\n\n$/;

  it.each([
    ['an end without its end', 'end=2', { reason: 'truncated' }],
    ['a reset', 'reset=2', {}],
    ['silence', 'hang=2', {}],
  ])('in mid-stream is told: %s', async (_what, fault, row) => {
    const answer = await post(streamed(`deltas=9 ${fault}`));
    expect(answer.text.startsWith(last().answer.toString())).toBe(true);
    expect(answer.text).not.toContain('[DONE]');
    expect(answer.broken).toBe(false);
    expect(errorIn(ending.exec(answer.text)![1]!)).toMatchObject({ type: 'server_error' });
    const booked = await rehearsal.lastRow();
    expect(booked).toMatchObject({ estimated: true, ...row });
    expect(booked['outcome']).toMatch(/^(partial|failed|unknown)$/);
  });

  it('in the stream is told as it came, and by the vendor only', async () => {
    const answer = await post(streamed('deltas=9 error=3 message=overloaded'));
    expect(answer).toMatchObject({ broken: false, text: last().answer.toString() });
    expect(errorIn(ending.exec(answer.text)![1]!)).toMatchObject({ message: 'overloaded' });
    expect(await rehearsal.lastRow()).toMatchObject({ outcome: 'partial', reason: 'server_error' });
  });

  it('before the head is a 504 in the client’s shape', async () => {
    const answer = await post(chat({}, 'hang=head'));
    expect(answer.status).toBe(504);
    expect(errorIn(answer.text)).toMatchObject({ type: 'server_error', code: null });
    await eventually(() => expect(last().ended).toBe('client-closed'));
  });
});

describe('what the door refuses', () => {
  const untouched = async (work: () => Promise<void>): Promise<void> => {
    const calls = () => rehearsal.simulator.requests.filter(({ method }) => method === 'POST').length;
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
      const narrow = (await rehearsal.key({ models: ['gpt-5-nano*'] })).key;
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
    const { host: _host, 'content-length': _length, connection: _connection, ...headers } = last().headers;
    expect(headers).toEqual({
      authorization: `Bearer ${SECRET}`,
      'content-type': 'application/json',
      'user-agent': 'OpenAI/JS 6.49.0',
      'x-stainless-lang': 'js',
      'accept-encoding': 'identity',
    });
  });

  it('and what is told of errors makes no header and no event (S7)', async () => {
    const evil = 'no\\r\\nset-cookie: a=b\\r\\n\\r\\ndata: {}\\n\\n';
    const message = 'no\r\nset-cookie: a=b\r\n\r\ndata: {}\n\n';
    const inStream = await post(streamed(`deltas=4 error=1 message="${evil}"`));
    expect(inStream.text.split('\n\n').filter((line) => line.startsWith('data: '))).toHaveLength(2);

    const refused = await post(chat({}, `status=400 message="${evil}"`));
    expect(refused.headers).not.toHaveProperty('set-cookie');
    expect(errorIn(refused.text)).toMatchObject({ message });

    const named = await post(chat({ model: 'a\r\nset-cookie: a=b' }));
    expect(named.headers).not.toHaveProperty('set-cookie');
    expect(named.text).not.toMatch(/[\r\n]/);
  });
});
