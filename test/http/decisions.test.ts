import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually.ts';
import { Pool } from '../support/pool.ts';
import { admin, type CreatedAccount, Rehearsal } from '../support/relay.ts';
import { onWire, type WireAnswer } from '../support/wire-client.ts';

/** What `GET /requests/{id}` says of how the account of each attempt was chosen. */

const MODEL = 'claude-sonnet-5';

interface Decision {
  readonly affinity: { readonly source: string; readonly result: string; readonly account: object | null };
  readonly waitedMs: number | null;
  readonly waitedFor: string | null;
  readonly accounts: readonly {
    readonly account: { readonly id: string; readonly name: string | null };
    readonly tier: number | null;
    readonly taken: boolean;
    readonly reason: string | null;
  }[];
  readonly omitted: number;
}

interface Told {
  readonly attempts: readonly { readonly account: { id: string }; readonly decision: Decision }[];
}

let rehearsal: Rehearsal;
beforeEach(async () => {
  rehearsal = await Rehearsal.start();
});
afterEach(async () => {
  await rehearsal.quiet();
  await rehearsal.close();
});

function call(key: string, text = 'hello', headers: object = {}, more: object = {}): Promise<WireAnswer> {
  return onWire(`${rehearsal.url}/v1/messages`, {
    headers: {
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
      'x-api-key': key,
      ...headers,
    },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: 20,
      messages: [{ role: 'user', content: text }],
      ...more,
    }),
  });
}

async function told(answer: WireAnswer): Promise<Told> {
  expect([answer.status, answer.text]).toEqual([200, expect.anything()]);
  await rehearsal.quiet();
  const found = await admin(
    rehearsal.url,
    'GET',
    `/requests/${String(answer.headers['x-relay-request-id'])}`,
  );
  expect(found.status).toBe(200);
  return found.body as Told;
}

const reasons = (decision: Decision | undefined): Record<string, string | null> =>
  Object.fromEntries((decision?.accounts ?? []).map(({ account, reason }) => [account.id, reason]));

const taken = (decision: Decision | undefined): string[] =>
  (decision?.accounts ?? []).filter((one) => one.taken).map(({ account }) => account.id);

describe('the decision of a request', () => {
  it('tells every account considered, and why it was none', async () => {
    const serving = await rehearsal.claudeAccount({ name: 'serving' });
    const later = await rehearsal.claudeAccount({ priority: 90 });
    const disabled = await rehearsal.claudeAccount({ enabled: false });
    const without = await rehearsal.claudeAccount({ models: { allow: ['claude-haiku-*'] } });
    const stranger = await rehearsal.claudeAccount();
    const accounts = [serving, later, disabled, without].map(({ id }) => id);
    const { key } = await rehearsal.key({ accounts });
    const { attempts } = await told(await call(key));
    expect(attempts).toHaveLength(1);
    const decision = attempts[0]?.decision;
    expect(decision).toMatchObject({ waitedMs: 0, waitedFor: null, omitted: 0 });
    expect(decision?.affinity).toEqual({ source: 'prefix', result: 'new', account: null });
    expect(reasons(decision)).toEqual({
      [serving.id]: null,
      [later.id]: null,
      [disabled.id]: 'disabled',
      [without.id]: 'model',
      [stranger.id]: 'binding',
    });
    expect(decision?.accounts[0]).toEqual({
      account: { id: serving.id, name: 'serving' },
      tier: 0,
      taken: true,
      reason: null,
    });
    expect(taken(decision)).toEqual([serving.id]);
    expect(decision?.accounts.at(-1)).toMatchObject({ account: { id: stranger.id }, tier: null });
  });

  it('tells of each attempt whom it did not ask again, and that a session spilled over', async () => {
    const pool = await Pool.of(rehearsal, [
      { priority: 1 },
      { priority: 5 },
      { priority: 9 },
      { priority: 2 },
    ]);
    const [first, second, third, resting] = pool.accounts.map(({ id }) => id) as [
      string,
      string,
      string,
      string,
    ];
    await rest({ id: resting });
    const session = { 'x-relay-session-id': randomUUID() };
    const began = await told(await call(pool.key, 'hello', session));
    expect(began.attempts[0]?.decision.affinity).toMatchObject({ source: 'header', result: 'new' });
    await eventually(async () => expect(await rehearsal.sql('select from bindings')).toHaveLength(1));
    const stop = pool.plan(0, { status: 429, retryAfter: '60' });
    const { attempts } = await told(await call(pool.key, 'hello', session));
    stop();
    expect(attempts.map(({ account }) => account.id)).toEqual([first, second]);
    const bound = expect.objectContaining({ id: first }) as object;
    expect(attempts.map(({ decision }) => decision.affinity)).toEqual([
      { source: 'header', result: 'hit', account: bound },
      { source: 'header', result: 'spill', account: bound },
    ]);
    expect(attempts.map(({ decision }) => reasons(decision))).toEqual([
      { [first]: null, [resting]: 'cooling', [second]: null, [third]: null },
      { [first]: 'tried', [resting]: 'cooling', [second]: null, [third]: null },
    ]);
    // It rests now, which admission knew.
    const next = await told(await call(pool.key, 'hello', session));
    expect(next.attempts).toHaveLength(1);
    expect(reasons(next.attempts[0]?.decision)).toMatchObject({ [first]: 'cooling', [second]: null });
  });

  it('tells that a lower tier had nobody who could', async () => {
    const [own, shared] = [await rehearsal.claudeAccount(), await rehearsal.claudeAccount()];
    const { key } = await rehearsal.key({ accounts: [own.id], bindingPolicy: 'fallback' });
    await rest(own);
    const { attempts } = await told(await call(key));
    expect(taken(attempts[0]?.decision)).toEqual([shared.id]);
    expect(reasons(attempts[0]?.decision)).toEqual({ [own.id]: 'cooling', [shared.id]: null });
  });

  it('tells of one tier why those of a better priority were not taken', async () => {
    const one = (priority: number, more: object = {}): Promise<CreatedAccount> =>
      rehearsal.claudeAccount({ priority, ...more });
    const gemini = { models: { map: { [MODEL]: 'gemini-2.5-flash' } }, maxConcurrency: 1 };
    const full = await rehearsal.geminiAccount({ priority: 1, ...gemini });
    const fullOrNear = await one(2, { maxConcurrency: 1 });
    const [cooling, parked] = [await one(3), await one(4)];
    const unpriced = await one(5, { models: { map: { [MODEL]: 'claude-unheard-of' } } });
    const serving = await one(6);
    const [coolingToo, later] = [await one(7), await one(8)];
    for (const account of [cooling, coolingToo]) await rest(account);
    await rest(parked, 'infinity');
    const { key } = await rehearsal.key({ limits: { budgets: [{ period: 'day', usd: '100.00' }] } });
    const leaves = new AbortController();
    const hanging = [full, fullOrNear].map(() => hang(key, leaves.signal));
    await eventually(() => expect(rehearsal.simulator.requests).toHaveLength(2));
    const answer = await call(key);
    leaves.abort();
    await Promise.all(hanging);
    const { attempts } = await told(answer);
    const list = [full, fullOrNear, cooling, parked, unpriced, serving, coolingToo, later].map(
      ({ id }) => id,
    );
    expect(attempts[0]?.decision.accounts.map(({ account }) => account.id)).toEqual(list);
    expect(reasons(attempts[0]?.decision)).toEqual({
      [full.id]: 'full',
      [fullOrNear.id]: 'unavailable',
      [cooling.id]: 'cooling',
      [parked.id]: 'parked',
      [unpriced.id]: 'unpriced',
      [serving.id]: null,
      [coolingToo.id]: 'cooling',
      [later.id]: null,
    });
    // What was cleared is not known any more, nor that there was nothing to clear.
    for (const { id } of [cooling, full])
      await admin(rehearsal.url, 'POST', `/accounts/${id}/clear-cooldowns`);
    const again = await told(answer);
    expect(reasons(again.attempts[0]?.decision)).toMatchObject({
      [full.id]: 'unavailable',
      [cooling.id]: 'unavailable',
      [parked.id]: 'parked',
    });
  });

  it('always lists the account taken and the bound one', async () => {
    for (let made = 0; made < 16; made += 1) await rest(await rehearsal.claudeAccount({ priority: 1 }));
    const [bound, second, third] = [
      await rehearsal.claudeAccount({ priority: 5 }),
      await rehearsal.claudeAccount({ priority: 6 }),
      await rehearsal.claudeAccount({ priority: 7 }),
    ];
    const { key } = await rehearsal.key();
    const session = { 'x-relay-session-id': randomUUID() };
    const began = await told(await call(key, 'hello', session));
    expect(taken(began.attempts[0]?.decision)).toEqual([bound.id]);
    expect(began.attempts[0]?.decision).toMatchObject({ omitted: 2 });
    await eventually(async () => expect(await rehearsal.sql('select from bindings')).toHaveLength(1));
    await rest(bound);
    const { decision } = (await told(await call(key, 'hello', session))).attempts[0] ?? {};
    expect(decision?.affinity).toMatchObject({ result: 'spill', account: { id: bound.id } });
    expect(taken(decision)).toEqual([second.id]);
    expect(reasons(decision)).toMatchObject({ [bound.id]: 'cooling', [second.id]: null });
    expect(reasons(decision)).not.toHaveProperty(third.id);
    expect([decision?.accounts.length, decision?.omitted]).toEqual([18, 1]);
  });

  it('tells how long it waited, and what for', async () => {
    const account = await rehearsal.claudeAccount({ maxConcurrency: 1 });
    const { key } = await rehearsal.key({ accounts: [account.id] });
    const leaves = new AbortController();
    const holding = hang(key, leaves.signal);
    await eventually(() => expect(rehearsal.simulator.requests).toHaveLength(1));
    const waiting = call(key);
    await eventually(async () => {
      const answer = await admin(rehearsal.url, 'GET', '/scheduler');
      const { queue } = answer.body as { readonly queue: readonly { readonly oldestMs: number }[] };
      expect(queue[0]?.oldestMs).toBeGreaterThan(50);
    });
    leaves.abort();
    await holding;
    const { attempts } = await told(await waiting);
    expect(attempts[0]?.decision).toMatchObject({ waitedFor: 'accounts-full' });
    expect(attempts[0]?.decision.waitedMs).toBeGreaterThan(50);
  });

  it('tells who cannot say the call, and lists sixteen accounts at most', async () => {
    const claude = await rehearsal.claudeAccount();
    const gemini = await rehearsal.geminiAccount({ models: { map: { [MODEL]: 'gemini-2.5-flash' } } });
    const { key } = await rehearsal.key();
    const tools = [{ type: 'bash_20250124', name: 'bash' }];
    const { attempts } = await told(await call(key, 'hello', {}, { tools }));
    expect(reasons(attempts[0]?.decision)).toEqual({ [claude.id]: null, [gemini.id]: 'unsaid' });
    for (let made = 2; made < 20; made += 1) await rehearsal.claudeAccount({ enabled: false });
    const more = await told(await call(key));
    expect(more.attempts[0]?.decision.accounts).toHaveLength(16);
    expect(more.attempts[0]?.decision.omitted).toBe(4);
    expect(taken(more.attempts[0]?.decision)).toHaveLength(1);
  });
});

const rest = ({ id }: Pick<CreatedAccount, 'id'>, until = new Date(Date.now() + 3_600_000).toISOString()) =>
  rehearsal.sql(
    `insert into cooldowns (id, account_id, reason, evidence, until) values ($1, $2, 'rate-limit', 'HTTP 429', $3)`,
    [randomUUID(), id, until],
  );

/** A call that holds its places until it is left. */
const hang = (key: string, signal: AbortSignal): Promise<unknown> =>
  fetch(`${rehearsal.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: 9,
      messages: [{ role: 'user', content: '[[sim: hang=head]]' }],
    }),
    signal,
  }).catch(() => undefined);
