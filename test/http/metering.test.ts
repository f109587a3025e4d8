import { eventually } from '../support/eventually.ts';
import { admin, Rehearsal } from '../support/relay.ts';
import { onWire, type WireAnswer } from '../support/wire-client.ts';

/**
 * What the ledger says of answers that really passed: each token in one class, and what it cost to the nano-dollar.
 * Expected numbers are worked out by hand from the vendors' public prices:
 *
 *   claude-sonnet-4-5, USD for a million: input 3, cache read 0.30, write 3.75 (5 m) and 6 (1 h), output 15;
 *   above 200,000 input tokens 6, 0.60, 7.50, 12, 22.50; web search 10 for a thousand. One dollar a million is
 *   1,000 nano-dollars a token.
 *   gemini-2.5-flash: input 0.30, cached 0.03, output 2.50.
 */
const CLAUDE = 'claude-sonnet-4-5';
const GEMINI = 'gemini-2.5-flash';

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount({ models: { allow: ['claude-*'], map: { 'team-model': CLAUDE } } });
  await rehearsal.geminiAccount();
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

function post(path: string, body: object, as = key, signal?: AbortSignal): Promise<WireAnswer> {
  return onWire(`${rehearsal.url}${path}`, {
    headers: { 'x-api-key': as, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
}

interface Ask {
  readonly directive?: string;
  readonly text?: string;
  readonly model?: string;
  readonly more?: object;
}

const DOORS = {
  'Claude JSON': (ask: Ask) => claude(ask, false),
  'Claude SSE': (ask: Ask) => claude(ask, true),
  'Gemini JSON': (ask: Ask) => gemini(ask, ':generateContent'),
  'Gemini SSE': (ask: Ask) => gemini(ask, ':streamGenerateContent?alt=sse'),
  'Gemini array': (ask: Ask) => gemini(ask, ':streamGenerateContent'),
};
type Door = keyof typeof DOORS;
const CLAUDE_DOORS = ['Claude JSON', 'Claude SSE'] as const;
const GEMINI_DOORS = ['Gemini JSON', 'Gemini SSE', 'Gemini array'] as const;

function claude({ directive = '', text = 'sixteen letters.', model = CLAUDE, more }: Ask, stream: boolean) {
  const content = `${text}[[sim: ${directive}]]`;
  const body = { model, max_tokens: 5000, stream, messages: [{ role: 'user', content }], ...more };
  return { path: '/v1/messages', body };
}

function gemini({ directive = '', text = 'sixteen letters.', model = GEMINI, more }: Ask, verb: string) {
  const body = { contents: [{ parts: [{ text: `${text}[[sim: ${directive}]]` }] }], ...more };
  return { path: `/v1beta/models/${model}${verb}`, body };
}

/** The numbers of the newest row. */
async function booked(): Promise<Record<string, unknown>> {
  const row = await rehearsal.lastRow();
  return {
    input: Number(row['input_tokens']),
    cache_read: Number(row['cache_read_tokens']),
    cache_write_5m: Number(row['cache_write_5m_tokens']),
    cache_write_1h: Number(row['cache_write_1h_tokens']),
    output: Number(row['output_tokens']),
    reasoning: Number(row['reasoning_tokens']),
    outcome: row['outcome'],
    estimated: row['estimated'],
    suspicious: row['suspicious'],
    cost: row['cost_nanos'],
    tools: row['server_tools'],
  };
}

/** A row with these numbers and nothing else. */
function row(numbers: Record<string, unknown>): Record<string, unknown> {
  return {
    input: 0,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    output: 0,
    reasoning: 0,
    outcome: 'completed',
    estimated: false,
    suspicious: false,
    tools: null,
    ...numbers,
  };
}

async function ask(door: Door, what: Ask): Promise<WireAnswer> {
  const { path, body } = DOORS[door](what);
  const answer = await post(path, body);
  expect(answer.status).toBe(200);
  return answer;
}

describe.each(CLAUDE_DOORS)('%s', (door) => {
  it('books input and output at the list price', async () => {
    await ask(door, { directive: 'say="one two three four five six"' });
    expect(await booked()).toEqual(row({ input: 4, output: 6, cost: String(4 * 3_000 + 6 * 15_000) }));
  });

  it('books cache writes for five minutes and for an hour apart, and then the read', async () => {
    const mark = (ttl: string) => ({ type: 'ephemeral', ttl });
    const system = [
      { type: 'text', text: 'a'.repeat(400), cache_control: mark('1h') },
      { type: 'text', text: 'b'.repeat(200), cache_control: mark('5m') },
    ];
    const what = { text: 'c'.repeat(40), directive: 'say="one two three"', more: { system } };
    await ask(door, what);
    expect(await booked()).toEqual(
      row({ input: 10, cache_write_5m: 50, cache_write_1h: 100, output: 3, cost: '862500' }),
    );
    await ask(door, what);
    expect(await booked()).toEqual(row({ input: 10, cache_read: 150, output: 3, cost: '120000' }));
  });

  it('books thinking as a part of the output', async () => {
    await ask(door, {
      directive: 'thinking="hm, let me see" say="Yes."',
      more: { thinking: { type: 'enabled', budget_tokens: 1024 } },
    });
    expect(await booked()).toEqual(row({ input: 4, output: 5, reasoning: 4, cost: '87000' }));
  });

  it("books a server tool's units beside the tokens, all classes at once", async () => {
    await ask(door, {
      directive: 'server-tools=3 input-tokens=1000 cached-tokens=2000 output-tokens=20',
    });
    expect(await booked()).toEqual(
      row({
        input: 1000,
        cache_read: 2000,
        output: 20,
        tools: { web_search_requests: 3, web_fetch_requests: 0 },
        cost: String(3_000_000 + 600_000 + 300_000 + 30_000_000),
      }),
    );
  });

  it('prices a long context as a whole, cached tokens counted', async () => {
    await ask(door, { directive: 'input-tokens=150000 cached-tokens=50000 output-tokens=10' });
    expect(await booked()).toMatchObject({ cost: String(450_000_000 + 15_000_000 + 150_000) });
    await ask(door, { directive: 'input-tokens=150000 cached-tokens=50001 output-tokens=10' });
    expect(await booked()).toMatchObject({ cost: String(900_000_000 + 30_000_600 + 225_000) });
  });

  it("prices a mapped name as the upstream's own", async () => {
    await ask(door, { model: 'team-model', directive: 'say="one two"' });
    expect(await booked()).toEqual(row({ input: 4, output: 2, cost: '42000' }));
    const found = await rehearsal.lastRow();
    const [price] = await rehearsal.sql('select model, kind from prices where id = $1', [found['price_id']]);
    expect(price).toEqual({ model: CLAUDE, kind: 'claude' });
  });

  it('books a refusal that the model itself made, and a call of a tool', async () => {
    await ask(door, { directive: 'stop=refusal say="No."' });
    expect(await booked()).toEqual(row({ input: 4, output: 1, cost: '27000' }));
    const tools = [
      { name: 'now', input_schema: { type: 'object', properties: { at: { type: 'integer' } } } },
    ];
    await ask(door, { directive: 'tool=now', more: { tools } });
    // The prompt has the tool as JSON; its arguments are {"at":7}.
    const input = Math.ceil((16 + JSON.stringify(tools[0]).length) / 4);
    expect(await booked()).toEqual(row({ input, output: 2, cost: String(input * 3_000 + 30_000) }));
  });

  it('leaves a model without a price unpriced until there is one, and says so', async () => {
    const model = `claude-sim-house-${door.length}`;
    await ask(door, { model, directive: 'say="one two"' });
    expect(await booked()).toEqual(row({ input: 4, output: 2, cost: null }));
    expect((await rehearsal.lastRow())['price_id']).toBeNull();
    const report = await admin(rehearsal.url, 'GET', '/usage?groupBy=model');
    const items = (report.body as { items: Record<string, unknown>[] }).items;
    expect(items.find((item) => item['model'] === model)).toMatchObject({ unpriced: 1 });

    const put = await admin(rehearsal.url, 'PUT', `/prices/${model}`, { input: '1.00', output: '2.50' });
    expect(put.status).toBe(200);
    await eventually(async () => {
      await ask(door, { model, directive: 'say="one two"' });
      expect(await booked()).toEqual(row({ input: 4, output: 2, cost: '9000' }));
    });
    // A class without a price is not free.
    await ask(door, { model, directive: 'say="one two" cached-tokens=5' });
    expect(await booked()).toEqual(row({ input: 4, cache_read: 5, output: 2, cost: null }));
    // Nor is it for budgets: 4 and 5 tokens at $1 a million at most, and 2 at $2.50.
    expect((await rehearsal.lastRow())['charged_nanos']).toBe('14000');
  });
});

it('charges what the call held where neither a price says more nor its open row is there any more', async () => {
  const { id } = await rehearsal.claudeAccount({
    priority: 1,
    models: { allow: ['claude-*'], map: { [CLAUDE]: 'claude-sim-nowhere' } },
  });
  const answer = ask('Claude SSE', { directive: 'deltas=20 every=50' });
  const [held] = await eventually(async () => {
    const rows = await rehearsal.sql<{ nanos: string; account: string }>(
      'select hold_nanos as nanos, account_id as account from open_calls',
    );
    expect(rows).toMatchObject([{ account: id }]);
    return rows;
  });
  await rehearsal.sql('delete from open_calls');
  await rehearsal.sql('select repair_counters()');
  await answer;
  await eventually(async () => expect((await rehearsal.lastRow())['account_id']).toBe(id));
  expect(await rehearsal.lastRow()).toMatchObject({ cost_nanos: null, charged_nanos: held?.nanos });
  expect(Number(held?.nanos)).toBeGreaterThan(5_000 * 15_000);
  await admin(rehearsal.url, 'PATCH', `/accounts/${id}`, { enabled: false });
});

describe.each(GEMINI_DOORS)('%s', (door) => {
  it('books input and output at the list price', async () => {
    await ask(door, { directive: 'say="one two three four five six"' });
    expect(await booked()).toEqual(row({ input: 4, output: 6, cost: String(4 * 300 + 6 * 2_500) }));
  });

  it('takes the cached part out of the prompt, and adds the tool prompt and the thoughts', async () => {
    await ask(door, {
      directive:
        'input-tokens=1000 cached-tokens=400 tool-prompt-tokens=50 thinking-tokens=30 output-tokens=20',
      more: { generationConfig: { thinkingConfig: { includeThoughts: true, thinkingBudget: 100 } } },
    });
    expect(await booked()).toEqual(
      row({
        input: 650,
        cache_read: 400,
        output: 50,
        reasoning: 30,
        cost: String(650 * 300 + 400 * 30 + 50 * 2_500),
      }),
    );
  });

  it('books several candidates together', async () => {
    await ask(door, {
      directive: 'say="one two three"',
      more: { generationConfig: { candidateCount: 3 } },
    });
    expect(await booked()).toMatchObject({ outcome: 'completed', input: 4, output: 9, cost: '23700' });
  });

  it('leaves a model without a price unpriced', async () => {
    await ask(door, { model: 'gemini-sim-house', directive: 'say="one two"' });
    expect(await booked()).toEqual(row({ input: 4, output: 2, cost: null }));
  });
});

describe('usage that is missing, or that cannot be', () => {
  const SAY = 'say="one two three four five six"';
  /** Of the text above, four bytes to a token. */
  const GENERATED = Math.ceil(27 / 4);
  const rates = (door: Door) => (door.startsWith('Claude') ? [3_000, 15_000] : [300, 2_500]);

  const everyDoor = [...CLAUDE_DOORS, ...GEMINI_DOORS];
  it.each(
    everyDoor.flatMap((door) =>
      [
        ['missing', false],
        ['null', false],
        ['negative', true],
        ['huge', true],
        ['float', true],
        ['string', true],
      ].map(([variant, suspicious]) => [door, variant, suspicious] as const),
    ),
  )('%s: %s is estimated from the bytes (suspicious: %s)', async (door, variant, suspicious) => {
    const { path, body } = DOORS[door]({ directive: `${SAY} usage=${String(variant)}` });
    const answer = await post(path, body);
    expect(answer.sha256).toBe(rehearsal.simulator.requests.at(-1)?.answerSha256);
    const input = Math.ceil(Buffer.byteLength(JSON.stringify(body)) / 4);
    const [inputRate = 0, outputRate = 0] = rates(door);
    expect(await booked()).toEqual(
      row({
        input,
        output: GENERATED,
        outcome: 'unknown',
        estimated: true,
        suspicious,
        cost: String(input * inputRate + GENERATED * outputRate),
      }),
    );
    expect((await rehearsal.lastRow())['reason']).toBe('no-usage');
  });

  it.each(everyDoor)('%s: zero is kept, and costs nothing', async (door) => {
    await ask(door, { directive: `${SAY} usage=zero` });
    expect(await booked()).toEqual(row({ cost: '0' }));
  });

  it.each(
    everyDoor.flatMap((door) =>
      ['repeated', 'falling', 'output-only'].map((variant) => [door, variant] as const),
    ),
  )('%s: of %s counts the last one stands, and none is added', async (door, variant) => {
    await ask(door, { directive: `${SAY} usage=${variant}` });
    const [inputRate = 0, outputRate = 0] = rates(door);
    expect(await booked()).toEqual(
      row({ input: 4, output: 6, cost: String(4 * inputRate + 6 * outputRate) }),
    );
  });
});

describe('answers that do not come to their end', () => {
  it.each([...CLAUDE_DOORS.slice(1), ...GEMINI_DOORS.slice(1)])(
    '%s: what was told and what was seen is booked, as an estimate',
    async (door) => {
      for (const [directive, outcome] of [
        ['error=6', 'partial'],
        ['fin=6', 'partial'],
        ['end=6', 'partial'],
      ] as const) {
        const { path, body } = DOORS[door]({ directive: `deltas=20 ${directive}` });
        await post(path, body);
        const seen = await booked();
        expect(seen).toMatchObject({ outcome, estimated: true, input: 4 });
        expect(Number(seen['output'])).toBeGreaterThan(1);
        const [inputRate, outputRate] = door.startsWith('Claude') ? [3_000, 15_000] : [300, 2_500];
        expect(seen['cost']).toBe(String(4 * inputRate + Number(seen['output']) * outputRate));
      }
    },
  );

  it.each(Object.keys(DOORS) as Door[])('%s: a refused call costs nothing', async (door) => {
    const { path, body } = DOORS[door]({ directive: 'status=400' });
    expect((await post(path, body)).status).toBe(400);
    expect(await booked()).toEqual(row({ outcome: 'refused', cost: '0' }));
  });
});

describe('counting tokens and embedding', () => {
  const counting = {
    claude: {
      path: '/v1/messages/count_tokens',
      body: { model: CLAUDE, messages: [{ role: 'user', content: 'sixteen letters.' }] },
    },
    gemini: {
      path: `/v1beta/models/${GEMINI}:countTokens`,
      body: { contents: [{ parts: [{ text: 'sixteen letters.' }] }] },
    },
  };

  it.each(['claude', 'gemini'] as const)('counts free of charge at the %s door', async (door) => {
    const { path, body } = counting[door];
    const answer = await post(path, body);
    expect(JSON.parse(answer.text)).toMatchObject(
      door === 'claude' ? { input_tokens: 4 } : { totalTokens: 4 },
    );
    expect(await booked()).toEqual(row({ cost: '0' }));
    expect(await rehearsal.lastRow()).toMatchObject({ lane: 'count', price_id: null });
  });

  it('counts while every place of the key is taken', async () => {
    const one = (await rehearsal.key({ limits: { concurrency: 1 } })).key;
    const leave = new AbortController();
    const { path, body } = claude({ directive: 'hang=head' }, true);
    const held = post(path, body, one, leave.signal).catch(() => undefined);
    await eventually(() => expect(rehearsal.simulator.inFlight()).toBe(1));

    const refused = await post(path, body, one);
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    for (const { path, body } of Object.values(counting)) {
      expect((await post(path, body, one)).status).toBe(200);
    }
    leave.abort();
    await held;
  });

  it('books an embedding, whose usage the vendor does not tell, as an estimate', async () => {
    const body = { content: { parts: [{ text: 'sixteen letters.' }] } };
    const answer = await post('/v1beta/models/gemini-embedding-001:embedContent', body);
    expect(answer.status).toBe(200);
    expect(await booked()).toMatchObject({
      outcome: 'completed',
      estimated: true,
      input: Math.ceil(JSON.stringify(body).length / 4),
      output: 0,
    });
  });
});
