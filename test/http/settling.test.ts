import pg from 'pg';
import { ConfigWatch } from '../../src/database/config-watch.ts';
import { eventually } from '../support/eventually.ts';
import { admin, Rehearsal } from '../support/relay.ts';

/** A lease is settled whatever happens while it is taken, and nobody waits for the ledger. */

const MODEL = 'claude-sonnet-5';

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

function call(key: string, text: string): Promise<Response> {
  const messages = [{ role: 'user', content: text }];
  return fetch(`${rehearsal.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ model: MODEL, max_tokens: 10, messages }),
  });
}

/** Runs `work` while another session holds a lock on the table. */
async function whileLocked(table: string, mode: string, work: () => Promise<void>): Promise<void> {
  const client = new pg.Client(rehearsal.databaseUrl);
  await client.connect();
  try {
    await client.query(`begin; lock table ${table} in ${mode} mode`);
    await work();
  } finally {
    await client.end();
  }
}

/** Somebody waits for a lock with this statement. */
const waitsIn = (statement: string): Promise<void> =>
  eventually(async () => {
    const rows = await rehearsal.sql(
      `select from pg_stat_activity where wait_event_type = 'Lock' and query like $1`,
      [`%${statement}%`],
    );
    expect(rows).not.toEqual([]);
  }, 2_000);

it.each([
  ['is deleted', (id: string) => admin(rehearsal.url, 'DELETE', `/accounts/${id}`)],
  [
    'loses the model',
    (id: string) =>
      admin(rehearsal.url, 'PATCH', `/accounts/${id}`, { models: { allow: ['claude-haiku-*'] } }),
  ],
])('an account that %s while it is given out is settled all the same', async (_, edit) => {
  const account = await rehearsal.claudeAccount();
  const { key } = await rehearsal.key({ accounts: [account.id] });
  let answer: Promise<Response> | undefined;
  // Admission has read the settings and waits to write its open row; meanwhile they change.
  await whileLocked('open_calls', 'share row exclusive', async () => {
    answer = call(key, 'Hello');
    await waitsIn('admit_bound(');
    expect((await edit(account.id)).status).toBeLessThan(300);
    await rehearsal.replica(0).app.get(ConfigWatch).refresh();
  });
  // 503: its credential is gone with it. 404: the lock was held so long that admission was asked again.
  expect([200, 404, 503]).toContain((await answer)?.status);
  await rehearsal.quiet();
});

it('a refusal is told without waiting for the ledger', async () => {
  const account = await rehearsal.claudeAccount();
  const { key } = await rehearsal.key({ accounts: [account.id] });
  const began = Date.now();
  await whileLocked('ledger', 'access exclusive', async () => {
    const answer = await call(key, '[[sim: html]]');
    expect(answer.status).toBe(502);
    expect(await rehearsal.sql('select from open_calls')).toHaveLength(1);
  });
  expect(Date.now() - began).toBeLessThan(20_000);
});
