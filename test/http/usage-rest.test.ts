import 'reflect-metadata';
import { v7 as uuidv7 } from 'uuid';
import { insert, plantLedgerRow } from '../support/ledger-rows.ts';
import { admin, Rehearsal } from '../support/relay.ts';

const KEY = uuidv7();
const OTHER_KEY = uuidv7();
const ACCOUNT = uuidv7();
const DAY = (day: number, hour = 12): Date => new Date(Date.UTC(2026, 4, day, hour));
const MAY = 'from=2026-05-01&to=2026-06-01';

interface Item {
  readonly id: string;
  readonly [field: string]: unknown;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly items: Item[];
    readonly nextCursor: string | null;
    readonly errors: { readonly field: string }[];
    readonly [field: string]: unknown;
  };
}

let relay: Rehearsal;
const get = (path: string): Promise<Answer> => admin(relay.url, 'GET', path);
const post = (path: string, body: object): Promise<Answer> => admin(relay.url, 'POST', path, body);
const idsOf = (answer: Answer): string[] => answer.body.items.map((item) => item.id);
const fieldsOf = (answer: Answer): string[] => answer.body.errors.map((error) => error.field);
/** A key made through the API; its secret is in `key`. */
const makeKey = (more: object): Promise<{ id: string; key: string; prefix: string }> => relay.key(more);
const plant = (row: Parameters<typeof plantLedgerRow>[1]) =>
  plantLedgerRow(relay.databaseUrl, { key_id: KEY, account_id: ACCOUNT, ...row });

beforeAll(async () => {
  relay = await Rehearsal.start();
  const key = { version: 1, scopes: ['claude'], models: ['*'] };
  await insert(relay.databaseUrl, 'api_keys', { id: KEY, name: '=cmd()', ...key });
  await insert(relay.databaseUrl, 'api_keys', {
    id: OTHER_KEY,
    name: 'gone',
    deleted_at: new Date(),
    ...key,
  });
  await insert(relay.databaseUrl, 'accounts', {
    id: ACCOUNT,
    version: 1,
    name: 'old account',
    kind: 'claude',
    deleted_at: new Date(),
  });
});

afterAll(() => relay.close());
afterEach(async () => {
  await relay.sql('truncate ledger, open_calls');
});

describe('GET /admin/v1/usage', () => {
  beforeEach(async () => {
    const tokens = { input_tokens: 100, cache_read_tokens: 20, output_tokens: 10, reasoning_tokens: 4 };
    await plant({ admitted_at: DAY(1), ...tokens, cost_nanos: '1500000001' });
    const request_id = uuidv7({ msecs: DAY(2).getTime() });
    await plant({ request_id, admitted_at: DAY(2), outcome: 'failed', status: 529 });
    await plant({ request_id, attempt: 2, admitted_at: DAY(2), ...tokens, cost_nanos: null });
    await plant({
      admitted_at: DAY(2, 13),
      key_id: OTHER_KEY,
      model: 'gemini-2.5-pro',
      kind: 'gemini',
      cache_write_5m_tokens: 7,
      cache_write_1h_tokens: 9,
      estimated: true,
      outcome: 'client-left',
      cost_nanos: '9',
      decision: { affinity: { source: 'prefix', result: 'spill' } },
    });
    await plant({ admitted_at: new Date(Date.UTC(2026, 5, 1)), cost_nanos: '7' });
  });

  it('sums a range, calls and their attempts apart, in disjoint classes', async () => {
    const { status, body } = await get(`/usage?${MAY}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      from: '2026-05-01T00:00:00.000Z',
      to: '2026-06-01T00:00:00.000Z',
      groupBy: [],
      items: [
        {
          requests: 3,
          attempts: 4,
          inputTokens: 200,
          cacheReadTokens: 40,
          cacheWrite5mTokens: 7,
          cacheWrite1hTokens: 9,
          outputTokens: 20,
          reasoningTokens: 8,
          costUsd: '1.50000001',
          unpriced: 1,
          estimated: 1,
          cacheHitRate: 0.1563,
          spilled: 1,
          spillCostUsd: '0.000000009',
        },
      ],
    });
  });

  it('groups by several dimensions at once, and deleted keys and accounts keep their names', async () => {
    const { body } = await get(`/usage?${MAY}&groupBy=day,key,account&groupBy=outcome`);
    expect(body['groupBy']).toEqual(['day', 'key', 'account', 'outcome']);
    const account = { id: ACCOUNT, name: 'old account' };
    expect(body.items).toMatchObject([
      { day: '2026-05-01', key: { id: KEY, name: '=cmd()' }, account, outcome: 'completed', requests: 1 },
      { day: '2026-05-02', key: { id: KEY }, outcome: 'completed', unpriced: 1, costUsd: '0.00' },
      { day: '2026-05-02', key: { id: KEY }, outcome: 'failed', requests: 1 },
      {
        day: '2026-05-02',
        key: { id: OTHER_KEY, name: 'gone' },
        outcome: 'client-left',
        costUsd: '0.000000009',
      },
    ]);
    const hours = await get(`/usage?${MAY}&groupBy=hour,model,kind`);
    expect(hours.body.items.at(-1)).toMatchObject({
      hour: '2026-05-02T13:00:00Z',
      model: 'gemini-2.5-pro',
      kind: 'gemini',
    });
  });

  it('is empty but for zeros where nothing happened', async () => {
    const nothing = await get('/usage?from=2020-01-01&to=2020-02-01');
    expect(nothing.body.items).toMatchObject([{ requests: 0, costUsd: '0.00' }]);
    const groups = await get('/usage?from=2020-01-01&to=2020-02-01&groupBy=key');
    expect(groups.body.items).toEqual([]);
  });

  it.each([
    ['groupBy=team', 'groupBy'],
    ['groupBy=key,key', 'groupBy'],
    ["groupBy=key'%3B--", 'groupBy'],
    ['from=yesterday', 'from'],
    ['from=2026-02-30', 'from'],
    ['to=2026-05-01T00:00:00', 'to'],
    ['from=2026-05-02&to=2026-05-01', 'from'],
    ['from=%00', 'from'],
    ['color=red', 'color'],
  ])('names the field of %s', async (search, field) => {
    const answer = await get(`/usage?${search}`);
    expect(answer.status).toBe(400);
    expect(fieldsOf(answer)).toEqual([field]);
  });

  it('is a CSV too, in which a name is no formula', async () => {
    const answer = await get(`/usage.csv?${MAY}&groupBy=key,account`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^text\/csv/);
    expect(answer.headers.get('content-disposition')).toContain('usage.csv');
    const lines = (answer.body as unknown as string).split('\r\n');
    expect(lines[0]).toBe(
      'keyId,keyName,accountId,accountName,requests,attempts,inputTokens,cacheReadTokens,cacheWrite5mTokens,cacheWrite1hTokens,outputTokens,reasoningTokens,costUsd,unpriced,estimated,cacheHitRate,spilled,spillCostUsd',
    );
    expect(lines[1]).toBe(
      `${KEY},"'=cmd()",${ACCOUNT},old account,2,3,200,40,0,0,20,8,1.500000001,1,0,0.1667,0,0.00`,
    );
    expect(lines).toHaveLength(4);
    expect((await get('/usage.csv?groupBy=x')).status).toBe(400);
  });

  it('needs an administrator', async () => {
    for (const path of ['/usage', '/usage.csv', '/requests', '/prices']) {
      expect((await admin(relay.url, 'GET', path, undefined, 'ra_wrong')).status).toBe(401);
    }
  });
});

describe('GET /admin/v1/requests', () => {
  it('lists calls newest first with all attempts, page by page, open ones too', async () => {
    const old = await plant({
      admitted_at: DAY(1),
      cost_nanos: '5',
      server_tools: { web_search_requests: 2 },
    });
    const request_id = uuidv7({ msecs: DAY(2).getTime() });
    await plant({ request_id, admitted_at: DAY(2), outcome: 'failed', status: null });
    await plant({
      request_id,
      attempt: 2,
      admitted_at: DAY(2),
      cost_nanos: null,
      charged_nanos: '7',
      upstream_model: 'upstream-name',
    });
    const open = uuidv7({ msecs: DAY(3).getTime() });
    await insert(relay.databaseUrl, 'open_calls', {
      request_id: open,
      attempt: 1,
      epoch: uuidv7(),
      key_id: OTHER_KEY,
      account_id: ACCOUNT,
      lane: 'generate',
      door: 'claude',
      kind: 'claude',
      model: 'claude-opus-5',
      at: DAY(3),
    });

    const first = await get(`/requests?${MAY}&limit=2`);
    expect(first.body.items).toMatchObject([
      {
        id: open,
        key: { id: OTHER_KEY, name: 'gone' },
        outcome: 'open',
        costUsd: '0.00',
        unpriced: false,
        stream: null,
        attempts: [{ outcome: 'open', settledAt: null, costUsd: null, upstreamModel: null }],
      },
      {
        id: request_id,
        outcome: 'completed',
        unpriced: true,
        attempts: [
          { attempt: 1, outcome: 'failed', status: null, account: { id: ACCOUNT, name: 'old account' } },
          {
            attempt: 2,
            outcome: 'completed',
            costUsd: null,
            chargedUsd: '0.000000007',
            upstreamModel: 'upstream-name',
          },
        ],
      },
    ]);
    const second = await get(`/requests?${MAY}&limit=2&cursor=${first.body.nextCursor}`);
    expect(idsOf(second)).toEqual([old]);
    expect(second.body.nextCursor).toBeNull();
    expect(second.body.items[0]).toMatchObject({
      costUsd: '0.000000005',
      attempts: [{ serverTools: { web_search_requests: 2 } }],
    });

    const ids = async (search: string): Promise<string[]> => idsOf(await get(`/requests?${MAY}&${search}`));
    expect(await ids('outcome=open')).toEqual([open]);
    expect(await ids('outcome=failed')).toEqual([request_id]);
    expect(await ids(`key=${OTHER_KEY}`)).toEqual([open]);
    expect(await ids(`account=${ACCOUNT}&model=claude-sonnet-4-5`)).toEqual([request_id, old]);
    expect(await ids(`account=${uuidv7()}`)).toEqual([]);

    const one = await get(`/requests/${request_id}`);
    const { attempts, ...listed } = first.body.items[1] as unknown as {
      readonly attempts: readonly object[];
    };
    // These were written by hand, so that nobody knows how their accounts were chosen.
    const undecided = attempts.map((attempt) => ({ ...attempt, decision: null, superseded: [] }));
    expect(one.body).toEqual({ ...listed, attempts: undecided });
    expect((await get(`/requests/${open}`)).body['outcome']).toBe('open');
  });

  it('tells that an attempt was corrected, how often, and what it was booked with before', async () => {
    const [key, account, dead] = [uuidv7(), uuidv7(), uuidv7()];
    const request_id = uuidv7({ msecs: DAY(4).getTime() });
    const settle = async (outcome: string, reason: string | null, output: number, cost: string | null) =>
      relay.sql(
        `select settle(array[$1]::uuid[], '{1}', array[$2]::timestamptz[], array[$3]::uuid[], array[$4]::uuid[],
           array[$5]::uuid[], '{generate}', '{claude}', '{claude}', '{m}', '{m}', '{true}', array[$6], '{200}',
           array[$7], '{7}', '{1}', '{2}', '{3}', array[$8]::bigint[], '{0}', array[null]::text[],
           array[$6 <> 'completed'], '{false}', array[$9]::bigint[], '{1}', '{1}', '{2}', '{r}', '{mine}', '{true}',
           '{"{}"}')`,
        [request_id, DAY(4), dead, key, account, outcome, reason, output, cost],
      );
    await settle('orphaned', null, 0, '9223372036854775807');
    await settle('partial', 'replica-lost', 5, null);
    await settle('completed', null, 9, '120');

    const { body } = await get(`/requests/${request_id}`);
    const same = { inputTokens: 7, cacheReadTokens: 1, cacheWrite5mTokens: 2, cacheWrite1hTokens: 3 };
    const time = expect.stringMatching(/^\d{4}-.*Z$/) as string;
    const before = { ...same, reasoningTokens: 0, estimated: true, settledAt: time, supersededAt: time };
    expect(body['attempts']).toMatchObject([
      {
        ...same,
        revision: 2,
        outcome: 'completed',
        outputTokens: 9,
        costUsd: '0.00000012',
        estimated: false,
      },
    ]);
    expect((body['attempts'] as { superseded: unknown }[])[0]?.superseded).toEqual([
      {
        ...before,
        revision: 0,
        outcome: 'orphaned',
        reason: null,
        outputTokens: 0,
        costUsd: '9223372036.854775807',
        chargedUsd: '1000000.00',
      },
      {
        ...before,
        revision: 1,
        outcome: 'partial',
        reason: 'replica-lost',
        outputTokens: 5,
        costUsd: null,
        chargedUsd: '1000000.00',
      },
    ]);
    const [listed] = (await get(`/requests?${MAY}`)).body.items;
    expect(listed).toMatchObject({ id: request_id, attempts: [{ revision: 2 }] });
    expect((listed?.['attempts'] as object[])[0]).not.toHaveProperty('superseded');
    await relay.sql('truncate ledger_superseded');
  });

  it('knows no call by an id that is none', async () => {
    for (const id of [uuidv7(), 'x', '%00', `${uuidv7()}0`]) {
      expect((await get(`/requests/${id}`)).status).toBe(404);
    }
  });

  it.each([
    ['key=x', 'key'],
    ['account=%27', 'account'],
    ['model=a%00b', 'model'],
    ['outcome=fine', 'outcome'],
    ['limit=0', 'limit'],
    ['cursor=x', 'cursor'],
  ])('names the field of %s', async (search, field) => {
    const answer = await get(`/requests?${search}`);
    expect(answer.status).toBe(400);
    expect(fieldsOf(answer)).toEqual([field]);
  });
});

describe('prices', () => {
  const put = (model: string, body: object): Promise<Answer> =>
    admin(relay.url, 'PUT', `/prices/${model}`, body);

  it('are seeded, and shown in decimal dollars', async () => {
    const { body } = await get('/prices?model=claude-sonnet-4-5&kind=claude');
    expect(body.items).toMatchObject([
      {
        kind: 'claude',
        effectiveFrom: '1970-01-01T00:00:00.000Z',
        // The second choice from that version of the list.
        source: 'genai-prices@0.1.8#2',
        input: '3.00',
        cacheRead: '0.30',
        cacheWrite5m: '3.75',
        cacheWrite1h: '6.00',
        output: '15.00',
        longContext: [{ above: 200_000, input: '6.00', output: '22.50' }],
        serverTools: { web_search_requests: '10.00', web_fetch_requests: '0.00' },
      },
    ]);
    const page = await get('/prices?limit=2');
    expect(page.body.items).toHaveLength(2);
    const next = await get(`/prices?limit=2&cursor=${page.body.nextCursor}`);
    expect(Number(idsOf(next)[0])).toBe(Number(idsOf(page)[1]) - 1);
  });

  it('can be put from a time on, for one kind or all, and are audited', async () => {
    const put1 = await put('house-model', { input: '1.5', output: '2', effectiveFrom: '2026-05-02' });
    expect(put1.status).toBe(200);
    expect(put1.body).toMatchObject({
      kind: null,
      model: 'house-model',
      effectiveFrom: '2026-05-02T00:00:00.000Z',
      source: 'administrator',
      input: '1.50',
      output: '2.00',
    });
    const put2 = await put('org%2Fmodel%401', { kind: 'gemini', input: '0.000000001' });
    expect(put2.body).toMatchObject({ kind: 'gemini', model: 'org/model@1', input: '0.000000001' });
    const audit = await get('/audit?limit=1');
    expect(audit.body.items[0]).toMatchObject({ resourceId: 'org/model@1', after: { input: '0.000000001' } });
  });

  it.each([
    [{}, 'input'],
    [{ input: 3 }, 'input'],
    [{ input: '-1' }, 'input'],
    [{ input: '1e3' }, 'input'],
    [{ input: '0.0000000001' }, 'input'],
    [{ input: '1', cost: '1' }, 'cost'],
    [{ input: '1', kind: 'no-such-kind' }, 'kind'],
    [{ input: '1', effectiveFrom: 'soon' }, 'effectiveFrom'],
    [{ input: '1', output: '2', longContext: [{ above: 1000, input: '2' }] }, 'longContext.0.output'],
    [
      {
        input: '1',
        longContext: [
          { above: 2, input: '2' },
          { above: 2, input: '3' },
        ],
      },
      'longContext.1.above',
    ],
    [{ input: '1', longContext: [{ above: 0.5, input: '2' }] }, 'longContext.0.above'],
    [{ input: '1', serverTools: { web_search_requests: 10 } }, 'serverTools.web_search_requests'],
    [{ input: '1', serverTools: { __proto__x: '1' } }, 'serverTools'],
  ])('are refused as %j, naming the field', async (body, field) => {
    const answer = await put('m', body);
    expect(answer.status).toBe(400);
    expect(fieldsOf(answer)).toContain(field);
  });

  it('refuse a name that no model has', async () => {
    const answer = await put('a%20b', { input: '1' });
    expect(answer.status).toBe(400);
    expect(fieldsOf(answer)).toEqual(['model']);
  });

  it('reprice what has none, by the price of the time, and nothing else', async () => {
    const tokens = { model: 'later-priced', input_tokens: 1_000_000, cost_nanos: null };
    const early = await plant({ ...tokens, admitted_at: DAY(1) });
    const late = await plant({ ...tokens, admitted_at: DAY(20) });
    const outside = await plant({ ...tokens, admitted_at: new Date(Date.UTC(2026, 6, 1)) });
    const paid = await plant({ ...tokens, admitted_at: DAY(20), cost_nanos: '42' });
    const unknown = await plant({ ...tokens, model: 'nobody-knows', admitted_at: DAY(20) });

    await put('later-priced', { input: '1', effectiveFrom: '2026-05-01' });
    const newer = await put('later-priced', { input: '2', effectiveFrom: '2026-05-10' });
    const range = { from: '2026-05-01', to: '2026-06-01' };
    const answer = await post('/prices/reprice', range);
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ repriced: 2, unpriced: 1 });

    const rows = await relay.sql<{ request_id: string; cost_nanos: string | null; price_id: string | null }>(
      'select request_id, cost_nanos, price_id from ledger',
    );
    const costs = new Map(rows.map((row) => [row.request_id, row.cost_nanos]));
    expect(costs.get(early)).toBe('1000000000');
    expect(costs.get(late)).toBe('2000000000');
    expect(costs.get(outside)).toBeNull();
    expect(costs.get(paid)).toBe('42');
    expect(costs.get(unknown)).toBeNull();
    expect(rows.find((row) => row.request_id === late)!.price_id).toBe(newer.body['id']);

    const again = await post('/prices/reprice', range);
    expect(again.body).toMatchObject({ repriced: 0, unpriced: 1 });
    expect((await post('/prices/reprice', { from: 'x' })).status).toBe(400);
  });
});

describe('GET /me', () => {
  const me = async (
    path: string,
    key: string,
  ): Promise<{ status: number; body: Record<string, unknown> }> => {
    const answer = await fetch(`${relay.url}/me${path}`, { headers: { authorization: `Bearer ${key}` } });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };

  it('tells the holder of a key what it may do and what is left', async () => {
    const made = await makeKey({ name: 'mine', limits: { concurrency: 3 }, models: ['claude-*'] });
    await relay.sql(
      'insert into key_state (id, in_use) values ($1, 2) on conflict (id) do update set in_use = 2',
      [made.id],
    );
    const { status, body } = await me('', made.key);
    await relay.sql('update key_state set in_use = 0 where id = $1', [made.id]);
    expect(status).toBe(200);
    expect(body).toEqual({
      id: made.id,
      name: 'mine',
      prefix: made.prefix,
      scopes: ['claude', 'gemini', 'openai', 'bedrock'],
      models: ['claude-*'],
      limits: {
        requestsPerMinute: { limit: null, left: null, resetsAt: null },
        tokensPerMinute: { limit: null, used: null, held: 0, left: null, resetsAt: null },
        concurrency: { limit: 3, inUse: 2, left: 1 },
        budgets: [],
      },
      teams: [],
      expiresAt: null,
    });
  });

  it('reports the usage of that key alone, without accounts', async () => {
    const made = await makeKey({ name: 'mine too' });
    await plant({ admitted_at: DAY(1), key_id: made.id, output_tokens: 5, cost_nanos: '3' });
    await plant({ admitted_at: DAY(1), output_tokens: 50 });
    const { body } = await me(`/usage?${MAY}&groupBy=model`, made.key);
    expect(body['items']).toMatchObject([{ requests: 1, outputTokens: 5, costUsd: '0.000000003' }]);
    expect((await fetch(`${relay.url}/me/usage?key=${made.key}`)).status).toBe(200);
    expect((await me('/usage?groupBy=account', made.key)).status).toBe(400);
    expect((await me('/usage', 'rk_wrong')).status).toBe(401);
    expect((await fetch(`${relay.url}/me`)).status).toBe(401);
  });
});
