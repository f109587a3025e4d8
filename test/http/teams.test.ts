import { randomUUID } from 'node:crypto';
import { admin, Rehearsal } from '../support/relay.ts';

/** Teams and limits as administrators set them; what they do to calls is in limits.test.ts. */

/** What these routes may answer; a test reads the fields that its route has. */
interface Body {
  readonly id: string;
  readonly limits: object;
  readonly detail: string;
  readonly standing: object;
  readonly items: Body[];
  readonly nextCursor: string | null;
  readonly errors: { readonly field: string; readonly problem: string }[];
}

interface Answer {
  readonly status: number;
  readonly body: Body;
}

const match = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const NONE = { requestsPerMinute: null, tokensPerMinute: null, concurrency: null, budgets: [] };

let rehearsal: Rehearsal;
const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
  admin(rehearsal.url, method, path, body);
const team = async (more: object = {}): Promise<string> =>
  ((await rehearsal.create('teams', { name: `team ${randomUUID()}`, ...more })) as Body).id;
const wrong = ({ status, body }: Answer): unknown[] => [status, ...body.errors.map(({ field }) => field)];

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
});
afterAll(() => rehearsal.close());

describe('a team', () => {
  it('is made bare, shown with what is used, and deleted', async () => {
    const made = await call('POST', '/teams', { name: 'bare' });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: match(/^[0-9a-f-]{36}$/),
      name: 'bare',
      parent: null,
      limits: NONE,
      createdAt: match(/Z$/),
      updatedAt: match(/Z$/),
    });
    expect((await call('GET', `/teams/${made.body.id}`)).body).toEqual({
      ...made.body,
      standing: {
        requestsPerMinute: { limit: null, left: null, resetsAt: null },
        tokensPerMinute: { limit: null, used: null, held: 0, left: null, resetsAt: null },
        concurrency: { limit: null, inUse: 0, left: null },
        budgets: [],
      },
    });
    expect((await call('DELETE', `/teams/${made.body.id}`)).status).toBe(204);
    expect((await call('GET', `/teams/${made.body.id}`)).status).toBe(404);
    expect((await call('POST', '/teams', { name: 'bare' })).status).toBe(201);
    const kept = await rehearsal.sql('select name from teams where id = $1', [made.body.id]);
    expect(kept).toEqual([{ name: 'bare' }]);
  });

  it('takes every field, changes those given, and null takes back', async () => {
    const parent = await team();
    const limits = {
      requestsPerMinute: 1_000_000,
      tokensPerMinute: 1_000_000_000,
      concurrency: 100_000,
      budgets: [
        { period: 'day', usd: '0.000000001' },
        { period: 'month', usd: '999999999.999999999' },
        { period: 'total', usd: '0.00' },
      ],
    };
    const wish = { name: 'Ünï “team” <b>', parent: parent.toUpperCase(), limits };
    const made = await call('POST', '/teams', wish);
    expect(made.body).toMatchObject({ ...wish, parent });
    const path = `/teams/${made.body.id}`;
    const { body: renamed } = await call('PATCH', path, { name: 'renamed', limits: { concurrency: 5 } });
    expect(renamed).toMatchObject({ name: 'renamed', parent, limits: { ...limits, concurrency: 5 } });
    const budgets = [{ period: 'month', usd: '3.00' }];
    expect((await call('PATCH', path, { limits: { budgets } })).body.limits).toEqual({
      ...limits,
      concurrency: 5,
      budgets,
    });
    const bare = await call('PATCH', path, { parent: null, limits: null });
    expect(bare.body).toMatchObject({ name: 'renamed', parent: null, limits: NONE });
    expect((await call('PATCH', path, {})).body).toMatchObject({ name: 'renamed', limits: NONE });
  });

  it('has a name of its own among those that are there', async () => {
    const one = (await rehearsal.create('teams', { name: 'taken' })) as Body;
    const made = await call('POST', '/teams', { name: 'taken' });
    expect(wrong(made)).toEqual([409, 'name']);
    const other = await team();
    expect(wrong(await call('PATCH', `/teams/${other}`, { name: 'taken' }))).toEqual([409, 'name']);
    expect((await call('PATCH', `/teams/${one.id}`, { name: 'taken' })).status).toBe(200);
  });

  it.each([
    ['name', { name: '' }],
    ['name', { name: null }],
    ['parent', { parent: 'x' }],
    ['parent', { parent: randomUUID() }],
    ['parent', { parent: [] }],
    ['team', { team: null }],
    ['standing', { standing: {} }],
    ['path', { path: [] }],
  ])('names %s in %j', async (field, more) => {
    expect(wrong(await call('POST', '/teams', { name: 'wrong', ...more }))).toEqual([400, field]);
    expect(wrong(await call('PATCH', `/teams/${await team()}`, more))).toEqual([400, field]);
  });

  it('is 404 for ids that name none', async () => {
    for (const id of [randomUUID(), 'x', "1'--"]) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const answer = await call(method, `/teams/${id}`, method === 'PATCH' ? {} : undefined);
        expect([id, method, answer.status]).toEqual([id, method, 404]);
      }
    }
  });

  it('is listed with the others, newest first, by pages', async () => {
    const made = [await team(), await team(), await team()].reverse();
    const first = await call('GET', '/teams?limit=2');
    const second = await call('GET', `/teams?limit=2&cursor=${first.body.nextCursor}`);
    const ids = [...first.body.items, ...second.body.items].map(({ id }) => id);
    expect(ids.slice(0, 3)).toEqual(made);
    expect(wrong(await call('GET', '/teams?cursor=forged'))).toEqual([400, 'cursor']);
  });

  it('is not deleted while a key or a team is in it', async () => {
    const above = await team();
    const below = await team({ parent: above });
    const key = await rehearsal.key({ team: below });
    const refused = await call('DELETE', `/teams/${above}`);
    expect([refused.status, refused.body.detail]).toEqual([409, match(/keys \(0\).*teams \(1\)/)]);
    expect((await call('DELETE', `/teams/${below}`)).body.detail).toMatch(/keys \(1\).*teams \(0\)/);
    await call('DELETE', `/keys/${key.id}`);
    expect((await call('DELETE', `/teams/${below}`)).status).toBe(204);
    expect((await call('DELETE', `/teams/${above}`)).status).toBe(204);
    expect(wrong(await call('POST', '/keys', { name: 'late', team: above }))).toEqual([400, 'team']);
    expect(wrong(await call('POST', '/teams', { name: 'late', parent: above }))).toEqual([400, 'parent']);
  });
});

describe('the line above a team', () => {
  const lineOf = async (id: string): Promise<unknown> =>
    (await rehearsal.sql<{ path: string[] }>('select path from teams where id = $1', [id]))[0]?.path;

  it('follows when a team above is moved', async () => {
    const [a, b, c, d] = [await team(), await team(), await team(), await team()];
    await call('PATCH', `/teams/${b}`, { parent: a });
    await call('PATCH', `/teams/${c}`, { parent: b });
    expect(await lineOf(c)).toEqual([c, b, a]);
    await call('PATCH', `/teams/${b}`, { parent: d });
    expect([await lineOf(b), await lineOf(c), await lineOf(a)]).toEqual([[b, d], [c, b, d], [a]]);
    await call('PATCH', `/teams/${b}`, { parent: null });
    expect([await lineOf(b), await lineOf(c)]).toEqual([[b], [c, b]]);
  });

  it('has no circles, whoever tries at the same time', async () => {
    const ids = [await team(), await team(), await team()];
    const [a, b, c] = ids as [string, string, string];
    expect(wrong(await call('PATCH', `/teams/${a}`, { parent: a }))).toEqual([400, 'parent']);
    for (let turn = 0; turn < 5; turn += 1) {
      const answers = await Promise.all([
        call('PATCH', `/teams/${a}`, { parent: b }),
        call('PATCH', `/teams/${b}`, { parent: c }),
        call('PATCH', `/teams/${c}`, { parent: a }),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 400]);
      const lines = (await Promise.all(ids.map(lineOf))) as string[][];
      expect(lines.map((line) => line.length).sort()).toEqual([1, 2, 3]);
      for (const id of ids) await call('PATCH', `/teams/${id}`, { parent: null });
    }
  });

  it('is at most eight long, counted with what hangs below', async () => {
    const line = [await team()];
    for (let level = 2; level <= 8; level += 1) line.push(await team({ parent: line.at(-1) }));
    expect(wrong(await call('POST', '/teams', { name: 'ninth', parent: line.at(-1) }))).toEqual([
      400,
      'parent',
    ]);
    const top = await team();
    expect(wrong(await call('PATCH', `/teams/${line[0]}`, { parent: top }))).toEqual([400, 'parent']);
    expect((await call('PATCH', `/teams/${line[1]}`, { parent: top })).status).toBe(200);
    expect(await lineOf(String(line[7]))).toEqual([...line.slice(1).reverse(), top]);
  });
});

describe('limits', () => {
  let [someKey, someTeam] = ['', ''];
  beforeAll(async () => {
    [someKey, someTeam] = [(await rehearsal.key()).id, await team()];
  });
  const budget = (period: unknown, usd: unknown): object => ({ budgets: [{ period, usd }] });
  it.each<[string, unknown]>([
    ['limits', []],
    ['limits', 'many'],
    ['limits', 5],
    ['limits.requestsPerHour', { requestsPerHour: 5 }],
    ['limits.budget', { budget: '5.00' }],
    ['limits.requestsPerMinute', { requestsPerMinute: 0 }],
    ['limits.requestsPerMinute', { requestsPerMinute: -1 }],
    ['limits.requestsPerMinute', { requestsPerMinute: 1.5 }],
    ['limits.requestsPerMinute', { requestsPerMinute: '60' }],
    ['limits.requestsPerMinute', { requestsPerMinute: 1_000_001 }],
    ['limits.requestsPerMinute', { requestsPerMinute: true }],
    ['limits.tokensPerMinute', { tokensPerMinute: 0 }],
    ['limits.tokensPerMinute', { tokensPerMinute: 1e9 + 1 }],
    ['limits.tokensPerMinute', { tokensPerMinute: [5] }],
    ['limits.concurrency', { concurrency: 0 }],
    ['limits.concurrency', { concurrency: 100_001 }],
    ['limits.budgets', { budgets: {} }],
    ['limits.budgets', { budgets: 'day' }],
    ['limits.budgets.0', { budgets: ['day'] }],
    ['limits.budgets.0.period', budget('week', '1.00')],
    ['limits.budgets.0.period', budget(null, '1.00')],
    ['limits.budgets.0.usd', budget('day', 25)],
    ['limits.budgets.0.usd', budget('day', '-1.00')],
    ['limits.budgets.0.usd', budget('day', '1e3')],
    ['limits.budgets.0.usd', budget('day', '.5')],
    ['limits.budgets.0.usd', budget('day', '1.')],
    ['limits.budgets.0.usd', budget('day', '1.0000000001')],
    ['limits.budgets.0.usd', budget('day', '1000000000')],
    ['limits.budgets.0.usd', budget('day', ' 1.00')],
    ['limits.budgets.0.usd', budget('day', '1.00\n')],
    ['limits.budgets.0.usd', budget('day', null)],
    ['limits.budgets.0.usd', { budgets: [{ period: 'day' }] }],
    ['limits.budgets.0.currency', { budgets: [{ period: 'day', usd: '1.00', currency: 'EUR' }] }],
    [
      'limits.budgets',
      {
        budgets: [
          { period: 'day', usd: '1.00' },
          { period: 'day', usd: '2.00' },
        ],
      },
    ],
    ['limits.budgets', { budgets: Array.from({ length: 4 }, () => ({ period: 'day', usd: '1.00' })) }],
  ])('name %s in %j, on keys as on teams', async (field, limits) => {
    for (const [method, path] of [
      ['POST', '/keys'],
      ['PATCH', `/keys/${someKey}`],
      ['POST', '/teams'],
      ['PATCH', `/teams/${someTeam}`],
    ] as const) {
      expect([path, ...wrong(await call(method, path, { name: 'wrong', limits }))]).toEqual([
        path,
        400,
        field,
      ]);
    }
  });

  it('and the team of a key are set, shown, changed and taken back', async () => {
    const [one, other] = [await team(), await team()];
    const limits = {
      requestsPerMinute: 60,
      tokensPerMinute: 100_000,
      concurrency: 4,
      budgets: [
        { period: 'day', usd: '25.00' },
        { period: 'total', usd: '1000.50' },
      ],
    };
    const { id } = await rehearsal.key({ limits, team: one.toUpperCase() });
    const path = `/keys/${id}`;
    expect((await call('GET', path)).body).toMatchObject({
      limits,
      team: one,
      standing: {
        requestsPerMinute: { limit: 60, left: 60, resetsAt: null },
        tokensPerMinute: { limit: 100_000, used: 0, held: 0, left: 100_000, resetsAt: null },
        concurrency: { limit: 4, inUse: 0, left: 4 },
        budgets: [
          { period: 'day', limit: '25.00', used: '0.00', held: '0.00', left: '25.00' },
          { period: 'total', limit: '1000.50', left: '1000.50', resetsAt: null },
        ],
      },
    });
    const listed = (await call('GET', '/keys?limit=1')).body.items;
    expect(listed).toMatchObject([{ id, limits, team: one }]);
    expect(listed[0]).not.toHaveProperty('standing');
    const moved = await call('PATCH', path, { team: other, limits: { tokensPerMinute: null } });
    expect(moved.body).toMatchObject({ team: other, limits: { ...limits, tokensPerMinute: null } });
    const unknown = randomUUID();
    const refused = await call('PATCH', path, { team: unknown });
    expect(wrong(refused)).toEqual([400, 'team']);
    expect(refused.body.errors[0]?.problem).toContain(unknown);
    for (const value of ['x', 5, [one]]) {
      expect(wrong(await call('PATCH', path, { team: value }))).toEqual([400, 'team']);
    }
    const bare = await call('PATCH', path, { team: null, limits: null });
    expect(bare.body).toMatchObject({ team: null, limits: NONE });
  });
});

describe('the audit of teams', () => {
  it('has a row for every write, with what was and what is', async () => {
    const made = (await call('POST', '/teams', { name: 'audited' })).body;
    await call('PATCH', `/teams/${made.id}`, { limits: { concurrency: 3 } });
    await call('PATCH', `/teams/${made.id}`, { parent: made.id });
    await call('DELETE', `/teams/${made.id}`);
    await call('DELETE', `/teams/${made.id}`);
    const { items } = (await call('GET', '/audit?limit=3')).body;
    const limits = { ...NONE, concurrency: 3 };
    expect(items).toMatchObject([
      { action: 'team.delete', resource: 'team', resourceId: made.id, before: { limits }, after: null },
      { action: 'team.update', resourceId: made.id, before: { limits: NONE }, after: { limits } },
      { action: 'team.create', resourceId: made.id, before: null, after: made },
    ]);
  });
});
