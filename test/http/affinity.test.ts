import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually.ts';
import { Pool } from '../support/pool.ts';
import { admin, type AdminAnswer, Rehearsal } from '../support/relay.ts';
import { onWire } from '../support/wire-client.ts';

/** A session stays where its vendor's cache is, for as long as that is of use, and never at the price of an answer. */

const MODEL = 'claude-sonnet-5';
const MARK = { cache_control: { type: 'ephemeral' } };
type Turn = { readonly role: string; readonly content: unknown };

let rehearsal: Rehearsal;
beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.addReplica();
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

/** A conversation as Claude Code sends it: it grows, its mark moves on, and its session stands in the metadata. */
class Conversation {
  readonly id = randomUUID();
  private readonly turns: Turn[] = [];

  constructor(
    private readonly pool: Pool,
    private readonly ttl?: string,
    private readonly system = 'You help with a relay. '.repeat(30),
  ) {}

  /** One turn over this replica; answers its call's id. @throws Error unless it is answered */
  async turn(replica = 0, key = this.pool.key): Promise<string> {
    const mark = { cache_control: { type: 'ephemeral', ...(this.ttl !== undefined && { ttl: this.ttl }) } };
    const asked = `Turn ${this.turns.length}.`;
    const messages = [...this.turns, { role: 'user', content: [{ type: 'text', text: asked, ...mark }] }];
    const user_id = JSON.stringify({ device_id: 'd', account_uuid: '', session_id: this.id });
    const system = [{ type: 'text', text: this.system, ...MARK }];
    const body = { model: MODEL, max_tokens: 64, stream: true, metadata: { user_id }, system, messages };
    const id = await ask(replica, '/v1/messages', { 'x-api-key': key }, body);
    this.turns.push({ role: 'user', content: asked }, { role: 'assistant', content: 'Well.' });
    return id;
  }
}

async function ask(replica: number, path: string, headers: object, body: object): Promise<string> {
  const answer = await onWire(rehearsal.replica(replica).url + path, {
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...headers },
    body: JSON.stringify(body),
  });
  if (answer.status !== 200 || answer.broken) throw new Error(`${answer.status}: ${answer.text}`);
  return String(answer.headers['x-relay-request-id']);
}

interface Row {
  readonly request_id: string;
  readonly attempt: number;
  readonly account_id: string;
  readonly result: string;
  readonly source: string;
  readonly cache_read_tokens: string;
}

/** The last attempts of these calls, in their order, once they are settled. */
async function rowsOf(ids: readonly string[]): Promise<readonly Row[]> {
  await rehearsal.quiet();
  const rows = await rehearsal.sql<Row>(
    `select distinct on (request_id) request_id, attempt, account_id, cache_read_tokens,
            decision -> 'affinity' ->> 'result' as result, decision -> 'affinity' ->> 'source' as source
       from ledger where request_id = any ($1::uuid[]) order by request_id, attempt desc`,
    [ids],
  );
  return ids.map((id) => rows.find((row) => row.request_id === id)!);
}

/** Waits until the session of the account before is bound to this one: another replica may be asked next. */
async function isBound(accountId: string): Promise<void> {
  await eventually(async () => {
    const rows = await rehearsal.sql('select from bindings where account_id = $1', [accountId]);
    expect(rows).toHaveLength(1);
  });
}

const resultsOf = async (ids: readonly string[]) => (await rowsOf(ids)).map(({ result }) => result);

/** A better account and a worse one, a conversation that began on the worse one since the better one was full. */
async function begun(worse: object = {}, ttl?: string): Promise<Begun> {
  const pool = await Pool.of(rehearsal, [
    { priority: 1, maxConcurrency: 1 },
    { priority: 9, ...worse },
  ]);
  const talk = new Conversation(pool, ttl);
  const free = await fill(pool, 0);
  const first = await talk.turn();
  await free();
  await isBound(pool.at(1).id);
  const [row] = await rowsOf([first]);
  expect(row).toMatchObject({ account_id: pool.at(1).id, source: 'metadata', result: 'new' });
  return { pool, talk, better: pool.at(0).id, bound: pool.at(1).id };
}
interface Begun {
  readonly pool: Pool;
  readonly talk: Conversation;
  readonly better: string;
  readonly bound: string;
}

const fillers = new Map<string, string>();

/** Takes the account's only place, until the function is called that it answers. */
async function fill(pool: Pool, index: number): Promise<() => Promise<void>> {
  const { id, credential } = pool.at(index);
  const key = fillers.get(id) ?? (await rehearsal.key({ accounts: [id] })).key;
  fillers.set(id, key);
  const leaves = new AbortController();
  const messages = [{ role: 'user', content: '[[sim: hang=head]]' }];
  const filler = onWire(`${rehearsal.url}/v1/messages`, {
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', 'x-api-key': key },
    body: JSON.stringify({ model: MODEL, max_tokens: 9, messages }),
    signal: leaves.signal,
  }).catch(() => undefined);
  await eventually(() => expect(rehearsal.simulator.inFlight(credential)).toBe(1));
  return async () => {
    leaves.abort();
    await filler;
    await isEmpty(id);
  };
}

/** Waits until the account's places are given back. */
async function isEmpty(id: string): Promise<void> {
  await eventually(async () => {
    expect(await rehearsal.sql('select from open_calls where account_id = $1', [id])).toHaveLength(0);
  });
}

describe('a session', () => {
  it('stays on its account for 50 turns over two replicas, though a better one has room, and reads its cache', async () => {
    const { talk, bound } = await begun();
    const ids: string[] = [];
    for (let turn = 0; turn < 50; turn += 1) ids.push(await talk.turn(turn % 2));
    const rows = await rowsOf(ids);
    expect(rows.filter(({ account_id }) => account_id === bound)).toHaveLength(50);
    expect(new Set(rows.map(({ result }) => result))).toEqual(new Set(['hit']));
    expect(rows.every((row) => Number(row.cache_read_tokens) > 0)).toBe(true);
  });

  it('spills over when its account is full and comes back: 30 % of its turns, to the last', async () => {
    const { pool, talk, better, bound } = await begun({ maxConcurrency: 1 });
    const ids: string[] = [];
    const spills = (turn: number): boolean => turn % 10 === 2 || turn % 10 === 3 || turn % 10 === 7;
    for (let turn = 0; turn < 20; turn += 1) {
      const free = spills(turn) ? await fill(pool, 1) : () => isEmpty(bound);
      ids.push(await talk.turn(turn % 2));
      await free();
    }
    const rows = await rowsOf(ids);
    expect(rows.map(({ result, account_id }) => [result, account_id])).toEqual(
      rows.map((_, turn) => (spills(turn) ? ['spill', better] : ['hit', bound])),
    );
  });

  it('finds the only place of its account that its own call has just given back, turn upon turn', async () => {
    const { pool, talk, better, bound } = await begun({ maxConcurrency: 1 });
    const seen = [pool.callsTo(0), pool.callsTo(1)] as const;
    const ids: string[] = [];
    for (let turn = 0; turn < 50; turn += 1) ids.push(await talk.turn());
    const rows = await rowsOf(ids);
    expect(rows.map(({ result, account_id }) => [result, account_id])).toEqual(ids.map(() => ['hit', bound]));
    expect([pool.callsTo(0) - seen[0], pool.callsTo(1) - seen[1]]).toEqual([0, 50]);
    const [written] = await rehearsal.sql(
      `select count(*)::integer as rows, count(distinct request_id)::integer as calls from ledger
         where account_id = any ($1::uuid[]) and request_id = any ($2::uuid[])`,
      [[better, bound], ids],
    );
    expect(written).toEqual({ rows: 50, calls: 50 });
  });

  it('goes back to the better account once it was idle for longer than its cache lives', async () => {
    const { talk, better } = await begun();
    expect(await resultsOf([await talk.turn()])).toEqual(['hit']);
    await rehearsal.sql(`update bindings set used_at = used_at - interval '301 seconds'`);
    const ids = [await talk.turn()];
    await isBound(better);
    ids.push(await talk.turn(1));
    expect(await rowsOf(ids)).toMatchObject([
      { account_id: better, result: 'new' },
      { account_id: better, result: 'hit' },
    ]);
  });

  it('that asks for the one-hour cache is bound for an hour', async () => {
    const { talk, bound } = await begun({}, '1h');
    await rehearsal.sql(`update bindings set used_at = used_at - interval '59 minutes'`);
    expect(await rowsOf([await talk.turn()])).toMatchObject([{ account_id: bound, result: 'hit' }]);
    const [row] = await rehearsal.sql('select lives from bindings where account_id = $1', [bound]);
    expect(row).toEqual({ lives: 3_600 });
  });

  it.each([
    ['has no credit', { status: 400, reason: 'low-credit' }],
    ['refuses its credential', { status: 401 }],
  ])('is bound anew where its account %s, to the one that answered instead', async (_word, fault) => {
    const { pool, talk, better } = await begun();
    const stop = pool.plan(1, fault);
    const ids = [await talk.turn()];
    await isBound(better);
    ids.push(await talk.turn(1), await talk.turn());
    stop();
    expect(await rowsOf(ids)).toMatchObject([
      { account_id: better, attempt: 2, result: 'spill' },
      { account_id: better, attempt: 1, result: 'hit' },
      { account_id: better, attempt: 1, result: 'hit' },
    ]);
  });

  it('is not bound anew where its account rests for a while', async () => {
    const { pool, talk, better, bound } = await begun();
    const stop = pool.plan(1, { status: 429, retryAfter: '30' }, 1);
    const ids = [await talk.turn(), await talk.turn(1)];
    stop();
    await rehearsal.recover();
    ids.push(await talk.turn());
    expect(await rowsOf(ids)).toMatchObject([
      { account_id: better, attempt: 2, result: 'spill' },
      { account_id: better, attempt: 1, result: 'spill' },
      { account_id: bound, attempt: 1, result: 'hit' },
    ]);
  });

  it('is bound anew where its account rests for longer than its cache lives, once', async () => {
    const pool = await Pool.of(rehearsal, [{}, {}, {}]);
    const talk = new Conversation(pool);
    const [began] = await rowsOf([await talk.turn()]);
    await isBound(began!.account_id);
    const index = pool.accounts.findIndex(({ id }) => id === began!.account_id);
    const unifiedReset = Math.ceil(Date.now() / 1_000) + 4 * 3_600;
    const stop = pool.plan(index, { status: 429, unified: 'rejected', unifiedReset });
    const ids = [await talk.turn()];
    const [moved] = await rowsOf(ids);
    expect(moved).toMatchObject({ attempt: 2, result: 'spill' });
    const account_id = moved!.account_id;
    await isBound(account_id);
    for (let turn = 1; turn <= 5; turn += 1) ids.push(await talk.turn(turn % 2));
    stop();
    expect((await rowsOf(ids)).slice(1)).toMatchObject(
      Array(5).fill({ account_id, attempt: 1, result: 'hit' }),
    );
  });

  it.each([
    ['switched off', (id: string) => admin(rehearsal.url, 'PATCH', `/accounts/${id}`, { enabled: false })],
    [
      'kept from its model',
      (id: string) => admin(rehearsal.url, 'PATCH', `/accounts/${id}`, { models: { allow: ['x'] } }),
    ],
    ['deleted', (id: string) => admin(rehearsal.url, 'DELETE', `/accounts/${id}`)],
  ] satisfies [string, (id: string) => Promise<AdminAnswer>][])(
    'is bound anew where its account is %s',
    async (_word, change) => {
      const { talk, better, bound } = await begun();
      expect((await change(bound)).status).toBeLessThan(300);
      const ids = [await talk.turn()];
      await isBound(better);
      ids.push(await talk.turn(1));
      expect(await rowsOf(ids)).toMatchObject([
        { account_id: better, result: 'rebound' },
        { account_id: better, result: 'hit' },
      ]);
    },
  );

  it('of one key means nothing to another key, and neither does it for another model', async () => {
    const { pool, talk, better } = await begun();
    const other = await rehearsal.key({ accounts: pool.accounts.map(({ id }) => id) });
    expect(await rowsOf([await talk.turn(0, other.key)])).toMatchObject([
      { account_id: better, result: 'new' },
    ]);
    const headers = { 'x-api-key': pool.key, 'x-relay-session-id': talk.id };
    const messages = [{ role: 'user', content: 'hi' }];
    const id = await ask(0, '/v1/messages', headers, { model: 'claude-haiku-4-5', max_tokens: 9, messages });
    expect(await rowsOf([id])).toMatchObject([{ source: 'header', account_id: better, result: 'new' }]);
  });

  it('may have an odd id', async () => {
    const pool = await Pool.of(rehearsal, [{}]);
    const messages = [{ role: 'user', content: 'hi' }];
    const body = { model: MODEL, max_tokens: 9, messages };
    for (const id of [
      "'); drop table bindings; --",
      'ü'.repeat(100),
      'ü'.repeat(3_000),
      '{}',
      '\\u0000',
      '\t ',
    ]) {
      const headers = { 'x-api-key': pool.key, 'x-relay-session-id': id };
      const ids = [await ask(0, '/v1/messages', headers, body), await ask(0, '/v1/messages', headers, body)];
      // What is too long or blank is none: the prefix stands for it.
      const first = id === '\t ' ? 'hit' : 'new';
      expect(await rowsOf(ids)).toMatchObject([{ result: first }, { result: 'hit' }]);
    }
  });
});

describe("a session of Gemini's", () => {
  it('is known by what its contents begin with, and stays', async () => {
    const pool = await Pool.of(rehearsal, [{ priority: 1 }, { priority: 9 }], { way: 'Gemini SSE' });
    const headers = { 'x-goog-api-key': pool.key };
    const path = '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse';
    const turn = (text: string, role = 'user') => ({ role, parts: [{ text }] });
    const contents = [turn('What is a lease?')];
    const systemInstruction = { parts: [{ text: 'Be brief.' }] };
    const park = await admin(rehearsal.url, 'PATCH', `/accounts/${pool.at(0).id}`, { enabled: false });
    expect(park.status).toBe(200);
    const ids = [await ask(0, path, headers, { contents, systemInstruction })];
    await isBound(pool.at(1).id);
    await admin(rehearsal.url, 'PATCH', `/accounts/${pool.at(0).id}`, { enabled: true });
    for (let at = 0; at < 5; at += 1) {
      contents.push(turn('A place.', 'model'), turn(`And then, ${at}?`));
      ids.push(await ask(at % 2, path, headers, { contents, systemInstruction }));
    }
    const rows = await rowsOf(ids);
    expect(rows.map(({ account_id }) => account_id)).toEqual(ids.map(() => pool.at(1).id));
    expect(rows.map(({ source }) => source)).toEqual(ids.map(() => 'prefix'));
    const another = await ask(0, path, headers, { contents: [turn('What is a key?')], systemInstruction });
    expect(await rowsOf([another])).toMatchObject([{ account_id: pool.at(0).id, result: 'new' }]);
  });
});
