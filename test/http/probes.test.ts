import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { Pool } from '../support/pool.ts';
import { Rehearsal } from '../support/relay.ts';

/** An account that comes back from a rest is tried by one call before the others are let in. */

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start({ RELAY_QUEUE_TIMEOUT_MS: '30000' });
  await rehearsal.addReplica();
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

/** The first account's rest of a second, told by its vendor, has just ended. */
async function rested(settings: readonly object[]): Promise<Pool> {
  const pool = await Pool.of(rehearsal, settings);
  const stop = pool.plan(0, { status: 429, retryAfter: '1' });
  await pool.call();
  stop();
  await eventually(async () => {
    const rows = await rehearsal.sql(
      'select from cooldowns where account_id = $1 and until < clock_timestamp()',
      [pool.at(0).id],
    );
    expect(rows).toHaveLength(1);
  });
  return pool;
}

const sentTo = (pool: Pool, index: number) =>
  rehearsal.simulator.requests.filter(({ credential }) => credential === pool.at(index).credential).slice(1);

it('by a call that succeeds, and those of all replicas who waited for it follow', async () => {
  const pool = await rested([{}]);
  const stop = pool.plan(0, { latency: 700 });
  const calls = Array.from({ length: 6 }, (_, at) => pool.call('', {}, at % 2));
  await eventually(() => expect(sentTo(pool, 0)).toHaveLength(1));
  stop();
  expect((await Promise.all(calls)).map(({ answer }) => answer.status)).toEqual(Array(6).fill(200));
  const [probe, ...others] = sentTo(pool, 0);
  expect(others).toHaveLength(5);
  for (const { receivedAt } of others) expect(receivedAt - (probe?.receivedAt ?? 0)).toBeGreaterThan(650);
});

it('by a call that fails: it goes on elsewhere, and the account rests again at once', async () => {
  const pool = await rested([{ priority: 1 }, { priority: 2 }]);
  const stop = pool.plan(0, { status: 500 });
  const called = await pool.call();
  stop();
  expect(called.answer.status).toBe(200);
  await pool.rowsOf(called, 2);
  const rests = await rehearsal.sql(
    'select reason from cooldowns where account_id = $1 order by created_at',
    [pool.at(0).id],
  );
  expect(rests).toEqual([{ reason: 'rate-limit' }, { reason: 'ejected' }]);
  expect(sentTo(pool, 0)).toHaveLength(1);
});

it('by a call whose client leaves: the next one tries', async () => {
  const pool = await rested([{}]);
  const stop = pool.plan(0, { hang: 'head' }, 1);
  const controller = new AbortController();
  const gone = pool.call('', { signal: controller.signal }).catch(() => undefined);
  await eventually(() => expect(sentTo(pool, 0)).toHaveLength(1));
  const next = pool.call('', {}, 1);
  await sleep(200);
  expect(sentTo(pool, 0)).toHaveLength(1);
  controller.abort();
  await gone;
  expect((await next).answer.status).toBe(200);
  stop();
  expect((await pool.call()).answer.status).toBe(200);
});

it('by a call whose own mistake the vendor names: the account is well', async () => {
  const pool = await rested([{}]);
  expect((await pool.call('status=400')).answer.status).toBe(400);
  await eventually(async () => {
    const found = await rehearsal.sql(
      'select from cooldowns where account_id = $1 and proven_at is not null',
      [pool.at(0).id],
    );
    expect(found).toHaveLength(1);
  });
});
