import { randomBytes } from 'node:crypto';
import { startRelay } from '../../src/main.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { query } from '../support/query.ts';
import { admin, Rehearsal, testEnv } from '../support/relay.ts';

const MODEL = 'claude-opus-4-8';

function body(text: string): string {
  return JSON.stringify({
    model: MODEL,
    max_tokens: 100,
    stream: true,
    messages: [{ role: 'user', content: text }],
  });
}

describe('two replicas on one Postgres', () => {
  let rehearsal: Rehearsal;

  beforeAll(async () => {
    rehearsal = await Rehearsal.start();
    await rehearsal.addReplica();
  });
  afterEach(async () => {
    await rehearsal.quiet();
    rehearsal.simulator.clear();
  });
  afterAll(() => rehearsal.close());

  async function call(replica: number, key: string, text: string): Promise<number> {
    const response = await fetch(`${rehearsal.replica(replica).url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
      body: body(text),
    });
    await response.arrayBuffer();
    return response.status;
  }

  it('never have more than 3 requests at an account with 3 places, and use all 3', async () => {
    const account = await rehearsal.claudeAccount({ maxConcurrency: 3 });
    const { key } = await rehearsal.key({ accounts: [account.id] });
    const statuses: number[] = [];
    const worker = async (index: number): Promise<void> => {
      for (let turn = 0; turn < 6; turn += 1) {
        statuses.push(await call(index % 2, key, `${index}.${turn} [[sim: deltas=5 every=4]]`));
      }
    };
    await Promise.all(Array.from({ length: 24 }, (_, index) => worker(index)));

    // Whoever finds them taken waits for its turn.
    const answered = statuses.filter((status) => status === 200).length;
    expect(answered).toBe(144);
    expect(rehearsal.simulator.maxInFlight()).toBe(3);
    expect(rehearsal.simulator.requests).toHaveLength(answered);
    const rows = await rehearsal.ledger(answered);
    expect(rows.filter((row) => row['outcome'] === 'completed')).toHaveLength(answered);
    await admin(rehearsal.url, 'DELETE', `/accounts/${account.id}`);
  });

  it('never run more calls of a key than it has places for', async () => {
    const account = await rehearsal.claudeAccount();
    const { key } = await rehearsal.key({ accounts: [account.id], limits: { concurrency: 2 } });
    const calls = Array.from({ length: 20 }, (_, index) =>
      call(index % 2, key, `k${index} [[sim: deltas=5 every=5]]`),
    );
    expect(new Set(await Promise.all(calls))).toEqual(new Set([200]));
    expect(rehearsal.simulator.maxInFlight()).toBe(2);
    await admin(rehearsal.url, 'DELETE', `/accounts/${account.id}`);
  });

  it('give a client with one place its next call as soon as it has its last answer', async () => {
    const account = await rehearsal.claudeAccount();
    const { key } = await rehearsal.key({ accounts: [account.id], limits: { concurrency: 1 } });
    for (let turn = 0; turn < 10; turn += 1) expect(await call(0, key, `turn ${turn}`)).toBe(200);
    await admin(rehearsal.url, 'DELETE', `/accounts/${account.id}`);
  });

  it('both refuse a key as soon as its revocation has committed on one of them', async () => {
    const account = await rehearsal.claudeAccount();
    const { id, key } = await rehearsal.key({ accounts: [account.id] });
    expect(await call(0, key, 'hello')).toBe(200);
    expect(await call(1, key, 'hello')).toBe(200);
    expect((await admin(rehearsal.replica(0).url, 'POST', `/keys/${id}/revoke`)).status).toBe(201);
    expect(await call(1, key, 'hello')).toBe(401);
    expect(await call(0, key, 'hello')).toBe(401);
    await admin(rehearsal.url, 'DELETE', `/accounts/${account.id}`);
  });

  it('both serve an account as it is after an edit on one of them', async () => {
    const account = await rehearsal.claudeAccount();
    const { key } = await rehearsal.key({ accounts: [account.id] });
    expect(await call(1, key, 'before')).toBe(200);
    const apiKey = `sk-ant-sim-${randomBytes(4).toString('hex')}`;
    await admin(rehearsal.replica(0).url, 'PATCH', `/accounts/${account.id}`, { credentials: { apiKey } });
    expect(await call(1, key, 'after')).toBe(200);
    expect(rehearsal.simulator.requests.at(-1)?.credential).toBe(apiKey);
    await admin(rehearsal.url, 'DELETE', `/accounts/${account.id}`);
  });
});

describe('two replicas that boot on an empty database', () => {
  it('make one schema and one first administrator', async () => {
    const database = await createEmptyDatabase();
    const { adminToken: _none, ...env } = testEnv(database.url);
    const relays = await Promise.all([0, 1].map(() => startRelay({ ...env, adminToken: undefined })));
    try {
      const tokens = relays.flatMap(({ firstAdminToken }) => firstAdminToken ?? []);
      expect(tokens).toHaveLength(1);
      const [token] = tokens;
      for (const { url } of relays)
        expect((await admin(url, 'GET', '/keys', undefined, token)).status).toBe(200);
      const [count] = await query<{ tokens: string; runs: string; twice: string }>(
        database.url,
        `select (select count(*) from admin_tokens) as tokens, (select count(*) from migrations) as runs,
                (select count(*) - count(distinct name) from migrations) as twice`,
      );
      expect(count).toMatchObject({ tokens: '1', twice: '0' });
      expect(Number(count?.runs)).toBeGreaterThan(0);
    } finally {
      await Promise.all(relays.map((relay) => relay.close()));
      await database.drop();
    }
  });
});
