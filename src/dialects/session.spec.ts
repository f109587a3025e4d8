import type { IncomingHttpHeaders } from 'node:http';
import { readAnthropicCall } from './anthropic-call.ts';
import { readBedrockCall } from './bedrock-call.ts';
import type { Session } from './dialect.ts';
import { readGeminiCall } from './gemini-call.ts';
import { readOpenaiCall } from './openai-call.ts';

type Told = Promise<Session | undefined>;

const bytes = (body: unknown): Buffer =>
  Buffer.from(typeof body === 'string' ? body : JSON.stringify(body), 'utf8');
const query = new URLSearchParams();

const claude = async (fields: object, headers: IncomingHttpHeaders = {}): Told =>
  (
    await readAnthropicCall({
      operation: 'generate',
      headers,
      query,
      body: bytes({ model: 'm', max_tokens: 9, ...fields }),
    })
  ).session;
const chat = async (fields: object, headers: IncomingHttpHeaders = {}): Told =>
  (await readOpenaiCall({ route: 'chat', headers, body: bytes({ model: 'm', ...fields }) })).session;
const responses = async (fields: object): Told =>
  (await readOpenaiCall({ route: 'responses', headers: {}, body: bytes({ model: 'm', ...fields }) })).session;
const gemini = async (fields: object): Told =>
  (
    await readGeminiCall({
      version: 'v1beta',
      model: 'm',
      verb: 'generateContent',
      headers: {},
      query,
      body: bytes(fields),
    })
  ).session;
const converse = async (fields: object): Told =>
  (await readBedrockCall({ operation: 'converse', model: 'm', headers: {}, body: bytes(fields) })).session;
const invoke = async (fields: object): Told =>
  (
    await readBedrockCall({
      operation: 'invoke',
      model: 'm',
      headers: {},
      body: bytes({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 9, ...fields }),
    })
  ).session;

const user = (content: unknown) => ({ role: 'user', content });
const assistant = (content: unknown) => ({ role: 'assistant', content });
const marked = (text: string, ttl?: string) => ({
  type: 'text',
  text,
  cache_control: { type: 'ephemeral', ...(ttl && { ttl }) },
});
const text = (words: string) => ({ type: 'text', text: words });

const UUID = '1f0c6c1e-4b60-4d5c-9a3b-0c2f1a7d9e55';
const USER_ID = JSON.stringify({ device_id: 'd'.repeat(64), account_uuid: '', session_id: UUID });

describe('the ladder', () => {
  const messages = [user('hi')];
  const headers = { 'x-relay-session-id': 'mine', 'x-claude-code-session-id': UUID };

  it("takes the relay's own header before all else", async () => {
    const metadata = { user_id: USER_ID };
    expect(await claude({ messages, metadata }, headers)).toMatchObject({ source: 'header', name: 'mine' });
    expect(await chat({ messages, prompt_cache_key: 'k' }, headers)).toMatchObject({ source: 'header' });
  });

  it("takes Claude Code's header next", async () => {
    const session = await claude({ messages }, { 'x-claude-code-session-id': UUID });
    expect(session).toMatchObject({ source: 'claude-code', name: UUID });
  });

  it.each([
    ['JSON', USER_ID],
    ['the former form', `user_${'a'.repeat(64)}_account_${UUID}_session_${UUID}`],
    ['the former form without an account', `user_${'a'.repeat(64)}_account__session_${UUID}`],
  ])("takes the session in Anthropic's metadata.user_id: %s", async (_form, user_id) => {
    const expected = { source: 'metadata', name: UUID };
    expect(await claude({ messages, metadata: { user_id } })).toMatchObject(expected);
    expect(await invoke({ messages, metadata: { user_id } })).toMatchObject(expected);
  });

  it('is one session, whichever way Claude Code tells it', async () => {
    const byHeader = await claude({ messages }, { 'x-claude-code-session-id': UUID });
    const byBody = await claude({ messages, metadata: { user_id: USER_ID } });
    expect(byHeader?.name).toBe(byBody?.name);
  });

  it.each([
    ['an end user', 'user-77'],
    ['JSON without a session', '{"device_id":"d"}'],
    ['broken JSON', '{"session_id":'],
    ['a session that is no text', '{"session_id":7}'],
    ['null', null],
    ['a number', 7],
    ['an endless one', JSON.stringify({ session_id: 'x'.repeat(100_000) })],
  ])('goes on where metadata.user_id names no session: %s', async (_what, user_id) => {
    expect(await claude({ messages, metadata: { user_id } })).toMatchObject({ source: 'prefix' });
  });

  it.each([
    ['empty', ''],
    ['blank', '   '],
    ['of more than 512 bytes', 'é'.repeat(257)],
  ])('goes on where a header is %s', async (_what, id) => {
    expect(await claude({ messages }, { 'x-relay-session-id': id })).toMatchObject({ source: 'prefix' });
  });

  it("takes OpenAI's prompt_cache_key", async () => {
    const expected = { source: 'cache-key', name: 'thread-1' };
    expect(await chat({ messages, prompt_cache_key: 'thread-1' })).toMatchObject(expected);
    expect(await responses({ input: 'hi', prompt_cache_key: 'thread-1' })).toMatchObject(expected);
    expect(await chat({ messages, prompt_cache_key: null })).toMatchObject({ source: 'prefix' });
  });

  it('has none for what is not cached', async () => {
    const body = bytes({ model: 'm', messages });
    expect((await readAnthropicCall({ operation: 'count', headers, query, body })).session).toBeUndefined();
    const embedding = bytes({ model: 'm', input: 'hi' });
    const call = await readOpenaiCall({ route: 'embeddings', headers, body: embedding });
    expect(call.session).toBeUndefined();
    expect(await claude({ messages: [] })).toBeUndefined();
  });
});

describe('the cacheable prefix of an Anthropic call', () => {
  const tools = [{ name: 'read', description: 'Reads', input_schema: { type: 'object' } }];
  const first = { tools, system: 'Be brief.', messages: [user('What is a relay?')] };

  const same = async (one: object, other: object): Promise<boolean> => {
    const names = await Promise.all([claude(one), claude(other)]);
    expect(names.every((session) => session?.source === 'prefix')).toBe(true);
    return names[0]?.name === names[1]?.name;
  };

  it('stays the same while the conversation grows', async () => {
    const more = [...first.messages, assistant('A switch.'), user('And a lease?')];
    expect(await same(first, { ...first, messages: more })).toBe(true);
  });

  it('is another one for another first message, system or tools', async () => {
    expect(await same(first, { ...first, messages: [user('What is a lease?')] })).toBe(false);
    expect(await same(first, { ...first, system: 'Be long.' })).toBe(false);
    expect(await same(first, { ...first, tools: [{ ...tools[0], name: 'write' }] })).toBe(false);
  });

  it('does not care in which order the members of the body stand', async () => {
    const { messages, system } = first;
    expect(await same(first, { messages, system, tools })).toBe(true);
  });

  it('is the same when a turn is written as blocks and its mark moves on', async () => {
    const one = { ...first, system: [marked('Be brief.')], messages: [user([marked('What is a relay?')])] };
    const other = {
      ...first,
      system: [marked('Be brief.')],
      messages: [user('What is a relay?'), assistant('A switch.'), user([marked('And a lease?')])],
    };
    expect(await same(one, other)).toBe(true);
    expect(await same(other, { ...other, cache_control: { type: 'ephemeral' } })).toBe(true);
  });

  it('ends at the last mark: what stands behind it is not cached', async () => {
    const system = [marked('A long book.'), text('It is 12:01.')];
    const one = { system, messages: [user('Who dies?')] };
    const later = { system: [system[0], text('It is 12:02.')], messages: [user('Who lives?')] };
    expect(await same(one, later)).toBe(true);
    expect(await same(one, { ...one, cache_control: { type: 'ephemeral' } })).toBe(false);
    const asked = (question: string) => ({ messages: [user([marked('A long book.'), text(question)])] });
    expect(await same(asked('Who dies?'), asked('Who lives?'))).toBe(true);
    const noMark = (question: string) => ({ messages: [user([text('A long book.'), text(question)])] });
    expect(await same(noMark('Who dies?'), noMark('Who lives?'))).toBe(false);
    const markedTools = [{ ...tools[0], cache_control: { type: 'ephemeral' } }];
    expect(await same({ ...first, tools: markedTools }, { ...one, tools: markedTools })).toBe(false);
    const unmarked = { system: 'Be long.', messages: [user('Who dies?')] };
    expect(await same({ ...first, tools: markedTools }, { ...unmarked, tools: markedTools })).toBe(true);
  });

  it('finds a mark inside of a tool result, and in a block that names it first', async () => {
    const result = (mark: object) => ({
      messages: [
        user([{ type: 'tool_result', tool_use_id: 't', content: [{ ...mark, type: 'text', text: 'book' }] }]),
      ],
      system: [marked('Be brief.')],
    });
    expect(
      await same(result({}), {
        system: [marked('Be brief.')],
        messages: [user('book')],
      }),
    ).toBe(true); // both end at the system's mark
    expect(await same(result({ cache_control: { type: 'ephemeral' } }), result({}))).toBe(false);
    expect(await same(result({ cache_control: null }), result({}))).toBe(true);
  });

  it("leaves Claude Code's billing block out", async () => {
    const billed = (suffix: string) => ({
      ...first,
      system: [
        text(`x-anthropic-billing-header: cc_version=2.1.330.${suffix}; cc_entrypoint=cli;`),
        marked('You are Claude Code.'),
      ],
    });
    expect(await same(billed('a1b'), billed('c2d'))).toBe(true);
  });

  it('is told apart by texts as they are written, however long', async () => {
    const long = 'é'.repeat(200_000);
    const book = (end: string) => ({ messages: [user(long + end)] });
    expect(await same(book('1'), book('1'))).toBe(true);
    expect(await same(book('1'), book('more'))).toBe(false);
    const within = (mark: string) => ({ messages: [user('a'.repeat(16_000) + mark + long)] });
    expect(await same(within('1'), within('2'))).toBe(false);
  });

  it('says whether an hour is asked for, wherever the mark stands', async () => {
    const asks = async (fields: object) => (await claude(fields))?.forAnHour;
    expect(await asks(first)).toBe(false);
    expect(await asks({ ...first, system: [marked('x', '5m')] })).toBe(false);
    expect(await asks({ ...first, system: [marked('x', '1h')] })).toBe(true);
    const later = [...first.messages, assistant('A switch.'), user([marked('And?', '1h')])];
    expect(await asks({ ...first, messages: later })).toBe(true);
    expect(await asks({ ...first, cache_control: { type: 'ephemeral', ttl: '1h' } })).toBe(true);
    const id = { 'x-relay-session-id': 'mine' };
    expect((await claude({ ...first, system: [marked('x', '1h')] }, id))?.forAnHour).toBe(true);
    expect(await asks({ ...first, messages: [user('"ttl": "1h"')], metadata: { ttl: '1h' } })).toBe(false);
  });
});

describe('the cacheable prefix of other dialects', () => {
  const names = async (told: readonly Told[]): Promise<number> => {
    const sessions = await Promise.all(told);
    expect(sessions.map((session) => session?.source)).toEqual(sessions.map(() => 'prefix'));
    return new Set(sessions.map((session) => session?.name)).size;
  };

  it("takes a chat's messages up to the user's first", async () => {
    const system = { role: 'system', content: 'Be brief.' };
    const one = [system, user('What is a relay?')];
    const grown = [...one, assistant('A switch.'), user('And a lease?')];
    expect(await names([chat({ messages: one }), chat({ messages: grown })])).toBe(1);
    const other = [system, user('What is a lease?')];
    expect(await names([chat({ messages: one }), chat({ messages: other })])).toBe(2);
    const developer = [{ role: 'developer', content: 'Be long.' }, user('What is a relay?')];
    expect(await names([chat({ messages: one }), chat({ messages: developer })])).toBe(2);
  });

  it("takes a response's instructions, and input as text or as items", async () => {
    const instructions = 'Be brief.';
    const items = [user('hi'), assistant('Hello.'), user('And?')];
    expect(
      await names([responses({ instructions, input: 'hi' }), responses({ instructions, input: items })]),
    ).toBe(1);
    expect(await names([responses({ instructions, input: 'hi' }), responses({ input: 'hi' })])).toBe(2);
  });

  it("takes Gemini's systemInstruction and contents, in either spelling", async () => {
    const parts = (words: string) => [{ text: words }];
    const contents = [{ role: 'user', parts: parts('hi') }];
    const systemInstruction = { parts: parts('Be brief.') };
    const grown = [
      ...contents,
      { role: 'model', parts: parts('Hello.') },
      { role: 'user', parts: parts('And?') },
    ];
    expect(
      await names([
        gemini({ contents, systemInstruction }),
        gemini({ contents: grown, system_instruction: systemInstruction }),
        gemini({ contents: { parts: parts('hi') }, systemInstruction }),
      ]),
    ).toBe(1);
    expect(await names([gemini({ contents }), gemini({ contents, systemInstruction })])).toBe(2);
  });

  it("takes Gemini's explicit cache for the prefix, for an hour", async () => {
    const contents = (words: string) => [{ role: 'user', parts: [{ text: words }] }];
    const cached = { cachedContent: 'cachedContents/abc' };
    const told = await Promise.all([
      gemini({ contents: contents('a'), ...cached }),
      gemini({ contents: contents('b'), cached_content: 'cachedContents/abc' }),
    ]);
    expect(told[0]).toEqual({ source: 'prefix', name: 'cachedContents/abc', forAnHour: true });
    expect(told[1]).toEqual(told[0]);
  });

  it("takes Converse's blocks up to its cachePoint", async () => {
    const question = (words: string) => [{ role: 'user', content: [{ text: words }] }];
    const system = (point: object) => [{ text: 'A book.' }, { cachePoint: point }, { text: 'Now.' }];
    const point = { type: 'default' };
    const one = { system: system(point), messages: question('Who?') };
    expect(await names([converse(one), converse({ ...one, messages: question('When?') })])).toBe(1);
    const unmarked = { system: [{ text: 'A book.' }], messages: question('Who?') };
    expect(await names([converse(unmarked), converse({ ...unmarked, messages: question('When?') })])).toBe(2);
    expect((await converse({ ...one, system: system({ ...point, ttl: '1h' }) }))?.forAnHour).toBe(true);
    const toolConfig = { tools: [{ toolSpec: { name: 'read' } }] };
    expect(await names([converse(unmarked), converse({ ...unmarked, toolConfig })])).toBe(2);
  });

  it("reads InvokeModel's body as the Messages API's", async () => {
    const messages = [user('hi')];
    expect(
      await names([invoke({ messages }), invoke({ messages: [...messages, assistant('Hello.')] })]),
    ).toBe(1);
  });
});
