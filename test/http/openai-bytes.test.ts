import { packToolId } from '../../src/translation/carried.ts';
import { BOOKED, completion, DONE, frame, STREAM, TEXT, USAGE, usageAlone } from '../support/chat-frames.ts';
import { type Answering, ChatServer, say, stream } from '../support/chat-server.ts';
import { Rehearsal } from '../support/relay.ts';
import { onWire } from '../support/wire-client.ts';

/** The openai door as bytes, with servers whose every frame is written by hand: none of OpenAI's own is like them. */

const MODEL = 'gpt-4.1';
const CHAT = '/v1/chat/completions';

let rehearsal: Rehearsal;
let server: ChatServer;
let key: string;

beforeAll(async () => {
  [rehearsal, server] = await Promise.all([
    Rehearsal.start({ RELAY_KEEPALIVE_MS: '150' }),
    ChatServer.start(),
  ]);
  await rehearsal.openaiAccount({ baseUrl: server.baseUrl });
  key = (await rehearsal.key()).key;
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
    expect(server.last()).toBe(body);
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
    expect(server.last()).toBe(
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
    expect(server.last()).toBe(JSON.stringify(chat({ messages: messages('toolu_7') })));
    expect(answer.headers['x-relay-edits']).toBe('signature:foreign');
  });
});

describe('servers that are only like OpenAI’s', () => {
  it.each<[string, Answering, number]>([
    ['an error that is a text', say({ error: 'model "x" not found' }, 404), 404],
    ['FastAPI’s detail', say({ detail: [{ msg: 'field required' }] }, 422), 422],
    ['an error in a success', say({ error: { message: 'no', type: 'server_error' } }), 502],
  ])('refuse with %s', async (_what, answering, status) => {
    server.answer(answering);
    const answer = await post(chat());
    expect(answer).toMatchObject({ status, broken: false });
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    if (status === 502) expect(errorIn(answer.text)).toMatchObject({ type: 'server_error', param: null });
  });
});

describe('a stream whose usage is hidden', () => {
  const head = (response: Parameters<Answering>[0], end?: string): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(TEXT.slice(0, 2).join(''));
    if (end !== undefined) response.end(end);
  };

  it('breaks the connection where the upstream ends inside of a frame, after the reason to finish', async () => {
    server.answer((response) => head(response, `${TEXT[3]}${usageAlone(USAGE).slice(0, -9)}`));
    const answer = await post(STREAMED);
    expect(answer.text.startsWith(TEXT.slice(0, 2).join(''))).toBe(true);
    expect(answer.text).not.toContain('[DONE]');
    expect(answer.broken).toBe(true);
    const booked = await rehearsal.lastRow();
    expect(booked).toMatchObject({ estimated: true, reason: 'truncated' });
    expect(booked['outcome']).toMatch(/^(partial|failed|unknown)$/);
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
