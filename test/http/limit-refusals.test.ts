import { randomUUID } from 'node:crypto';
import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { eventually } from '../support/eventually.ts';
import { closeLentDispatcher } from '../support/genai.ts';
import { type CreatedKey, Rehearsal } from '../support/relay.ts';
import { onWire, type WireAnswer, type WireRequest } from '../support/wire-client.ts';

/**
 * How a client is told that a key or a team has come to its limit, by the contract's table of statuses. Bodies are
 * the vendors': platform.claude.com/docs/en/api/errors; platform.openai.com/docs/guides/error-codes;
 * google.rpc.QuotaFailure; the exceptions of the AWS Bedrock Runtime API reference.
 */

const CLAUDE = 'claude-sonnet-4-5';
const GEMINI = 'gemini-2.5-flash';
const OPENAI = 'gpt-4.1';
const NOVA = 'us.amazon.nova-2-lite-v1:0';
const BEDROCK_CLAUDE = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';
const messages = [{ role: 'user', content: 'Hello' }];
const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }];
const converse = { messages: [{ role: 'user', content: [{ text: 'Hello' }] }] };
const invoke = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 8, messages };

type Vendor = 'anthropic' | 'gemini' | 'openai' | 'bedrock';
type Route = readonly [title: string, vendor: Vendor, path: string, body: object];

const ROUTES: readonly Route[] = [
  ['Claude JSON', 'anthropic', '/v1/messages', { model: CLAUDE, max_tokens: 8, messages }],
  ['Claude SSE', 'anthropic', '/v1/messages', { model: CLAUDE, max_tokens: 8, messages, stream: true }],
  ['Gemini JSON', 'gemini', `/v1beta/models/${GEMINI}:generateContent`, { contents }],
  ['Gemini SSE', 'gemini', `/v1beta/models/${GEMINI}:streamGenerateContent?alt=sse`, { contents }],
  ['Gemini array', 'gemini', `/v1beta/models/${GEMINI}:streamGenerateContent`, { contents }],
  ['OpenAI JSON', 'openai', '/v1/chat/completions', { model: OPENAI, messages }],
  ['OpenAI SSE', 'openai', '/v1/chat/completions', { model: OPENAI, messages, stream: true }],
  ['Responses SSE', 'openai', '/v1/responses', { model: OPENAI, input: 'Hello', stream: true }],
  ['Converse', 'bedrock', `/model/${NOVA}/converse`, converse],
  ['ConverseStream', 'bedrock', `/model/${NOVA}/converse-stream`, converse],
  ['InvokeModel', 'bedrock', `/model/${BEDROCK_CLAUDE}/invoke`, invoke],
];

const text = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const quota = { '@type': 'type.googleapis.com/google.rpc.QuotaFailure' };

/** Status and body of a budget that is spent, and of a limit that comes back. */
const SPENT: Readonly<Record<Vendor, readonly [number, object]>> = {
  anthropic: [402, { type: 'error', error: { type: 'billing_error' } }],
  gemini: [
    429,
    {
      error: {
        code: 429,
        status: 'RESOURCE_EXHAUSTED',
        details: [{ ...quota, violations: [{ quotaId: text(/PerDay/) }] }],
      },
    },
  ],
  openai: [429, { error: { type: 'insufficient_quota', code: 'insufficient_quota' } }],
  bedrock: [400, { message: text(/budget/) }],
};
const LIMITED: Readonly<Record<Vendor, object>> = {
  anthropic: { type: 'error', error: { type: 'rate_limit_error' } },
  gemini: { error: { code: 429, status: 'RESOURCE_EXHAUSTED' } },
  openai: { error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } },
  bedrock: { message: text(/minute/) },
};

let rehearsal: Rehearsal;
let claude: string;
let spent: CreatedKey;
let teamSpent: CreatedKey;
let limited: CreatedKey;

const team = async (name: string, more: object): Promise<string> =>
  ((await rehearsal.create('teams', { name, ...more })) as { id: string }).id;
const budget = (usd: string, period = 'total') => ({ limits: { budgets: [{ period, usd }] } });

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  // Kinds whose policy has every model, so that models without a price are served, too.
  const models = { allow: ['*'] };
  claude = (await rehearsal.claudeAccount()).id;
  await rehearsal.geminiAccount();
  await rehearsal.openaiAccount({ models, priority: 60 });
  await rehearsal.bedrockAccount();
  spent = await rehearsal.key(budget('0.00', 'day'));
  const top = await team('top', budget('0.00', 'month'));
  teamSpent = await rehearsal.key({ team: await team('below', { parent: top }) });
  limited = await rehearsal.key({ team: await team('one a minute', { limits: { requestsPerMinute: 1 } }) });
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(async () => {
  await rehearsal.close();
  await closeLentDispatcher();
});

function ask({ key }: CreatedKey, path: string, body: object, more: WireRequest = {}): Promise<WireAnswer> {
  return onWire(rehearsal.url + path, {
    headers: {
      authorization: `Bearer ${key}`,
      'anthropic-version': '2023-06-01',
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
    ...more,
  });
}

const told = (answer: WireAnswer): unknown => JSON.parse(answer.text);

describe.each(ROUTES)('%s', (_, vendor, path, body) => {
  it('is told a spent budget, its own or a team’s, as one that waiting does not mend', async () => {
    for (const key of [spent, teamSpent]) {
      const answer = await ask(key, path, body);
      const [status, document] = SPENT[vendor];
      expect(told(answer)).toMatchObject(document);
      expect(answer.status).toBe(status);
      expect(answer.headers['x-should-retry']).toBe('false');
      expect(answer.headers['retry-after']).toBeUndefined();
      if (vendor === 'bedrock')
        expect(answer.headers['x-amzn-errortype']).toBe('ServiceQuotaExceededException');
    }
    expect(rehearsal.simulator.requests).toEqual([]);
  });

  it('is told a rate as the whole seconds until the next call may come', async () => {
    await rehearsal.sql(`
      insert into team_state (id, tat) select id, (extract(epoch from clock_timestamp()) * 1e6)::bigint + 47300000
        from teams where name = 'one a minute'
      on conflict (id) do update set tat = excluded.tat`);
    const left = async (): Promise<number> => {
      const [row] = await rehearsal.sql<{ left: number }>(`
        select ((tat - extract(epoch from clock_timestamp()) * 1e6) / 1e6)::float8 as left
          from team_state join teams using (id) where name = 'one a minute'`);
      return row?.left ?? 0;
    };
    const before = await left();
    const answer = await ask(limited, path, body);
    const after = await left();
    expect([answer.status, answer.headers['x-should-retry']]).toEqual([429, undefined]);
    const seconds = Number(answer.headers['retry-after']);
    expect(seconds).toBeLessThanOrEqual(Math.ceil(before));
    expect(seconds).toBeGreaterThanOrEqual(Math.ceil(after));
    expect(told(answer)).toMatchObject(LIMITED[vendor]);
    expect(answer.text).not.toContain('PerDay');
    if (vendor === 'bedrock') expect(answer.headers['x-amzn-errortype']).toBe('ThrottlingException');
  });
});

describe('a model without a known price', () => {
  it.each([
    ['anthropic', '/v1/messages', { model: 'unheard-of-1', max_tokens: 8, messages }],
    ['gemini', '/v1beta/models/unheard-of-1:generateContent', { contents }],
    ['openai', '/v1/chat/completions', { model: 'unheard-of-1', messages }],
  ] as const)(
    'is named to a caller of %s who has a budget, and served to others',
    async (vendor, path, body) => {
      const refused = await ask(await rehearsal.key(budget('5.00')), path, body);
      const [status, document] = SPENT[vendor];
      expect([refused.status, refused.headers['x-should-retry']]).toEqual([status, 'false']);
      expect(told(refused)).toMatchObject(document);
      expect(refused.text).toContain('unheard-of-1');
      expect(rehearsal.simulator.requests).toEqual([]);
      await ask(await rehearsal.key(), path, body);
      expect(rehearsal.simulator.requests).toHaveLength(1);
    },
  );
});

describe('a budget that open calls hold', () => {
  it('is a 429 that waiting mends, and lets the next call in once they have ended', async () => {
    const key = await rehearsal.key({ ...budget('0.50'), accounts: [claude] });
    // 30,000 tokens of output at 15 USD a million, and a little for the input.
    const body = { model: CLAUDE, max_tokens: 30_000, messages };
    const leaving = new AbortController();
    const content = 'Hello[[sim: deltas=500 every=50]]';
    const open = ask(
      key,
      '/v1/messages',
      { ...body, stream: true, messages: [{ role: 'user', content }] },
      { signal: leaving.signal },
    );
    await eventually(() => expect(rehearsal.simulator.requests).toHaveLength(1));
    const refused = await ask(key, '/v1/messages', body);
    expect([refused.status, refused.headers['retry-after'], refused.headers['x-should-retry']]).toEqual([
      429,
      '1',
      undefined,
    ]);
    expect(told(refused)).toMatchObject({ error: { type: 'rate_limit_error' } });
    leaving.abort();
    await open.catch(() => undefined);
    await rehearsal.quiet();
    expect((await ask(key, '/v1/messages', body)).status).toBe(200);
  });
});

describe('the vendors’ own clients', () => {
  const failure = (asked: PromiseLike<unknown>): Promise<unknown> =>
    Promise.resolve(asked).then(
      () => 'it did not fail',
      (error: unknown) => error,
    );

  it('know a spent budget by its class, and ask once', async () => {
    const options = { apiKey: spent.key, maxRetries: 3 };
    const anthropic = new Anthropic({ ...options, baseURL: rehearsal.url });
    const body = {
      model: 'claude-sonnet-5',
      max_tokens: 8,
      messages: [{ role: 'user' as const, content: 'Hello' }],
    };
    const paid = await failure(anthropic.messages.create(body));
    expect(paid).toBeInstanceOf(Anthropic.APIError);
    expect(paid).toMatchObject({ status: 402, error: { error: { type: 'billing_error' } } });

    const openai = new OpenAI({ ...options, baseURL: `${rehearsal.url}/v1` });
    const chat = { model: OPENAI, messages: [{ role: 'user' as const, content: 'Hello' }] };
    const quota = await failure(openai.chat.completions.create(chat));
    expect(quota).toBeInstanceOf(OpenAI.RateLimitError);
    expect(quota).toMatchObject({ status: 429, code: 'insufficient_quota' });

    const google = new GoogleGenAI({ apiKey: spent.key, httpOptions: { baseUrl: rehearsal.url } });
    const exhausted = await failure(google.models.generateContent({ model: GEMINI, contents: 'Hello' }));
    expect(exhausted).toMatchObject({ name: 'ApiError', status: 429, message: text(/PerDay/) });

    const bedrock = new BedrockRuntimeClient({
      endpoint: `${rehearsal.url}/bedrock`,
      region: 'us-east-1',
      token: { token: spent.key },
      authSchemePreference: ['httpBearerAuth'],
      maxAttempts: 3,
    });
    const command = new ConverseCommand({
      modelId: NOVA,
      messages: [{ role: 'user', content: [{ text: 'Hello' }] }],
    });
    expect(await failure(bedrock.send(command))).toMatchObject({
      name: 'ServiceQuotaExceededException',
      $metadata: { httpStatusCode: 400, attempts: 1 },
    });
    bedrock.destroy();
    expect(rehearsal.simulator.requests).toEqual([]);
  });
});

describe('what is charged', () => {
  const totals = async ({ id }: CreatedKey): Promise<object[]> =>
    rehearsal.sql(
      `select k.total_used as key, t.total_used as team, (select sum(cost_nanos)::bigint from ledger where key_id = k.id) as ledger,
          k.held, t.held as "teamHeld"
        from key_state k join api_keys q using (id) join team_state t on t.id = q.team_id where k.id = $1`,
      [id],
    );
  const call = (key: CreatedKey, directive: string, more: WireRequest = {}) =>
    ask(
      key,
      '/v1/messages',
      {
        model: CLAUDE,
        max_tokens: 400,
        stream: true,
        messages: [{ role: 'user', content: `Hello[[sim: ${directive}]]` }],
      },
      more,
    );
  const inTeam = async (): Promise<CreatedKey> =>
    rehearsal.key({
      ...budget('5.00'),
      accounts: [claude],
      team: await team(`charged ${randomUUID()}`, budget('5.00')),
    });

  it('is nothing for calls that failed before a token, and their holds come back', async () => {
    const key = await inTeam();
    expect((await call(key, 'status=400')).status).toBe(400);
    await rehearsal.quiet();
    expect(await totals(key)).toEqual([{ key: '0', team: '0', ledger: '0', held: '0', teamHeld: '0' }]);
  });

  it('is what was seen of an answer whose client left', async () => {
    const key = await inTeam();
    const leaving = new AbortController();
    const open = call(key, 'input-tokens=1000 deltas=500 every=20', {
      signal: leaving.signal,
      onData: (_, sofar) => sofar.includes('content_block_delta') && leaving.abort(),
    });
    await open.catch(() => undefined);
    await eventually(async () => {
      const [row] = (await totals(key)) as { key: string; team: string; ledger: string }[];
      expect(Number(row?.key)).toBeGreaterThanOrEqual(1000 * 3_000);
      expect([row?.team, row?.ledger]).toEqual([row?.key, row?.key]);
    });
  });

  it('is every attempt of a call', async () => {
    const [first, second] = await Promise.all([
      rehearsal.claudeAccount({ priority: 1 }),
      rehearsal.claudeAccount({ priority: 2 }),
    ]);
    const key = await rehearsal.key({
      ...budget('5.00'),
      accounts: [first.id, second.id],
      team: await team('two attempts', budget('5.00')),
    });
    expect((await call(key, 'status=529 times=1')).status).toBe(200);
    await rehearsal.quiet();
    const attempts = await rehearsal.sql<{ cost: string }>(
      'select cost_nanos as cost from ledger where key_id = $1 order by attempt',
      [key.id],
    );
    expect(attempts.map(({ cost }) => Number(cost))).toEqual([0, expect.any(Number)]);
    const cost = attempts[1]?.cost;
    expect(Number(cost)).toBeGreaterThan(0);
    expect(await totals(key)).toEqual([{ key: cost, team: cost, ledger: cost, held: '0', teamHeld: '0' }]);
  });
});
