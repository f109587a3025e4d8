import { Rehearsal } from '../support/relay.ts';

/** What a translated call tells beside its answer: edits, refusals, counts, and which account may serve it. */

const CLAUDE = 'claude-sonnet-5';
const GEMINI = 'gemini-3.5-flash';

let rehearsal: Rehearsal;
let key: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.claudeAccount({ models: { allow: [CLAUDE] } });
  await rehearsal.geminiAccount({ models: { allow: [GEMINI], map: { both: GEMINI } } });
  await rehearsal.claudeAccount({ models: { map: { both: CLAUDE } }, priority: 90 });
  key = (await rehearsal.key()).key;
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

interface Answer {
  readonly status: number;
  readonly edits: string | null;
  readonly text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads whatever was answered
  readonly json: any;
}

async function post(path: string, body: object): Promise<Answer> {
  const answer = await fetch(`${rehearsal.url}${path}`, {
    method: 'POST',
    headers: {
      'x-api-key': key,
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
    },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: answer.status, edits: answer.headers.get('x-relay-edits'), text, json };
}

const messages = (more: object = {}, text = 'Well?[[sim: say=Well.]]') => ({
  model: GEMINI,
  max_tokens: 100,
  messages: [{ role: 'user', content: text }],
  ...more,
});

it('tells from which dialect into which a call was translated', async () => {
  const answer = await post('/v1/messages', messages());
  expect(answer).toMatchObject({
    status: 200,
    edits: 'translated:anthropic>gemini',
    json: { type: 'message', role: 'assistant', content: [{ type: 'text', text: 'Well.' }] },
  });
  const native = await post('/v1/messages', messages({ model: CLAUDE }));
  expect(native).toMatchObject({ status: 200, edits: 'none' });
});

it('refuses what the account’s dialect cannot say by the client’s own name for it, and takes nothing', async () => {
  const rows = await rehearsal.rowCount();
  const refused = [
    [messages({ container: 'c_1' }), 'container'],
    [messages({ mcp_servers: [{ type: 'url', url: 'https://example.com', name: 'x' }] }), 'mcp_servers'],
    [messages({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }), 'tools'],
    [messages({ nonesuch: 1 }), 'nonesuch'],
  ] as const;
  for (const [body, field] of refused) {
    const answer = await post('/v1/messages', body);
    expect(answer).toMatchObject({
      status: 400,
      json: { type: 'error', error: { type: 'invalid_request_error' } },
    });
    expect((answer.json as { error: { message: string } }).error.message).toMatch(new RegExp(`^${field}`));
  }
  expect(rehearsal.simulator.requests).toHaveLength(0);
  expect(await rehearsal.rowCount()).toBe(rows);
});

it('leaves advice out and says so', async () => {
  const answer = await post('/v1/messages', messages({ metadata: { user_id: 'ada' } }));
  expect(answer.status).toBe(200);
  expect(answer.edits?.split(',')).toEqual(['translated:anthropic>gemini', 'left-out:metadata']);
  expect(rehearsal.simulator.requests.at(-1)?.body.toString()).not.toContain('ada');
});

it('asks Claude for what it takes of what Gemini CLI asks with every call, and says what it left out', async () => {
  const answer = await post(`/v1beta/models/${CLAUDE}:generateContent`, {
    contents: [{ role: 'user', parts: [{ text: 'Hi.' }] }],
    generationConfig: { temperature: 1, topP: 0.95, topK: 64, thinkingConfig: { includeThoughts: true } },
  });
  expect(answer.status).toBe(200);
  expect(answer.edits?.split(',')).toEqual(['translated:gemini>anthropic', 'left-out:topP', 'left-out:topK']);
  const asked = JSON.parse(rehearsal.simulator.requests.at(-1)!.body.toString()) as object;
  expect(asked).toHaveProperty('thinking');
  expect(asked).not.toHaveProperty('top_k');
});

it('chooses the account that can say the whole call, though another comes first', async () => {
  const first = await post('/v1/messages', messages({ model: 'both' }));
  expect(first).toMatchObject({ status: 200, edits: 'translated:anthropic>gemini' });
  const whole = await post('/v1/messages', messages({ model: 'both', container: 'c_1' }));
  // The simulated Claude answers whatever it makes of the field; what matters is who was asked.
  expect(rehearsal.simulator.requests.at(-1)?.url).toBe('/v1/messages');
  expect(whole.edits).toBe('model');
});

it('counts tokens across dialects, for nothing', async () => {
  const counted = await post('/v1/messages/count_tokens', {
    model: GEMINI,
    messages: [{ role: 'user', content: 'sixteen letters.' }],
  });
  expect(counted).toMatchObject({ status: 200, json: { input_tokens: 4 } });
  const other = await post(`/v1beta/models/${CLAUDE}:countTokens`, {
    contents: [{ role: 'user', parts: [{ text: 'sixteen letters.' }] }],
  });
  expect(other.status).toBe(200);
  expect((other.json as { totalTokens: number }).totalTokens).toBeGreaterThan(0);
  expect(await rehearsal.lastRow()).toMatchObject({ lane: 'count', outcome: 'completed', cost_nanos: '0' });
});

it('embeds with a Gemini account for OpenAI’s clients', async () => {
  await rehearsal.geminiAccount({ models: { allow: ['gemini-embedding-001'] } });
  const answer = await post('/v1/embeddings', { model: 'gemini-embedding-001', input: ['one', 'two'] });
  expect(answer).toMatchObject({ status: 200, json: { object: 'list', data: [{ index: 0 }, { index: 1 }] } });
});

it('takes a foreign signature out with its block on the way to the vendor that did not mint it', async () => {
  const first = await post('/v1/messages', {
    ...messages({ thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 4096 }),
    messages: [{ role: 'user', content: 'Well?[[sim: thinking="Let me see." say=Well.]]' }],
  });
  expect(first.status).toBe(200);
  const { content } = first.json as { content: object[] };
  const second = {
    ...messages({ model: CLAUDE }),
    messages: [
      { role: 'user', content: 'Well?' },
      { role: 'assistant', content },
      { role: 'user', content: 'And?[[sim: say=Thanks]]' },
    ],
  };
  const answer = await post('/v1/messages', second);
  expect(answer).toMatchObject({ status: 200, json: { content: [{ type: 'text', text: 'Thanks' }] } });
  expect(answer.edits).toBe('signature:foreign');
});

it('writes no line of a vendor’s error into headers or frames of its own', async () => {
  const evil = 'one\\r\\nevent: message_stop\\r\\ndata: {}\\r\\n\\r\\nx-evil: 1';
  const refused = await post('/v1/messages', messages({}, `Well?[[sim: status=400 message="${evil}"]]`));
  expect(refused.status).toBe(400);
  const broken = await post('/v1/messages', {
    ...messages({ stream: true }, `Well?[[sim: deltas=6 error=3 message="${evil}"]]`),
  });
  expect(broken.text).toContain('event: error');
  expect(broken.text).not.toMatch(/^event: message_stop/m);
});
