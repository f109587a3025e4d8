import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually.ts';
import { admin, type CreatedKey, Rehearsal } from '../support/relay.ts';
import { onWire, type WireAnswer } from '../support/wire-client.ts';

/** What a team may spend, over two relays. claude-sonnet-4-5 costs 3 USD a million tokens in, 15 out. */
const CLAUDE = 'claude-sonnet-4-5';

let rehearsal: Rehearsal;
let claude: string;

beforeAll(async () => {
  rehearsal = await Rehearsal.start();
  await rehearsal.addReplica();
  claude = (await rehearsal.claudeAccount()).id;
});
afterEach(() => rehearsal.quiet());
afterAll(() => rehearsal.close());

const budget = (usd: string) => ({ limits: { budgets: [{ period: 'total', usd }] } });
const team = async (name: string, more: object): Promise<string> =>
  ((await rehearsal.create('teams', { name, ...more })) as { id: string }).id;

describe('a budget over two relays', () => {
  const call = (key: CreatedKey, relay: number, directive: string): Promise<WireAnswer> =>
    onWire(`${rehearsal.replica(relay).url}/v1/messages`, {
      headers: { 'x-api-key': key.key, 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({
        model: CLAUDE,
        max_tokens: 100,
        messages: [{ role: 'user', content: `Hello[[sim: ${directive}]]` }],
      }),
    });
  const holder = async (usd: string) => {
    const own = await team(`two relays ${randomUUID()}`, budget(usd));
    return { key: await rehearsal.key({ team: own, accounts: [claude] }), team: own };
  };
  const state = async (id: string): Promise<{ used: number; held: number }> => {
    const [row] = await rehearsal.sql<{ used: number; held: number }>(
      'select total_used::integer as used, held::integer as held from team_state where id = $1',
      [id],
    );
    return row ?? { used: 0, held: 0 };
  };

  it('I2 is never exceeded by calls that cost no more than their estimate, and is used up', async () => {
    const { key, team: id } = await holder('0.02');
    const statuses: number[] = [];
    let calling = true;
    const samples: number[] = [];
    const watching = (async () => {
      while (calling) {
        const { used, held } = await state(id);
        samples.push(used + held);
      }
    })();
    await Promise.all(
      Array.from({ length: 8 }, async (_, at) => {
        for (;;) {
          const { status } = await call(key, at % 2, 'input-tokens=20 output-tokens=95');
          statuses.push(status);
          if (status === 402) return;
          if (status === 429) await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }),
    );
    calling = false;
    await watching;
    await rehearsal.quiet();
    const cost = 20 * 3_000 + 95 * 15_000;
    const { used } = await state(id);
    expect(used).toBe(statuses.filter((status) => status === 200).length * cost);
    expect(Math.max(...samples, used)).toBeLessThanOrEqual(20_000_000);
    expect(used).toBeGreaterThan(20_000_000 - 2 * cost);
    const check = await admin(rehearsal.url, 'GET', '/ledger/check');
    expect(check.body).toMatchObject({ proven: true, differences: [] });
  });

  it('is proven by GET /ledger/check, which tells what differs', async () => {
    const { team: id } = await holder('0.02');
    const change = (by: number) =>
      rehearsal.sql(
        `insert into team_state (id, total_used) values ($1, $2)
          on conflict (id) do update set total_used = team_state.total_used + $2`,
        [id, by],
      );
    await change(7);
    const check = await admin(rehearsal.url, 'GET', '/ledger/check');
    await change(-7);
    expect(check.status).toBe(200);
    expect(check.body).toMatchObject({
      proven: false,
      differences: [{ counter: 'team total', id, counted: 7, proven: 0 }],
    });
    expect((await admin(rehearsal.url, 'GET', '/ledger/check')).body).toMatchObject({ proven: true });
  });

  it('I3 is exceeded by no more than what its calls in flight cost beyond their estimate', async () => {
    const { key, team: id } = await holder('0.02');
    const open = Array.from({ length: 4 }, (_, at) =>
      call(key, at % 2, 'latency=1500 input-tokens=5000 output-tokens=10'),
    );
    const holds = await eventually(async () => {
      const rows = await rehearsal.sql<{ hold: number }>(
        'select hold_nanos::integer as hold from open_calls where key_id = $1',
        [key.id],
      );
      expect(rows).toHaveLength(4);
      return rows.map(({ hold }) => hold);
    });
    expect((await Promise.all(open)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await rehearsal.quiet();
    const cost = 5_000 * 3_000 + 10 * 15_000;
    const { used } = await state(id);
    expect(used).toBe(4 * cost);
    expect(used).toBeGreaterThan(20_000_000);
    expect(used - 20_000_000).toBeLessThanOrEqual(holds.reduce((sum, hold) => sum + cost - hold, 0));
    for (const relay of [0, 1]) expect((await call(key, relay, '')).status).toBe(402);
  });
});
