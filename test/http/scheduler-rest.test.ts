import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually.ts';
import {
  admin,
  type AdminAnswer,
  type CreatedAccount,
  type CreatedKey,
  Rehearsal,
} from '../support/relay.ts';

/** What administrators are told of choices and of what is held; each told choice is held against a real one. */
const MODEL = 'claude-sonnet-4-5';

interface Explained {
  readonly account: { readonly id: string; readonly name: string };
  readonly eligible: boolean;
  readonly position: number | null;
  readonly reason: string | null;
  readonly evidence: string | null;
  readonly until: string | null;
  readonly tier: number | null;
  readonly lean: boolean;
  readonly inUse: number | null;
}

interface Explanation {
  readonly affinity: { readonly result: string | null; readonly account: { readonly id: string } | null };
  readonly chosen: { readonly id: string } | null;
  readonly refusal: string | null;
  readonly retryAfterMs: number | null;
  readonly exhausted: object[];
  readonly accounts: Explained[];
}

let rehearsal: Rehearsal;

beforeEach(async () => {
  rehearsal = await Rehearsal.start({ RELAY_QUEUE_TIMEOUT_MS: '5000' });
});
afterEach(async () => {
  await rehearsal.quiet();
  await rehearsal.close();
});

async function explain(key: CreatedKey, more: object = {}, replica = 0): Promise<Explanation> {
  const question = { keyId: key.id, door: 'claude', model: MODEL, ...more };
  const answer = await admin(rehearsal.replica(replica).url, 'POST', '/scheduler/explain', question);
  expect(answer.status).toBe(201);
  return answer.body as Explanation;
}

const reasons = ({ accounts }: Explanation): Record<string, string | null> =>
  Object.fromEntries(accounts.map(({ account, reason }) => [account.id, reason]));

const order = ({ accounts }: Explanation): string[] =>
  accounts.filter(({ eligible }) => eligible).map(({ account }) => account.id);

function call(key: CreatedKey, text = 'hello', signal?: AbortSignal, sessionId?: string): Promise<Response> {
  return fetch(`${rehearsal.url}/v1/messages`, {
    method: 'POST',
    headers: {
      'x-api-key': key.key,
      'anthropic-version': '2023-06-01',
      ...(sessionId !== undefined && { 'x-relay-session-id': sessionId }),
    },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: 20,
      stream: true,
      messages: [{ role: 'user', content: text }],
    }),
    ...(signal && { signal }),
  });
}

/** The account of a call that begins like no other, so that it is of no session but the one that is named. */
async function served(key: CreatedKey, sessionId?: string): Promise<unknown> {
  expect(await (await call(key, randomUUID(), undefined, sessionId)).text()).toContain('message_stop');
  return (await rehearsal.lastRow())['account_id'];
}

const cool = (account: CreatedAccount, until: string, family: string | null = null): Promise<unknown> =>
  rehearsal.sql(
    `insert into cooldowns (id, account_id, model_family, reason, evidence, until)
      values ($1, $2, $3, 'rate-limit', 'HTTP 429', now() + $4::interval)`,
    [randomUUID(), account.id, family, until],
  );

describe('POST /scheduler/explain', () => {
  it('says of each account why it would not serve, and in which order the others would', async () => {
    const allow = { models: { allow: ['claude-*'] } };
    const [second, first] = [
      await rehearsal.claudeAccount({ ...allow, priority: 20 }),
      await rehearsal.claudeAccount({ ...allow, priority: 10 }),
    ];
    const [cooling, parked, other] = [
      await rehearsal.claudeAccount(allow),
      await rehearsal.claudeAccount(allow),
      await rehearsal.claudeAccount(allow),
    ];
    await cool(cooling, '1 hour', MODEL);
    await cool(parked, 'infinity');
    await cool(other, '1 hour', 'claude-opus-4-8');
    const probing = await rehearsal.claudeAccount(allow);
    await cool(probing, '-1 second');
    await rehearsal.sql(
      `update cooldowns set probe_until = now() + interval '1 minute' where account_id = $1`,
      [probing.id],
    );
    const full = await rehearsal.claudeAccount({ ...allow, maxConcurrency: 1 });
    await rehearsal.sql('update account_state set in_use = 1 where id = $1', [full.id]);
    const disabled = await rehearsal.claudeAccount({ enabled: false });
    const without = await rehearsal.claudeAccount({ models: { allow: ['claude-haiku-*'] } });
    const key = await rehearsal.key();
    const before = await rehearsal.sql('select * from account_state order by id');

    const told = await explain(key);
    expect(told).toMatchObject({
      refusal: null,
      retryAfterMs: null,
      exhausted: [],
      chosen: { id: first.id },
    });
    expect(order(told)).toEqual([first.id, second.id, other.id]);
    expect(reasons(told)).toEqual({
      [first.id]: null,
      [second.id]: null,
      [other.id]: null,
      [cooling.id]: 'cooling',
      [parked.id]: 'parked',
      [full.id]: 'full',
      [probing.id]: 'probing',
      [disabled.id]: 'disabled',
      [without.id]: 'model',
    });
    const of = (account: CreatedAccount) => told.accounts.find((one) => one.account.id === account.id);
    expect(of(first)).toMatchObject({ position: 1, tier: 0, inUse: 0 });
    expect(of(cooling)).toMatchObject({ position: null, evidence: 'HTTP 429', until: /Z$/ });
    expect(of(parked)).toMatchObject({ evidence: 'HTTP 429', until: null });
    expect(of(full)).toMatchObject({ inUse: 1 });

    expect(await rehearsal.sql('select * from account_state order by id')).toEqual(before);
    expect(await rehearsal.sql('select id, in_use, tat from key_state')).toEqual([
      { id: key.id, in_use: 0, tat: '0' },
    ]);
    await rehearsal.sql('update account_state set in_use = 0');
  });

  it('chooses what a real call then gets, for bindings, weights and turns', async () => {
    const pool = [
      await rehearsal.claudeAccount({ weight: 2 }),
      await rehearsal.claudeAccount(),
      await rehearsal.claudeAccount({ maxConcurrency: 3 }),
    ];
    const group = (await rehearsal.create('account-groups', { name: 'pool', accounts: [pool[2]?.id] })) as {
      id: string;
    };
    const free = await rehearsal.key();
    const chained = await rehearsal.key({
      accounts: [pool[1]?.id],
      groups: [group.id],
      bindingPolicy: 'fallback',
    });
    const strict = await rehearsal.key({ groups: [group.id] });
    const seen = new Set<unknown>();
    for (let turn = 0; turn < 12; turn += 1) {
      const key = [free, free, chained, strict][turn % 4] ?? free;
      if (turn === 3) {
        await rehearsal.sql(
          `update account_state set lean = jsonb_build_object($2::text,
             (extract(epoch from now() + interval '1 hour') * 1000000)::bigint) where id = $1`,
          [pool[0]?.id, MODEL],
        );
      }
      if (turn === 6) await cool(pool[1] as CreatedAccount, '1 hour');
      const told = await explain(key);
      expect(order(told)[0]).toBe(told.chosen?.id);
      expect(await served(key)).toBe(told.chosen?.id);
      seen.add(told.chosen?.id);
      expect(told.accounts.filter(({ lean }) => lean)).toHaveLength(turn < 3 || key === strict ? 0 : 1);
    }
    expect(seen.size).toBe(3);
    expect(reasons(await explain(strict))).toMatchObject({ [pool[0]?.id ?? '']: 'binding' });
    const tiers = (await explain(chained)).accounts.map(({ account, tier }) => [account.id, tier]);
    expect(Object.fromEntries(tiers)).toEqual({
      [pool[0]?.id ?? '']: 2,
      [pool[1]?.id ?? '']: 0,
      [pool[2]?.id ?? '']: 1,
    });
  });

  it('tells what the key itself would be refused with', async () => {
    const account = await rehearsal.claudeAccount({ models: { allow: ['claude-*', 'of-no-price'] } });
    const disabled = await rehearsal.key({ enabled: false });
    expect(await explain(disabled)).toMatchObject({ refusal: 'key-unusable', chosen: null });
    const narrow = await rehearsal.key({ scopes: ['gemini'], models: ['gemini-*'] });
    expect(await explain(narrow)).toMatchObject({ refusal: 'door-closed', chosen: null });
    const unknown = await explain(narrow, { door: 'gemini' });
    expect([unknown.refusal, reasons(unknown)]).toEqual(['model-unknown', { [account.id]: 'key-models' }]);
    const bedrock = await explain(await rehearsal.key(), { door: 'bedrock' });
    expect([bedrock.refusal, reasons(bedrock)]).toEqual(['model-unknown', { [account.id]: 'dialect' }]);

    const rated = await rehearsal.key({ limits: { requestsPerMinute: 1 } });
    await served(rated);
    const late = await explain(rated);
    expect(late).toMatchObject({ refusal: 'requests-rate', chosen: null });
    expect(late.retryAfterMs).toBeGreaterThan(20_000);
    expect(late.exhausted).toEqual([{ of: 'key', limit: 'requestsPerMinute' }]);
    expect(order(late)).toEqual([account.id]);

    const budgets = [{ period: 'month', usd: '0' }];
    const team = (await rehearsal.create('teams', { name: 'spent', limits: { budgets } })) as { id: string };
    const poor = await explain(await rehearsal.key({ team: team.id }));
    expect(poor).toMatchObject({ refusal: 'budget-spent', exhausted: [{ of: 'spent', limit: 'month' }] });
    const rich = await rehearsal.key({ limits: { budgets: [{ period: 'day', usd: '5.00' }] } });
    const unpriced = await explain(rich, { model: 'of-no-price' });
    expect([unpriced.refusal, reasons(unpriced)]).toEqual(['unpriced', { [account.id]: 'unpriced' }]);
    expect(await explain(rich)).toMatchObject({ refusal: null, chosen: { id: account.id } });
  });

  it('puts the account of a session first, and tells when it would not be taken', async () => {
    const [better, worse] = [
      await rehearsal.claudeAccount({ priority: 1 }),
      await rehearsal.claudeAccount({ priority: 9 }),
    ];
    const key = await rehearsal.key();
    const sessionId = randomUUID();
    expect((await explain(key)).affinity).toEqual({ result: 'none', account: null });
    expect((await explain(key, { sessionId })).affinity).toEqual({ result: 'new', account: null });
    await admin(rehearsal.url, 'PATCH', `/accounts/${better.id}`, { enabled: false });
    expect(await served(key, sessionId)).toBe(worse.id);
    await admin(rehearsal.url, 'PATCH', `/accounts/${better.id}`, { enabled: true });
    await eventually(async () => expect(await rehearsal.sql('select from bindings')).toHaveLength(1));

    const told = await explain(key, { sessionId });
    expect(told).toMatchObject({
      chosen: { id: worse.id },
      affinity: { result: 'hit', account: { id: worse.id } },
    });
    expect(order(told)).toEqual([worse.id, better.id]);
    expect(await served(key, sessionId)).toBe(worse.id);
    expect((await explain(key, { sessionId: 'another' })).chosen).toMatchObject({ id: better.id });
    await cool(worse, '1 hour');
    expect(await explain(key, { sessionId })).toMatchObject({
      chosen: { id: better.id },
      affinity: { result: 'spill', account: { id: worse.id } },
    });
    await cool(worse, 'infinity');
    expect((await explain(key, { sessionId })).affinity.result).toBe('rebound');
    await cool(better, '1 hour');
    const refused = await explain(key, { sessionId });
    expect([refused.chosen, refused.affinity]).toMatchObject([
      null,
      { result: null, account: { id: worse.id } },
    ]);
  });

  it('knows what was changed on another replica a moment ago', async () => {
    await rehearsal.addReplica();
    const key = await rehearsal.key();
    expect(await explain(key, {}, 1)).toMatchObject({ refusal: 'model-unknown', accounts: [] });
    const account = await rehearsal.claudeAccount();
    expect(await explain(key, {}, 1)).toMatchObject({ chosen: { id: account.id } });
    await admin(rehearsal.url, 'PATCH', `/accounts/${account.id}`, { enabled: false });
    expect(reasons(await explain(key, {}, 1))).toEqual({ [account.id]: 'disabled' });
  });

  it('names what it cannot answer for', async () => {
    const key = await rehearsal.key();
    for (const [field, more] of [
      ['keyId', { keyId: 'x' }],
      ['keyId', { keyId: randomUUID() }],
      ['door', { door: 'vertex' }],
      ['model', { model: 'a b' }],
      ['lane', { lane: 'count' }],
      ['sessionId', { sessionId: ' ' }],
      ['sessionId', { sessionId: 'ü'.repeat(257) }],
    ] as const) {
      const question = { keyId: key.id, door: 'claude', model: MODEL, ...more };
      const answer = await admin(rehearsal.url, 'POST', '/scheduler/explain', question);
      expect([answer.status, (answer.body as { errors: object[] }).errors]).toMatchObject([400, [{ field }]]);
    }
  });
});

describe('GET /scheduler', () => {
  const look = async (): Promise<AdminAnswer['body']> =>
    (await admin(rehearsal.url, 'GET', '/scheduler')).body as object;

  it('shows open and waiting calls, replicas and rests', async () => {
    await rehearsal.addReplica();
    const account = await rehearsal.claudeAccount();
    const resting = await rehearsal.claudeAccount({ models: { allow: ['nothing'] } });
    await cool(resting, '1 hour');
    const gone = randomUUID();
    await rehearsal.sql(
      `insert into replicas (epoch, beat, dead_at) values ($1, now() - interval '1 minute', now())`,
      [gone],
    );
    const key = await rehearsal.key({ name: 'busy', limits: { concurrency: 1 } });
    const leaving = new AbortController();
    const open = await call(key, '[[sim: deltas=500 every=50]]', leaving.signal);
    expect(open.status).toBe(200);
    const waiting = call(key, 'waits');
    await eventually(async () => {
      expect(await look()).toMatchObject({
        queue: [{ key: { id: key.id, name: 'busy' }, lane: 'generate', calls: 1 }],
      });
    });
    const told = (await look()) as { leases: { groups: { oldestMs: number }[] }; replicas: object[] };
    expect(told).toMatchObject({
      leases: {
        calls: 1,
        groups: [
          {
            key: { id: key.id, name: 'busy' },
            account: { id: account.id, name: account.name },
            lane: 'generate',
            calls: 1,
          },
        ],
      },
      cooldowns: [{ account: { id: resting.id }, cooldowns: [{ reason: 'rate-limit', scope: 'account' }] }],
    });
    expect(told.leases.groups[0]?.oldestMs).toBeGreaterThanOrEqual(0);
    expect(told.replicas).toHaveLength(3);
    expect(told.replicas).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ state: 'alive', self: true, calls: 1, endedAt: null }),
        expect.objectContaining({
          state: 'alive',
          self: false,
          calls: 0,
          host: expect.any(String) as unknown,
        }),
        expect.objectContaining({ epoch: gone, state: 'dead', host: null, self: false }),
      ]),
    );
    leaving.abort();
    await expect(open.text()).rejects.toThrow(/abort/);
    expect(await (await waiting).text()).toContain('message_stop');
    await rehearsal.quiet();
    expect(await look()).toMatchObject({ leases: { calls: 0, groups: [] }, queue: [] });
  });
});
