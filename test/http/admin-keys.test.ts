import { randomUUID } from 'node:crypto';
import { admin, ADMIN_TOKEN, Rehearsal } from '../support/relay.ts';

/** What these routes may answer; a test reads the fields that its route has. */
interface Body {
  readonly id: string;
  readonly name: string;
  readonly key: string;
  readonly prefix: string;
  readonly limits: object;
  readonly revokedAt: string | null;
  readonly updatedAt: string;
  readonly action: string;
  readonly items: Body[];
  readonly nextCursor: string | null;
  readonly errors: { readonly field: string; readonly problem: string }[];
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

const match = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const containing = (text: string): unknown => expect.stringContaining(text);

let rehearsal: Rehearsal;
const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
  admin(rehearsal.url, method, path, body);
const newKey = (more: object = {}): Promise<Body> => rehearsal.key(more) as Promise<Body>;
const newAccount = (): Promise<Body> => rehearsal.claudeAccount() as Promise<Body>;

/** What a key may do, asked where no place is taken. */
const models = async (key: string): Promise<number> =>
  (await fetch(`${rehearsal.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
});
afterAll(() => rehearsal.close());

describe('making a key', () => {
  it('shows the secret once, and stores its digest only', async () => {
    const made = await call('POST', '/keys', { name: 'bare' });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: match(/^[0-9a-f-]{36}$/),
      name: 'bare',
      prefix: made.body.key.slice(0, 9),
      key: match(/^rk_[A-Za-z0-9_-]{43}$/),
      scopes: [],
      models: [],
      accounts: null,
      groups: null,
      bindingPolicy: 'strict',
      limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: null, budgets: [] },
      team: null,
      tags: [],
      enabled: true,
      expiresAt: null,
      revokedAt: null,
      createdAt: match(/Z$/),
      updatedAt: match(/Z$/),
    });
    const { key: _, ...shown } = made.body;
    expect((await call('GET', `/keys/${made.body.id}`)).body).toEqual({
      ...shown,
      standing: expect.anything() as unknown,
    });
    const secrets = await rehearsal.sql<{ length: number }>(
      'select length(digest) from api_key_secrets where key_id = $1',
      [made.body.id],
    );
    expect(secrets).toEqual([{ length: 32 }]);
    const dump = JSON.stringify([
      await rehearsal.sql('select * from api_keys'),
      await rehearsal.sql(`select encode(digest, 'escape'), prefix from api_key_secrets`),
      await rehearsal.sql('select * from audit_log'),
    ]);
    expect(dump).not.toContain(made.body.key);
    expect(dump).not.toContain(made.body.key.slice(9));
    expect(await rehearsal.sql('select in_use from key_state where id = $1', [made.body.id])).toHaveLength(1);
  });

  it('takes every field that is enforced', async () => {
    const account = await newAccount();
    const group = (await rehearsal.create('account-groups', {
      name: 'pool',
      accounts: [account.id],
    })) as Body;
    const wish = {
      name: 'Ünïcode “name” 中文 <script>alert(1)</script>',
      scopes: ['claude', 'gemini', 'openai', 'bedrock'],
      models: ['claude-*', 'gemini-2.5-flash', '*'],
      accounts: [account.id],
      groups: [group.id],
      bindingPolicy: 'fallback',
      limits: { concurrency: 7 },
      tags: ["'; drop table api_keys; --", '=cmd|calc'],
      enabled: false,
      expiresAt: '2999-12-31T23:59:59.000Z',
    };
    const made = await call('POST', '/keys', wish);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject(wish);
    expect((await call('GET', `/keys/${made.body.id}`)).body).toMatchObject(wish);
  });

  it.each([
    ['name', undefined],
    ['name', null],
    ['name', ''],
    ['name', ' padded'],
    ['name', 'x'.repeat(201)],
    ['name', 'a\u0000b'],
    ['name', 'line\nbreak'],
    ['name', 'e\u001b[31mred'],
    ['name', 5],
    ['name', ['a']],
    ['scopes', 'claude'],
    ['scopes', ['claude', 'claude']],
    ['scopes', ['vertex']],
    ['scopes', ['CLAUDE']],
    ['scopes', null],
    ['models', ['a b']],
    ['models', ['']],
    ['models', ['x'.repeat(257)]],
    ['models', { 0: '*' }],
    ['models', null],
    ['accounts', []],
    ['accounts', ['not-a-uuid']],
    ['accounts', 'x'],
    ['groups', []],
    ['groups', ["1' or '1'='1"]],
    ['bindingPolicy', 'loose'],
    ['bindingPolicy', null],
    ['limits', []],
    ['limits', 'many'],
    ['limits.concurrency', { limits: { concurrency: 0 } }],
    ['limits.concurrency', { limits: { concurrency: -1 } }],
    ['limits.concurrency', { limits: { concurrency: 1.5 } }],
    ['limits.concurrency', { limits: { concurrency: '3' } }],
    ['limits.concurrency', { limits: { concurrency: 2 ** 31 } }],
    ['expiresAt', 'tomorrow'],
    ['expiresAt', '2027-02-30T00:00:00Z'],
    ['expiresAt', '2027-01-01'],
    ['expiresAt', 1_900_000_000],
    ['tags', ['a\u0000']],
    ['tags', ['']],
    ['tags', ['a', 'a']],
    ['tags', Array.from({ length: 51 }, (_, i) => `t${i}`)],
    ['tags', null],
    ['enabled', 'true'],
    ['enabled', 1],
    ['enabled', null],
  ])('names %s when it is %j', async (field, value) => {
    const before = await rehearsal.sql('select count(*) from api_keys');
    const wish =
      typeof field === 'string' && field.includes('.')
        ? { name: 'n', ...(value as object) }
        : { name: 'n', [field]: value };
    const made = await call('POST', '/keys', wish);
    expect(made.status).toBe(400);
    expect(made.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(made.body).toMatchObject({ type: 'about:blank', title: 'Bad Request', status: 400 });
    expect(made.body.errors.map(({ field: wrong }) => wrong)).toEqual([field]);
    expect(await rehearsal.sql('select count(*) from api_keys')).toEqual(before);
  });

  it.each([
    ['limits.requestsPerDay', { limits: { concurrency: 1, requestsPerDay: 5 } }],
    ['standing', { standing: {} }],
    ['role', { role: 'admin' }],
    ['id', { id: randomUUID() }],
    ['key', { key: 'rk_mine' }],
    ['revokedAt', { revokedAt: null }],
  ])('refuses %s, which is not enforced or not writable', async (field, more) => {
    const made = await call('POST', '/keys', { name: 'n', ...more });
    expect(made.status).toBe(400);
    expect(made.body.errors).toEqual([
      { field, problem: 'is not a field that this build knows and enforces' },
    ]);
    const key = await newKey();
    const changed = await call('PATCH', `/keys/${key.id}`, more);
    expect(changed.body.errors).toEqual(made.body.errors);
  });

  it('names the ids of accounts and groups that are not there', async () => {
    const gone = randomUUID();
    const account = await newAccount();
    const made = await call('POST', '/keys', { name: 'n', accounts: [account.id, gone], groups: [gone] });
    expect(made.status).toBe(400);
    expect(made.body.errors).toEqual([
      { field: 'accounts', problem: containing(gone) },
      { field: 'groups', problem: containing(gone) },
    ]);
    expect(JSON.stringify(made.body)).not.toContain(account.id);
  });

  it('refuses a body that is no JSON object', async () => {
    for (const body of ['{', '[]', '"x"', 'null', '5', '', '{"name":"a"} x']) {
      const response = await fetch(`${rehearsal.url}/admin/v1/keys`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
        body,
      });
      expect([body, response.status]).toEqual([body, 400]);
      expect(await response.text()).not.toMatch(/\n\s+at |node_modules|token '/);
    }
  });
});

describe('lists of keys', () => {
  it('are paged, newest first, without gaps or repeats while keys come and go', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i += 1) made.push((await newKey({ name: `page-${i}` })).id);
    const all = (await call('GET', '/keys?limit=200')).body.items.map(({ id }) => id);
    expect(all.slice(0, 5)).toEqual(made.reverse());

    const seen: string[] = [];
    let path = '/keys?limit=2';
    for (;;) {
      const page = await call('GET', path);
      expect(page.status).toBe(200);
      seen.push(...page.body.items.map(({ id }) => id));
      await newKey({ name: 'newcomer' });
      if (page.body.nextCursor === null) break;
      path = `/keys?limit=2&cursor=${encodeURIComponent(page.body.nextCursor)}`;
    }
    expect(seen).toEqual(all);
  });

  it.each([
    ['cursor', 'cursor=x'],
    ['cursor', `cursor=${Buffer.from('["\'; drop table api_keys"]').toString('base64url')}`],
    ['limit', 'limit=0'],
    ['limit', 'limit=201'],
    ['limit', 'limit=two'],
    ['limit', 'limit=1.5'],
    ['sort', 'sort=name;drop'],
  ])('name %s in %s', async (field, search) => {
    const page = await call('GET', `/keys?${search}`);
    expect(page.status).toBe(400);
    expect(page.body.errors).toMatchObject([{ field }]);
  });

  it('never show a secret', async () => {
    await newKey();
    const page = await call('GET', '/keys?limit=200');
    expect(page.body.items.every((item) => !('key' in item))).toBe(true);
    expect(JSON.stringify(page.body)).not.toMatch(/rk_[A-Za-z0-9_-]{20}/);
  });
});

describe('changing a key', () => {
  it('changes the fields given and no other; null takes a setting back', async () => {
    const account = await newAccount();
    const { key: _, ...before } = await newKey({
      accounts: [account.id],
      limits: { concurrency: 2 },
      expiresAt: '2999-01-01T00:00:00Z',
      tags: ['a'],
    });
    const renamed = await call('PATCH', `/keys/${before.id}`, { name: 'renamed', limits: {} });
    expect(renamed.status).toBe(200);
    expect(renamed.body).toEqual({ ...before, name: 'renamed', updatedAt: renamed.body.updatedAt });
    const cleared = await call('PATCH', `/keys/${before.id}`, {
      accounts: null,
      groups: null,
      limits: { concurrency: null },
      expiresAt: null,
      tags: [],
      scopes: [],
    });
    expect(cleared.body).toMatchObject({
      name: 'renamed',
      accounts: null,
      limits: { concurrency: null },
      expiresAt: null,
      tags: [],
      scopes: [],
      models: ['*'],
    });
    const limited = await call('PATCH', `/keys/${before.id}`, { limits: { concurrency: 4 } });
    expect(limited.body.limits).toMatchObject({ concurrency: 4 });
    expect((await call('PATCH', `/keys/${before.id}`, { limits: null })).body.limits).toMatchObject({
      concurrency: null,
    });
  });

  it('leaves places taken untouched', async () => {
    const { id } = await newKey({ limits: { concurrency: 3 } });
    await rehearsal.sql('update key_state set in_use = 2 where id = $1', [id]);
    await call('PATCH', `/keys/${id}`, { name: 'busy', limits: { concurrency: 5 } });
    expect(await rehearsal.sql('select in_use from key_state where id = $1', [id])).toEqual([{ in_use: 2 }]);
    await rehearsal.sql('update key_state set in_use = 0 where id = $1', [id]);
  });

  it('is not hindered by an account that was deleted since', async () => {
    const account = await newAccount();
    const { id } = await newKey({ accounts: [account.id] });
    expect((await call('DELETE', `/accounts/${account.id}`)).status).toBe(204);
    expect((await call('PATCH', `/keys/${id}`, { name: 'orphan' })).status).toBe(200);
    expect((await call('PATCH', `/keys/${id}`, { accounts: [account.id] })).status).toBe(400);
  });

  it('is 404 for ids that name no key', async () => {
    for (const id of [randomUUID(), 'x', "1'--", '%00', '..%2f..']) {
      for (const [method, path] of [
        ['GET', ''],
        ['PATCH', ''],
        ['DELETE', ''],
        ['POST', '/rotate'],
        ['POST', '/revoke'],
      ] as const) {
        const answer = await call(method, `/keys/${id}${path}`, method === 'GET' ? undefined : {});
        expect([id, method, answer.status]).toEqual([id, method, 404]);
      }
    }
  });
});

describe('rotating a key', () => {
  it('ends the old secret at once', async () => {
    const { id, key } = await newKey();
    expect(await models(key)).toBe(200);
    const rotated = await call('POST', `/keys/${id}/rotate`);
    expect(rotated.status).toBe(201);
    expect(rotated.body.key).not.toBe(key);
    expect(rotated.body.prefix).toBe(rotated.body.key.slice(0, 9));
    await becomes(() => models(key), 401);
    expect(await models(rotated.body.key)).toBe(200);
  });

  it('lets the old secret work until the overlap is over', async () => {
    const { id, key } = await newKey();
    const rotated = await call('POST', `/keys/${id}/rotate`, { overlapSeconds: 3 });
    expect(await models(key)).toBe(200);
    expect(await models(rotated.body.key)).toBe(200);
    await becomes(() => models(key), 401);
    expect(await models(rotated.body.key)).toBe(200);
    const again = await call('POST', `/keys/${id}/rotate`, { overlapSeconds: 60 });
    expect(await models(rotated.body.key)).toBe(200);
    expect((await call('GET', `/keys/${id}`)).body.prefix).toBe(again.body.prefix);
    const left = await rehearsal.sql('select 1 from api_key_secrets where key_id = $1', [id]);
    expect(left).toHaveLength(2);
  });

  it('names overlapSeconds when it is out of range', async () => {
    const { id } = await newKey();
    for (const overlapSeconds of [-1, 30 * 86_400 + 1, 0.5, '1', null]) {
      const answer = await call('POST', `/keys/${id}/rotate`, { overlapSeconds });
      expect(answer.status).toBe(400);
      expect(answer.body.errors).toMatchObject([{ field: 'overlapSeconds' }]);
    }
  });
});

describe('ending a key', () => {
  it('revokes it for good', async () => {
    const { id, key } = await newKey();
    expect(await models(key)).toBe(200);
    const revoked = await call('POST', `/keys/${id}/revoke`);
    expect(revoked.status).toBe(201);
    expect(revoked.body.revokedAt).toMatch(/Z$/);
    await becomes(() => models(key), 401);
    expect((await call('POST', `/keys/${id}/revoke`)).body.revokedAt).toBe(revoked.body.revokedAt);
    expect((await call('POST', `/keys/${id}/rotate`)).status).toBe(409);
    expect((await call('PATCH', `/keys/${id}`, { enabled: true })).body.revokedAt).toBe(
      revoked.body.revokedAt,
    );
    expect(await models(key)).toBe(401);
  });

  it('deletes it, and keeps its name for reports', async () => {
    const { id, key } = await newKey({ name: 'to be remembered' });
    expect((await call('DELETE', `/keys/${id}`)).status).toBe(204);
    await becomes(() => models(key), 401);
    expect((await call('GET', `/keys/${id}`)).status).toBe(404);
    const listed = (await call('GET', '/keys?limit=200')).body.items;
    expect(listed.some((item) => item.id === id)).toBe(false);
    expect(
      await rehearsal.sql('select name, deleted_at is not null as deleted from api_keys where id = $1', [id]),
    ).toEqual([{ name: 'to be remembered', deleted: true }]);
    expect(await rehearsal.sql('select 1 from api_key_secrets where key_id = $1', [id])).toEqual([]);
  });

  it('disables it, and enables it again', async () => {
    const { id, key } = await newKey();
    await call('PATCH', `/keys/${id}`, { enabled: false });
    await becomes(() => models(key), 401);
    await call('PATCH', `/keys/${id}`, { enabled: true });
    await becomes(() => models(key), 200);
  });
});

describe('the audit', () => {
  it('has a row for every write, with what was and what is, and no secret', async () => {
    const { id, key } = await newKey({ name: 'audited' });
    await call('PATCH', `/keys/${id}`, { name: 'changed' });
    const rotated = await call('POST', `/keys/${id}/rotate`);
    await call('POST', `/keys/${id}/revoke`);
    await call('DELETE', `/keys/${id}`);
    await call('PATCH', `/keys/${id}`, { name: 'too late' });

    const page = await call('GET', '/audit?limit=5');
    const rows = page.body.items;
    expect(rows.map((row) => row.action)).toEqual([
      'key.delete',
      'key.revoke',
      'key.rotate',
      'key.update',
      'key.create',
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({
        resource: 'key',
        resourceId: id,
        actor: containing('RELAY_ADMIN_TOKEN'),
      });
    }
    const [deleted, revoked, rotation, update, creation] = rows;
    expect(creation).toMatchObject({ before: null, after: { name: 'audited', prefix: key.slice(0, 9) } });
    expect(update).toMatchObject({ before: { name: 'audited' }, after: { name: 'changed' } });
    expect(rotation).toMatchObject({
      before: { prefix: key.slice(0, 9) },
      after: { prefix: rotated.body.prefix },
    });
    expect(revoked).toMatchObject({ before: { revokedAt: null }, after: { revokedAt: match(/Z$/) } });
    expect(deleted).toMatchObject({ before: { name: 'changed' }, after: null });
    const text = JSON.stringify(rows);
    for (const secret of [key, rotated.body.key]) expect(text).not.toContain(secret.slice(9));
  });

  it('is paged without gaps', async () => {
    const whole = (await call('GET', '/audit?limit=200')).body.items;
    const seen: unknown[] = [];
    let cursor: string | null = '';
    while (cursor !== null && seen.length < 20) {
      const page: Answer = await call('GET', `/audit?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.body.items);
      cursor = page.body.nextCursor;
    }
    expect(seen).toEqual(whole.slice(0, seen.length));
    expect((await call('GET', '/audit?cursor=forged')).body.errors).toMatchObject([{ field: 'cursor' }]);
  });
});

async function becomes(look: () => Promise<number>, wanted: number, withinMs = 25_000): Promise<void> {
  const until = Date.now() + withinMs;
  let seen = await look();
  while (seen !== wanted && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    seen = await look();
  }
  expect(seen).toBe(wanted);
}
