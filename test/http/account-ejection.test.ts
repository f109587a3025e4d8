import { eventually } from '../support/eventually.ts';
import { Pool } from '../support/pool.ts';
import { Rehearsal } from '../support/relay.ts';

/**
 * The vendor's trouble and broken connections are nobody's verdict; an account that has too many of them is taken out
 * for a moment, as long as at least half of the pool stays.
 */

let rehearsal: Rehearsal;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
});
afterEach(async () => {
  await rehearsal.quiet();
  rehearsal.simulator.clear();
});
afterAll(() => rehearsal.close());

const poolOf = (count: number): Promise<Pool> =>
  Pool.of(
    rehearsal,
    Array.from({ length: count }, () => ({})),
  );

const ejected = ({ accounts }: Pool) =>
  rehearsal.sql<{ account_id: string; model_family: string; evidence: string; seconds: number }>(
    `select account_id, model_family, evidence, extract(epoch from until - created_at)::float8 as seconds
       from cooldowns where reason = 'ejected' and account_id = any ($1)`,
    [accounts.map(({ id }) => id)],
  );

it('one of five accounts at 50 % 5xx is ejected within ten errors, and returns by itself: U8', async () => {
  const pool = await poolOf(5);
  let errors = 0;
  // Every second call at the sick one fails; the others are well.
  for (let turn = 0; turn < 150 && (await ejected(pool)).length === 0; turn += 1) {
    const stop = pool.callsTo(0) % 2 === 0 ? pool.plan(0, { status: 500 }) : () => undefined;
    expect((await pool.call()).answer.status).toBe(200);
    stop();
    errors = rehearsal.simulator.requests.filter(({ status }) => status === 500).length;
  }
  expect(errors).toBeLessThanOrEqual(10);
  const [row] = await ejected(pool);
  expect(row).toMatchObject({ account_id: pool.at(0).id, model_family: 'claude-sonnet-5' });
  expect(row?.evidence).toMatch(/^5 of the last (9|1\d) calls failed; the last one: server-error$/);
  expect(row?.seconds).toBeCloseTo(5);

  const before = pool.callsTo(0);
  for (let turn = 0; turn < 10; turn += 1) expect((await pool.call()).answer.status).toBe(200);
  expect(pool.callsTo(0)).toBe(before);
  // A well account comes back with the first call that finds it rested.
  await eventually(async () => {
    expect((await pool.call()).answer.status).toBe(200);
    expect(pool.callsTo(0)).toBeGreaterThan(before);
  }, 50_000);
});

it('at least half of a pool stays, though every account fails: U8', async () => {
  const pool = await poolOf(5);
  const stop = rehearsal.simulator.plan({ path: '/v1/messages', fault: { status: 500 } });
  for (let turn = 0; turn < 60; turn += 1) await pool.call();
  stop();
  expect(await ejected(pool)).toHaveLength(2);
});

it.each([
  ['an error told inside', { error: 2, status: 500 }],
  ['a reset', { reset: 2 }],
  ['an end without the vendor’s own', { end: 2 }],
])('a stream with %s counts as well', async (_, fault) => {
  const pool = await poolOf(2);
  for (let turn = 0; turn < 12; turn += 1) {
    const stop = pool.plan(0, fault);
    await pool.call();
    stop();
  }
  expect((await ejected(pool)).map((row) => row.account_id)).toEqual([pool.at(0).id]);
});

it('a limit told inside of a stream is a cooldown at once', async () => {
  const pool = await poolOf(1);
  await pool.call('error=2 type=rate_limit_error');
  const rows = await rehearsal.sql('select reason from cooldowns where account_id = $1', [pool.at(0).id]);
  expect(rows).toEqual([{ reason: 'rate-limit' }]);
});

it('the caller’s own mistakes and an overload that all accounts meet eject nobody', async () => {
  const pool = await poolOf(2);
  for (const directives of ['status=400', 'status=404', 'status=413', 'status=529', 'status=503']) {
    for (let turn = 0; turn < 10; turn += 1) await pool.call(directives);
  }
  expect(await ejected(pool)).toEqual([]);
});
