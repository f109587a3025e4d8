import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually.ts';
import { admin, type CreatedKey, Rehearsal } from '../support/relay.ts';

/**
 * Limits that were set over REST, on one replica, and what they do to calls on both; and what `GET /me` says of them
 * beside the ledger. claude-sonnet-4-5 costs 3 USD a million tokens in, 15 out.
 */
const MODEL = 'claude-sonnet-4-5';

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start({ RELAY_QUEUE_TIMEOUT_MS: '0' });
  await rehearsal.addReplica();
  await rehearsal.claudeAccount({ models: { allow: ['claude-*'] } });
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

const team = async (more: object = {}): Promise<string> =>
  ((await rehearsal.create('teams', { name: `team ${randomUUID()}`, ...more })) as { id: string }).id;

const change = async (path: string, limits: object | null): Promise<void> => {
  expect((await admin(rehearsal.url, 'PATCH', path, { limits })).status).toBe(200);
};

async function call(key: CreatedKey, directive = '', replica = 0, signal?: AbortSignal): Promise<Response> {
  return fetch(`${rehearsal.replica(replica).url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': key.key, 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: 100,
      stream: true,
      messages: [{ role: 'user', content: `sixteen letters.[[sim: ${directive}]]` }],
    }),
    ...(signal && { signal }),
  });
}

async function done(key: CreatedKey, directive = '', replica = 0): Promise<number> {
  const response = await call(key, directive, replica);
  await response.arrayBuffer();
  return response.status;
}

interface Standing {
  readonly requestsPerMinute: { readonly limit: number | null; readonly left: number | null };
  readonly tokensPerMinute: { readonly used: number; readonly held: number; readonly left: number };
  readonly concurrency: object;
  readonly budgets: readonly { readonly used: string; readonly held: string; readonly left: string }[];
}

async function me(
  key: CreatedKey,
): Promise<{ limits: Standing; teams: { name: string; limits: Standing }[] }> {
  const answer = await fetch(`${rehearsal.url}/me`, { headers: { authorization: `Bearer ${key.key}` } });
  expect(answer.status).toBe(200);
  return (await answer.json()) as never;
}

describe('GET /me', () => {
  it('agrees with the ledger after calls, for the key and each team above it', async () => {
    const budgets = [
      { period: 'day', usd: '1.00' },
      { period: 'month', usd: '2.00' },
      { period: 'total', usd: '3.00' },
    ];
    const limits = { requestsPerMinute: 2, tokensPerMinute: 10_000, concurrency: 5, budgets };
    const top = await team({ name: 'all of us', limits: { budgets } });
    const own = await team({ name: 'search', parent: top, limits });
    const [key, other] = [await rehearsal.key({ team: own, limits }), await rehearsal.key({ team: top })];
    expect(await done(key, 'input-tokens=2000 output-tokens=30')).toBe(200);
    expect(await done(other, 'input-tokens=1000 output-tokens=20')).toBe(200);
    await rehearsal.quiet();

    const mine = 2000 * 3_000 + 30 * 15_000;
    const all = mine + 1000 * 3_000 + 20 * 15_000;
    const [row] = await rehearsal.sql<{ cost: string }>(
      'select sum(cost_nanos)::text as cost from ledger where key_id = any ($1)',
      [[key.id, other.id]],
    );
    expect(row?.cost).toBe(String(all));
    const { limits: told, teams } = await me(key);
    expect(teams.map(({ name }) => name)).toEqual(['search', 'all of us']);
    expect(JSON.stringify(teams)).not.toContain(own);
    const usd = (nanos: number): string => (nanos / 1e9).toString();
    const now = new Date((await rehearsal.sql<{ now: Date }>('select now()'))[0]?.now ?? 0);
    const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
    const windows = (spent: number): object[] => [
      window('day', '1.00', spent, 1e9, new Date(Date.UTC(year, month, day + 1)).toISOString()),
      window('month', '2.00', spent, 2e9, new Date(Date.UTC(year, month + 1)).toISOString()),
      window('total', '3.00', spent, 3e9, null),
    ];
    const window = (
      period: string,
      limit: string,
      spent: number,
      whole: number,
      resetsAt: string | null,
    ) => ({
      period,
      limit,
      used: usd(spent),
      held: '0.00',
      left: usd(whole - spent),
      resetsAt,
    });
    expect(told.budgets).toEqual(windows(mine));
    expect(teams.map(({ limits: { budgets: of } }) => of)).toEqual([windows(mine), windows(all)]);
    for (const standing of [told, teams[0]?.limits]) {
      expect(standing).toMatchObject({
        requestsPerMinute: { limit: 2, left: 1 },
        concurrency: { limit: 5, inUse: 0, left: 5 },
        tokensPerMinute: { limit: 10_000, held: 0 },
      });
      // They come back by 167 a second.
      const { used = 0, left } = standing?.tokensPerMinute ?? {};
      expect(used).toBeGreaterThan(0);
      expect(used).toBeLessThanOrEqual(2030);
      expect(left).toBe(10_000 - used);
    }
    expect(teams[1]?.limits).toMatchObject({
      requestsPerMinute: { limit: null, left: null },
      concurrency: { limit: null, inUse: 0, left: null },
    });
    const shown = await admin(rehearsal.url, 'GET', `/teams/${top}`);
    expect((shown.body as { standing: Standing }).standing).toEqual(teams[1]?.limits);
  });

  it('shows what a call takes while it is open, and that it came back', async () => {
    const own = await team({ limits: { concurrency: 3 } });
    const key = await rehearsal.key({ team: own, limits: { concurrency: 2 } });
    const leaving = new AbortController();
    const response = await call(key, 'deltas=500 every=50', 0, leaving.signal);
    expect(response.status).toBe(200);
    const { limits, teams } = await me(key);
    expect(limits.concurrency).toEqual({ limit: 2, inUse: 1, left: 1 });
    expect(teams[0]?.limits.concurrency).toEqual({ limit: 3, inUse: 1, left: 2 });
    leaving.abort();
    await expect(response.text()).rejects.toThrow(/abort/);
    await eventually(async () => {
      expect((await me(key)).teams[0]?.limits.concurrency).toEqual({ limit: 3, inUse: 0, left: 3 });
    });
  });
});

describe('a limit that was set on one replica', () => {
  it('of requests a minute, on a team, is one for all replicas and keys', async () => {
    const own = await team({ parent: await team() });
    const keys = [await rehearsal.key({ team: own }), await rehearsal.key({ team: own })] as const;
    expect([await done(keys[0], '', 0), await done(keys[1], '', 1)]).toEqual([200, 200]);
    await change(`/teams/${own}`, { requestsPerMinute: 1 });
    expect(await done(keys[0], '', 1)).toBe(200);
    const refused = await call(keys[1], '', 0);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30);
    expect(await refused.json()).toMatchObject({ error: { type: 'rate_limit_error' } });
    await change(`/teams/${own}`, null);
    expect(await done(keys[1], '', 1)).toBe(200);
  });

  it('of money, on a key, ends its calls with the one that spends it', async () => {
    const key = await rehearsal.key();
    expect(await done(key, 'input-tokens=10 output-tokens=1', 1)).toBe(200);
    await change(`/keys/${key.id}`, { budgets: [{ period: 'month', usd: '0.01' }] });
    expect(await done(key, 'input-tokens=4000 output-tokens=10', 1)).toBe(200);
    await rehearsal.quiet();
    const refused = await call(key, '', 0);
    expect([
      refused.status,
      refused.headers.get('x-should-retry'),
      refused.headers.get('retry-after'),
    ]).toEqual([402, 'false', null]);
    expect(await refused.json()).toMatchObject({ error: { type: 'billing_error' } });
    expect((await me(key)).limits.budgets).toMatchObject([{ used: '0.012195', left: '0.00' }]);
    await change(`/keys/${key.id}`, { budgets: [] });
    expect(await done(key, '', 1)).toBe(200);
  });

  it('of places, on the team above the team, holds for keys below', async () => {
    const top = await team();
    const key = await rehearsal.key({ team: await team({ parent: top }) });
    expect(await done(key, '', 1)).toBe(200);
    await rehearsal.quiet();
    await change(`/teams/${top}`, { concurrency: 1 });
    const leaving = new AbortController();
    const open = await call(key, 'deltas=500 every=50', 0, leaving.signal);
    expect(open.status).toBe(200);
    expect(await done(key, '', 1)).toBe(429);
    leaving.abort();
    await expect(open.text()).rejects.toThrow(/abort/);
    await eventually(async () => expect(await done(key, '', 1)).toBe(200));
  });

  it('counts on the teams that the key is in at that moment, while teams are moved under it', async () => {
    const tops = [await team(), await team(), null];
    const own = await team();
    const key = await rehearsal.key({ team: await team({ parent: own }) });
    let moving = true;
    const callers = Array.from({ length: 6 }, async (_, index) => {
      while (moving) expect(await done(key, '', index % 2)).toBe(200);
    });
    for (let turn = 0; turn < 24; turn += 1) {
      const moved = await admin(rehearsal.url, 'PATCH', `/teams/${own}`, { parent: tops[turn % 3] });
      expect(moved.status).toBe(200);
    }
    moving = false;
    await Promise.all(callers);
    await rehearsal.quiet();
    const charged = await rehearsal.sql<{ teams: number }>(
      'select distinct cardinality(teams) as teams from ledger where key_id = $1 order by 1',
      [key.id],
    );
    expect(charged).toEqual([{ teams: 2 }, { teams: 3 }]);
  });
});

describe('edits over REST while calls run', () => {
  it('I6 leave what was used and is held alone: names, limits, and the limits of the team', async () => {
    const own = await team({ limits: { budgets: [{ period: 'total', usd: '5' }] } });
    const key = await rehearsal.key({ team: own });
    let editing = true;
    const statuses = new Set<number>();
    const callers = Array.from({ length: 4 }, async (_, index) => {
      while (editing) statuses.add(await done(key, 'input-tokens=20 output-tokens=2', index % 2));
    });
    const limits = [
      { concurrency: 2, budgets: [{ period: 'day', usd: '0.00' }] },
      { requestsPerMinute: 60_000, budgets: [{ period: 'month', usd: '9.00' }] },
      null,
    ];
    for (let edit = 0; edit < 15; edit += 1) {
      const change = { name: `edit ${edit} ${randomUUID()}`, limits: limits[edit % 3] };
      for (const path of [`/keys/${key.id}`, `/teams/${own}`]) {
        expect((await admin(rehearsal.url, 'PATCH', path, change)).status).toBe(200);
      }
    }
    await change(`/keys/${key.id}`, null);
    await change(`/teams/${own}`, { budgets: [{ period: 'total', usd: '5.00' }] });
    editing = false;
    await Promise.all(callers);
    await rehearsal.quiet();
    expect([...statuses]).toEqual(expect.arrayContaining([200, 402]));
    const [row] = await rehearsal.sql<{ cost: number }>(
      'select sum(cost_nanos)::integer as cost from ledger where key_id = $1',
      [key.id],
    );
    const shown = await admin(rehearsal.url, 'GET', `/teams/${own}`);
    const [total] = (shown.body as { standing: Standing }).standing.budgets;
    expect(total).toMatchObject({ used: String((row?.cost ?? 0) / 1e9), held: '0.00' });
  });
});

describe('the hold of a call', () => {
  beforeAll(async () => {
    await rehearsal.geminiAccount();
    await rehearsal.openaiAccount();
    // Bedrock's own default drains what its client left.
    await rehearsal.bedrockAccount({ onClientLeave: 'cancel' });
  });

  const most = Number.MAX_SAFE_INTEGER;
  const text = 'Hello. [[sim: latency=60000]]';
  const messages = [{ role: 'user', content: text }];

  it.each([
    ['Claude', '/v1/messages', { model: MODEL, max_tokens: most, messages }],
    [
      'Gemini',
      '/v1beta/models/gemini-2.5-pro:generateContent',
      {
        contents: [{ role: 'user', parts: [{ text }] }],
        generationConfig: { maxOutputTokens: 2_147_483_647 },
      },
    ],
    ['OpenAI', '/v1/chat/completions', { model: 'gpt-4.1', max_completion_tokens: most, messages }],
    ['Responses', '/v1/responses', { model: 'gpt-4.1', max_output_tokens: most, input: text }],
    [
      'Converse',
      '/model/us.amazon.nova-2-lite-v1:0/converse',
      {
        messages: [{ role: 'user', content: [{ text }] }],
        inferenceConfig: { maxTokens: most },
      },
    ],
  ])('B6 is bounded whatever output %s is asked for, and comes back', async (_, path, body) => {
    const key = await rehearsal.key({ limits: { budgets: [{ period: 'total', usd: '1.50' }] } });
    const ask = (signal?: AbortSignal): Promise<Response> =>
      fetch(rehearsal.url + path, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${key.key}`,
          'content-type': 'application/json',
          'anthropic-version': '2023-06-01',
        },
        body: JSON.stringify(body),
        ...(signal && { signal }),
      });
    const leaving = new AbortController();
    const open = ask(leaving.signal).catch(() => undefined);
    const held = await eventually(async () => {
      const rows = await rehearsal.sql<{ nanos: number; tokens: number }>(
        'select hold_nanos::integer as nanos, hold_tokens::integer as tokens from open_calls where key_id = $1',
        [key.id],
      );
      expect(rows).toHaveLength(1);
      return rows[0] ?? { nanos: 0, tokens: 0 };
    });
    // A million tokens of output at the most that is thought of, and never more than a dollar.
    expect(held.nanos).toBeGreaterThan(500_000_000);
    expect(held.nanos).toBeLessThanOrEqual(1_000_000_000);
    expect(held.tokens).toBeGreaterThan(1_000_000);
    expect(held.tokens).toBeLessThanOrEqual(2_000_000);
    leaving.abort();
    await open;
    await rehearsal.quiet();
  });
});
