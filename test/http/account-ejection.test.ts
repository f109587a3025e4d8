import { randomUUID } from 'node:crypto';
import { asking, send } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
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

interface Pool {
  readonly key: string;
  readonly accounts: readonly { readonly id: string; readonly credential: string }[];
}

async function poolOf(count: number, more: object = {}): Promise<Pool> {
  const accounts = await Promise.all(
    Array.from({ length: count }, async () => {
      const credential = `sk-ant-sim-${randomUUID()}`;
      const { id } = await rehearsal.claudeAccount({ credentials: { apiKey: credential }, ...more });
      return { id, credential };
    }),
  );
  const { key } = await rehearsal.key({ accounts: accounts.map(({ id }) => id) });
  return { key, accounts };
}

const callsTo = (credential: string): number =>
  rehearsal.simulator.requests.filter((request) => request.credential === credential).length;

const ejected = ({ accounts }: Pool) =>
  rehearsal.sql<{ account_id: string; model_family: string; evidence: string; seconds: number }>(
    `select account_id, model_family, evidence, extract(epoch from until - created_at)::float8 as seconds
       from cooldowns where reason = 'ejected' and account_id = any ($1)`,
    [accounts.map(({ id }) => id)],
  );

const call = ({ key }: Pool, directives = '') =>
  send(rehearsal.url, asking('Claude SSE', key, `${randomUUID()} [[sim: ${directives}]]`));

it('one of five accounts at 50 % 5xx is ejected within ten errors, and returns by itself: U8', async () => {
  const pool = await poolOf(5);
  const [sick] = pool.accounts;
  if (sick === undefined) throw new Error('no account');
  let errors = 0;
  // Every second call at the sick one fails; the others are well.
  for (let turn = 0; turn < 150 && (await ejected(pool)).length === 0; turn += 1) {
    const stop =
      callsTo(sick.credential) % 2 === 0
        ? rehearsal.simulator.plan({ credential: sick.credential, fault: { status: 500 } })
        : () => undefined;
    await call(pool);
    stop();
    errors = rehearsal.simulator.requests.filter(({ status }) => status === 500).length;
  }
  expect(errors).toBeLessThanOrEqual(10);
  const [row] = await ejected(pool);
  expect(row).toMatchObject({ account_id: sick.id, model_family: 'claude-sonnet-5' });
  expect(row?.evidence).toMatch(/^5 of the last (9|1\d) calls failed; the last one: server-error$/);
  expect(row?.seconds).toBeCloseTo(5);

  const before = callsTo(sick.credential);
  for (let turn = 0; turn < 10; turn += 1) expect((await call(pool)).status).toBe(200);
  expect(callsTo(sick.credential)).toBe(before);
  // A well account comes back with the first call that finds it rested.
  await eventually(async () => {
    expect((await call(pool)).status).toBe(200);
    expect(callsTo(sick.credential)).toBeGreaterThan(before);
  }, 50_000);
});

it('at least half of a pool stays, though every account fails: U8', async () => {
  const pool = await poolOf(5);
  const stop = rehearsal.simulator.plan({ path: '/v1/messages', fault: { status: 500 } });
  for (let turn = 0; turn < 60; turn += 1) await call(pool);
  stop();
  expect(await ejected(pool)).toHaveLength(2);
});

it('streams that break and errors told inside of them count as well', async () => {
  for (const directives of ['error=2 status=500', 'reset=2', 'end=2']) {
    const pool = await poolOf(2);
    const [sick] = pool.accounts;
    for (let turn = 0; turn < 12; turn += 1) {
      const stop = rehearsal.simulator.plan({
        credential: sick?.credential ?? '',
        fault: FAULTS[directives] ?? {},
      });
      await call(pool);
      stop();
    }
    expect((await ejected(pool)).map((row) => row.account_id)).toEqual([sick?.id]);
  }
});

it('a limit told inside of a stream is a cooldown at once', async () => {
  const pool = await poolOf(1);
  await call(pool, 'error=2 type=rate_limit_error');
  const rows = await rehearsal.sql('select reason from cooldowns where account_id = $1', [
    pool.accounts[0]?.id,
  ]);
  expect(rows).toEqual([{ reason: 'rate-limit' }]);
});

it('the caller’s own mistakes and an overload that all accounts meet eject nobody', async () => {
  const pool = await poolOf(2);
  for (const directives of ['status=400', 'status=404', 'status=413', 'status=529', 'status=503']) {
    for (let turn = 0; turn < 10; turn += 1) await call(pool, directives);
  }
  expect(await ejected(pool)).toEqual([]);
});

const FAULTS: Readonly<Record<string, Parameters<Rehearsal['simulator']['plan']>[0]['fault']>> = {
  'error=2 status=500': { error: 2, status: 500 },
  'reset=2': { reset: 2 },
  'end=2': { end: 2 },
};
