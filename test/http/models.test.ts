import { eventually } from '../support/eventually.ts';
import { admin, Rehearsal } from '../support/relay.ts';
import { onWire } from '../support/wire-client.ts';

/** Lists of models: the relay's own answers, cut to what a key may call, in the shape of whoever asks. */

interface Page {
  readonly data: readonly Record<string, unknown>[];
  readonly has_more: boolean;
  readonly first_id: string | null;
  readonly last_id: string | null;
}

const ANTHROPIC = { 'anthropic-version': '2023-06-01' };

let rehearsal: Rehearsal;
let key: string;
/** An account with everything of its vendor, and names of the relay's own. */
let wide: string;
let narrow: string;
let gemini: string;
let openai: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  wide = (
    await rehearsal.claudeAccount({
      credentials: { apiKey: 'sk-ant-sim-wide' },
      models: { allow: ['claude-*'], map: { 'team-fast': 'claude-haiku-5-5' } },
    })
  ).id;
  narrow = (
    await rehearsal.claudeAccount({
      credentials: { apiKey: 'sk-ant-sim-narrow' },
      models: { allow: ['claude-secret-1', 'claude-opus-5'], map: { 'team-deep': 'claude-opus-5' } },
    })
  ).id;
  gemini = (
    await rehearsal.geminiAccount({
      credentials: { apiKey: 'gemini-sim-list' },
      models: { allow: ['gemini-2.5-*', 'tunedModels/sim-mine'], map: { 'team-google': 'gemini-2.5-pro' } },
    })
  ).id;
  openai = (
    await rehearsal.openaiAccount({
      credentials: { apiKey: 'sk-sim-list' },
      models: { allow: ['gpt-5', 'gpt-5-*'], map: { 'team-open': 'gpt-5-mini' } },
    })
  ).id;
  key = (await rehearsal.key()).key;
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

async function get(path: string, headers: Record<string, string> = {}, as = key) {
  const answer = await onWire(`${rehearsal.url}${path}`, {
    method: 'GET',
    headers: { authorization: `Bearer ${as}`, ...headers },
  });
  return { ...answer, json: JSON.parse(answer.text) as unknown };
}

async function anthropicIds(as = key): Promise<unknown[]> {
  const { json } = await get('/v1/models?limit=1000', ANTHROPIC, as);
  return (json as Page).data.map((model) => model['id']);
}

async function geminiNames(as = key): Promise<unknown[]> {
  const { json } = await get('/v1beta/models', {}, as);
  return (json as { models: { name: string }[] }).models.map((model) => model.name);
}

async function openaiIds(as = key): Promise<unknown[]> {
  const { json } = await get('/v1/models', {}, as);
  return (json as Page).data.map((model) => model['id']);
}

describe('the list of models', () => {
  it("is Anthropic's at the root for whoever says anthropic-version, and under /claude for everybody", async () => {
    for (const [path, headers] of [
      ['/v1/models?limit=1000', ANTHROPIC],
      ['/claude/v1/models?limit=1000', ANTHROPIC],
      ['/claude/v1/models?limit=1000', {}],
    ] as const) {
      const { status, headers: told, json } = await get(path, headers);
      const page = json as Page;
      expect(status).toBe(200);
      expect(told['content-type']).toMatch(/^application\/json/);
      expect(page.has_more).toBe(false);
      expect(page.first_id).toBe(page.data[0]?.['id']);
      expect(page.last_id).toBe(page.data.at(-1)?.['id']);
      for (const model of page.data) {
        expect(model).toMatchObject({
          type: 'model',
          display_name: expect.any(String) as string,
          created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
        });
      }
      const ids = page.data.map((model) => model['id']);
      expect(ids).toEqual(expect.arrayContaining(['claude-sonnet-5', 'claude-opus-5', 'team-fast']));
      // Another vendor's, reached in translation.
      expect(ids).toEqual(
        expect.arrayContaining(['gemini-2.5-flash', 'team-google', 'tunedModels/sim-mine']),
      );
    }
  });

  it("is OpenAI's at the root without that header, over the accounts of every kind", async () => {
    const { status, json } = await get('/v1/models');
    expect(status).toBe(200);
    const { data } = json as Page;
    expect(json).toMatchObject({ object: 'list' });
    for (const model of data) {
      expect(model).toEqual({
        id: expect.any(String) as string,
        object: 'model',
        created: expect.any(Number) as number,
        // As the account's own list has it; names of our own are the relay's.
        owned_by: model['id'] === 'gpt-5' ? 'system' : (expect.any(String) as string),
      });
    }
    expect(data.find((model) => model['id'] === 'team-open')).toMatchObject({ owned_by: 'relay' });
    expect(data.map((model) => model['id'])).toEqual(expect.arrayContaining(['gpt-5', 'team-open']));
  });

  it("is Google's under /v1beta, /gemini/v1beta and /gemini/v1", async () => {
    for (const path of ['/v1beta/models', '/gemini/v1beta/models', '/gemini/v1/models']) {
      const { status, json } = await get(path);
      expect(status).toBe(200);
      const { models } = json as { models: Record<string, unknown>[] };
      for (const model of models) {
        expect(model).toMatchObject({
          name: expect.stringMatching(/^(models|tunedModels)\//) as string,
          displayName: expect.any(String) as string,
          supportedGenerationMethods: expect.any(Array) as string[],
        });
      }
    }
    const names = await geminiNames();
    expect(names.filter((name) => /gemini|google|tuned/.test(String(name))).sort()).toEqual(
      [
        'models/gemini-2.5-flash',
        'models/gemini-2.5-flash-lite',
        'models/gemini-2.5-pro',
        'models/team-google',
        'tunedModels/sim-mine',
      ].sort(),
    );
    // Another vendor's, reached in translation.
    expect(names).toEqual(expect.arrayContaining(['models/claude-opus-5', 'models/team-fast']));
  });

  it("holds map names, literal allows, and of the upstream's list what the account's policy has", async () => {
    const ids = await anthropicIds();
    // Of the one account by its map, of the other by its literal allow, though no upstream lists it.
    expect(ids).toEqual(expect.arrayContaining(['team-fast', 'team-deep', 'claude-secret-1']));
    expect(new Set(ids).size).toBe(ids.length);
    // The upstream's own entry passes on where the shapes are the same.
    const { json } = await get('/v1beta/models/gemini-2.5-pro');
    expect(json).toMatchObject({ name: 'models/gemini-2.5-pro', inputTokenLimit: 1_048_576 });
    // A pattern of the policy is no name.
    expect(ids.filter((id) => String(id).includes('*'))).toEqual([]);
  });

  it("is cut to the key's models, in every shape", async () => {
    const some = (await rehearsal.key({ models: ['claude-opus-*', 'team-deep', 'gemini-2.5-pro', 'gpt-5'] }))
      .key;
    const claude = await anthropicIds(some);
    expect(claude).toEqual(expect.arrayContaining(['claude-opus-5', 'claude-opus-4-8', 'team-deep']));
    const allowed = /^(claude-opus-|team-deep$|gemini-2.5-pro$|gpt-5$)/;
    expect(claude.filter((id) => !allowed.test(String(id)))).toEqual([]);
    const google = (await geminiNames(some)).map((name) => String(name).replace('models/', ''));
    expect(google).toEqual(expect.arrayContaining(['gemini-2.5-pro', 'claude-opus-5', 'team-deep']));
    expect(google.filter((id) => !allowed.test(id))).toEqual([]);
    const open = await openaiIds(some);
    expect(open).toContain('gpt-5');
    expect(open.filter((id) => !allowed.test(String(id)))).toEqual([]);
    const none = (await rehearsal.key({ models: [] })).key;
    expect(await anthropicIds(none)).toEqual([]);
    expect(await geminiNames(none)).toEqual([]);
    expect(await openaiIds(none)).toEqual([]);
  });

  it('is cut to the accounts and groups a key is bound to', async () => {
    const bound = (await rehearsal.key({ accounts: [narrow], bindingPolicy: 'strict' })).key;
    const own = ['claude-opus-5', 'claude-secret-1', 'team-deep'];
    expect((await anthropicIds(bound)).sort()).toEqual(own);
    expect((await geminiNames(bound)).sort()).toEqual(own.map((id) => `models/${id}`));

    const { id } = (await rehearsal.create('account-groups', { name: 'google', accounts: [gemini] })) as {
      id: string;
    };
    const grouped = (await rehearsal.key({ groups: [id], bindingPolicy: 'strict' })).key;
    for (const names of [await anthropicIds(grouped), await geminiNames(grouped)]) {
      expect(names.map((name) => String(name).replace('models/', ''))).toContain('team-google');
      expect(names.filter((name) => /claude|team-(fast|deep|open)|gpt/.test(String(name)))).toEqual([]);
    }

    // With fallback the shared pool serves as well, so it lists as well.
    const falling = (await rehearsal.key({ accounts: [narrow], bindingPolicy: 'fallback' })).key;
    expect(await anthropicIds(falling)).toEqual(expect.arrayContaining(['team-fast', 'team-deep']));
  });

  it('is behind the doors of the key: each shape belongs to one', async () => {
    const google = (await rehearsal.key({ scopes: ['gemini'] })).key;
    const refused = async (path: string, headers = {}) => {
      const { status, json } = await get(path, headers, google);
      return { status, json };
    };
    expect(await refused('/v1/models', ANTHROPIC)).toMatchObject({
      status: 403,
      json: { type: 'error', error: { type: 'permission_error' } },
    });
    const openai = await refused('/v1/models');
    expect(openai).toMatchObject({ status: 403, json: { error: { message: expect.any(String) as string } } });
    expect(openai.json).not.toHaveProperty('type');
    expect(await refused('/v1beta/models')).toMatchObject({ status: 200 });
  });

  it("pages as its vendor's does", async () => {
    const all = await anthropicIds();
    const first = (await get('/v1/models?limit=2', ANTHROPIC)).json as Page;
    expect(first.data.map((model) => model['id'])).toEqual(all.slice(0, 2));
    expect(first).toMatchObject({ has_more: true, first_id: all[0], last_id: all[1] });
    const second = (await get(`/v1/models?limit=2&after_id=${first.last_id}`, ANTHROPIC)).json as Page;
    expect(second.data.map((model) => model['id'])).toEqual(all.slice(2, 4));
    const back = (await get(`/v1/models?limit=2&before_id=${second.first_id}`, ANTHROPIC)).json as Page;
    expect(back.data.map((model) => model['id'])).toEqual(all.slice(0, 2));
    expect((await get('/v1/models?limit=0', ANTHROPIC)).status).toBe(400);
    expect((await get('/v1/models?after_id=nonesuch', ANTHROPIC)).status).toBe(400);

    const names: unknown[] = [];
    for (let token = ''; ;) {
      const { json } = await get(`/v1beta/models?pageSize=2&pageToken=${token}`);
      const page = json as { models: { name: string }[]; nextPageToken?: string };
      names.push(...page.models.map((model) => model.name));
      if (page.nextPageToken === undefined) break;
      token = page.nextPageToken;
    }
    expect(names).toEqual(await geminiNames());
    expect((await get('/v1beta/models?pageToken=junk!')).status).toBe(400);
  });

  it('gives one model by its name, and 404 in the shape of whoever asks', async () => {
    for (const [path, headers, found] of [
      ['/v1/models/team-fast', ANTHROPIC, { type: 'model', id: 'team-fast' }],
      ['/claude/v1/models/claude-secret-1', {}, { type: 'model', id: 'claude-secret-1' }],
      ['/v1/models/team-google', ANTHROPIC, { type: 'model', id: 'team-google' }],
      ['/v1/models/tunedModels%2Fsim-mine', ANTHROPIC, { type: 'model', id: 'tunedModels/sim-mine' }],
      ['/v1/models/team-open', {}, { object: 'model', id: 'team-open' }],
      ['/v1beta/models/team-google', {}, { name: 'models/team-google' }],
      ['/v1beta/tunedModels/sim-mine', {}, { name: 'tunedModels/sim-mine' }],
    ] as const) {
      expect(await get(path, headers)).toMatchObject({ status: 200, json: found });
    }
    for (const [path, headers, missing] of [
      ['/v1/models/nonesuch', ANTHROPIC, { type: 'error', error: { type: 'not_found_error' } }],
      ['/v1/models/nonesuch', {}, { error: { message: expect.any(String) as string } }],
      ['/v1beta/models/nonesuch', {}, { error: { code: 404, status: 'NOT_FOUND' } }],
    ] as const) {
      expect(await get(path, headers)).toMatchObject({ status: 404, json: missing });
    }
  });

  it('takes no lease, leaves no ledger row, and asks each upstream once', async () => {
    await anthropicIds();
    rehearsal.simulator.clear();
    await Promise.all([anthropicIds(), openaiIds(), geminiNames(), get('/v1/models/team-fast', ANTHROPIC)]);
    expect(rehearsal.simulator.requests).toEqual([]);
    expect(await rehearsal.rowCount()).toBe(0);
    const [stamped] = await rehearsal.sql<{ used: number }>(
      `select count(*)::integer as used from account_state where last_used > '-infinity'`,
    );
    expect(stamped?.used).toBe(0);
  });

  it('lists nothing of an account that is turned off, and what a changed one has from then on', async () => {
    const other = await Rehearsal.start();
    try {
      const { id } = await other.claudeAccount({ models: { allow: ['claude-opus-5'] } });
      const mine = (await other.key()).key;
      const listed = async (): Promise<unknown[]> => {
        const answer = await onWire(`${other.url}/v1/models`, {
          method: 'GET',
          headers: { 'x-api-key': mine, ...ANTHROPIC },
        });
        return (JSON.parse(answer.text) as Page).data.map((model) => model['id']);
      };
      expect(await listed()).toEqual(['claude-opus-5']);
      await admin(other.url, 'PATCH', `/accounts/${id}`, { models: { allow: ['claude-sonnet-5'] } });
      await eventually(async () => expect(await listed()).toEqual(['claude-sonnet-5']));
      await admin(other.url, 'PATCH', `/accounts/${id}`, { enabled: false });
      await eventually(async () => expect(await listed()).toEqual([]));
    } finally {
      await other.close();
    }
  });

  it('holds the names of its own and the other upstreams while some lists cannot be read', async () => {
    const other = await Rehearsal.start({ RELAY_HEADERS_TIMEOUT_MS: '300' });
    try {
      const faults = [
        { status: 500 },
        { status: 401 },
        { hang: 'head' },
        { hang: '100b' },
        { html: true },
      ] as const;
      for (const [n, fault] of faults.entries()) {
        const apiKey = `sk-ant-sim-list-${n}`;
        other.simulator.plan({ path: '/v1/models', credential: apiKey, fault });
        const models = { allow: ['claude-*', `claude-secret-${n}`], map: { [`mine-${n}`]: 'claude-opus-5' } };
        await other.claudeAccount({ credentials: { apiKey }, models });
      }
      await other.claudeAccount({ models: { allow: ['claude-opus-5', 'claude-haiku-5-*'] } });
      const mine = (await other.key()).key;
      const answer = await onWire(`${other.url}/v1/models?limit=1000`, {
        method: 'GET',
        headers: { 'x-api-key': mine, ...ANTHROPIC },
      });
      expect(answer.status).toBe(200);
      const ids = (JSON.parse(answer.text) as Page).data.map((model) => model['id']);
      const own = faults.flatMap((_, n) => [`claude-secret-${n}`, `mine-${n}`]);
      expect(ids.sort()).toEqual([...own, 'claude-haiku-5-5', 'claude-opus-5'].sort());
      // A list takes no lease, so what goes wrong with it parks nobody either.
      expect(await other.sql('select * from cooldowns')).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it('names the accounts it came of nowhere', async () => {
    for (const path of ['/v1/models', '/v1beta/models', '/claude/v1/models']) {
      const { text, rawHeaders } = await get(path);
      for (const secret of [
        wide,
        narrow,
        gemini,
        openai,
        'sk-ant-sim',
        'gemini-sim',
        'sk-sim',
        rehearsal.simulator.url,
      ]) {
        expect(`${text}${rawHeaders.join()}`).not.toContain(secret);
      }
    }
  });
});

describe('a list of models', () => {
  /** A generating call of each door. */
  const CALLS: Readonly<Record<string, (model: string) => { readonly path: string; readonly body: object }>> =
    {
      anthropic: (model) => ({
        path: '/claude/v1/messages',
        body: { model, max_tokens: 8, messages: HELLO },
      }),
      gemini: (model) => ({
        path: `/v1beta/${model.startsWith('tunedModels/') ? model : `models/${model}`}:generateContent`,
        body: { contents: [{ parts: [{ text: 'Hello' }] }] },
      }),
      openai: (model) => ({ path: '/openai/v1/chat/completions', body: { model, messages: HELLO } }),
    };
  const HELLO = [{ role: 'user', content: 'Hello' }];

  it("has exactly the models that its door's calls reach, by whatever account and in whatever dialect", async () => {
    const lists: Readonly<Record<string, readonly unknown[]>> = {
      anthropic: await anthropicIds(),
      gemini: (await geminiNames()).map((name) => String(name).replace('models/', '')),
      openai: await openaiIds(),
    };
    // Of each account its map's names, a literal allow and one of the upstream's list; and names that lead nowhere.
    const names = [
      ...['team-fast', 'claude-haiku-5-5', 'team-deep', 'claude-secret-1', 'team-google', 'gemini-2.5-pro'],
      ...['tunedModels/sim-mine', 'team-open', 'gpt-5', 'nonesuch', 'gemini-3-pro', 'gpt-4.1'],
    ];
    const served: [string, string][] = [];
    for (const [door, call] of Object.entries(CALLS)) {
      for (const name of names) {
        const { path, body } = call(name);
        const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...ANTHROPIC };
        const answer = await onWire(`${rehearsal.url}${path}`, {
          method: 'POST',
          headers,
          body: JSON.stringify(body),
        });
        // What the upstream says of the name is its own affair.
        if (answer.headers['x-relay-attempts'] === '1') served.push([door, name]);
      }
    }
    const listed = Object.keys(CALLS).flatMap((door) =>
      names.filter((name) => lists[door]?.includes(name)).map((name) => [door, name]),
    );
    expect(served.length).toBeGreaterThanOrEqual(16);
    expect(listed).toEqual(served);
  });
});
