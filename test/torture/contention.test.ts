import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { compareBooks, mostAtOnce } from '../support/books.ts';
import { randomFrom, seedOfRun } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import { admin } from '../support/relay.ts';
import { setStage, type Stage } from '../support/stage.ts';
import { lasting, type Load, steadily } from '../support/steady-load.ts';

const SECONDS = Number(process.env['RELAY_TEST_SECONDS'] ?? 600);
const CALLS_A_SECOND = Number(process.env['RELAY_TEST_RATE'] ?? 100);
const REPLICAS = 3;
const PLACES = [2, 3, 5] as const;
const RATE = 120;
const BUDGET_NANOS = 1_000_000_000;

/** What is over its limit, or below zero, at one moment: nothing, ever. */
const OVER = `
  select 'account places' as what, s.id, s.in_use::bigint as counted, a.max_concurrency::bigint as most
    from account_state s join accounts a using (id)
    where s.in_use < 0 or (a.max_concurrency > 0 and s.in_use > a.max_concurrency)
  union all
  select 'key places', s.id, s.in_use, k.max_concurrency from key_state s join api_keys k using (id)
    where s.in_use < 0 or s.in_use > k.max_concurrency
  union all
  select 'team places', s.id, s.in_use, t.max_concurrency from team_state s join teams t using (id)
    where s.in_use < 0 or s.in_use > t.max_concurrency
  union all
  select 'key budget', s.id, s.total_used + s.held, k.budget_total_nanos from key_state s join api_keys k using (id)
    where s.held < 0 or s.total_used < 0 or s.total_used + s.held > k.budget_total_nanos
  union all
  select 'team budget', s.id, s.total_used + s.held, t.budget_total_nanos from team_state s join teams t using (id)
    where s.held < 0 or s.total_used < 0 or s.total_used + s.held > t.budget_total_nanos`;

/** I1, I2 and I4 in their length. RELAY_TEST_SEED repeats a run's random choices. */
describe('three replicas that contend for few places, small rates and budgets', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  let stage: Stage<Simulator>;

  beforeAll(async () => {
    stage = await setStage(startSimulator({ records: 500_000 }), { RELAY_QUEUE_TIMEOUT_MS: '500' }, REPLICAS);
  }, 120_000);
  afterAll(() => stage.close(), 60_000);

  it(
    `are never over any of them, in ${SECONDS} s`,
    async () => {
      const { simulator, database, fleet } = stage;
      for (const [index, maxConcurrency] of PLACES.entries()) {
        const name = `few-${index}`;
        const credentials = { apiKey: `sk-ant-sim-${name}` };
        const account = { name, kind: 'claude', baseUrl: simulator.url, credentials, maxConcurrency };
        await fleet.create('accounts', account);
      }
      const parent = await fleet.create<{ id: string }>('teams', {
        name: 'parent',
        limits: { budgets: [{ period: 'total', usd: '1' }] },
      });
      const team = await fleet.create<{ id: string }>('teams', {
        name: 'team',
        parent: parent.id,
        limits: { concurrency: 4 },
      });
      const limits: readonly object[] = [
        {},
        { limits: { concurrency: 2 } },
        { limits: { requestsPerMinute: RATE } },
        { limits: { budgets: [{ period: 'total', usd: '1' }] } },
        { team: team.id },
        { team: team.id, limits: { concurrency: 3 } },
      ];
      const keys: { id: string; key: string }[] = [];
      for (const more of limits) {
        keys.push(await fleet.create('keys', { name: 'few', scopes: ['claude'], models: ['*'], ...more }));
      }

      let turn = 0;
      const contention: Omit<Load, 'callsPerSecond' | 'goesOn'> = {
        random,
        target: () => ({
          url: fleet.relays[(turn += 1) % REPLICAS]?.url ?? '',
          key: keys[Math.floor(random() * keys.length)]?.key ?? '',
        }),
        ways: ['Claude SSE', 'Claude JSON'],
        deltas: 8,
        everyMs: 20,
      };
      // Replicas that were started a moment ago have opened no connections yet.
      await steadily({ ...contention, callsPerSecond: 10, goesOn: lasting(3_000) });
      const goesOn = lasting(SECONDS * 1_000);
      const load = steadily({ ...contention, callsPerSecond: CALLS_A_SECOND, goesOn });
      const over: unknown[] = [];
      let samples = 0;
      while (goesOn()) {
        over.push(...(await query(database.url, OVER)));
        samples += 1;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const told = await load;
      await eventually(() => expectQuiet(database.url), 60_000);

      for (const [index, most] of PLACES.entries()) {
        const sent = simulator.requests.filter(({ credential }) => credential === `sk-ant-sim-few-${index}`);
        over.push(...(mostAtOnce(sent) > most ? [{ what: 'upstream', index, most: mostAtOnce(sent) }] : []));
      }
      const minutes = await query<{ most: number }>(
        database.url,
        `select count(*)::integer as most from ledger a join ledger b
           on b.key_id = a.key_id and b.admitted_at between a.admitted_at and a.admitted_at + interval '1 minute'
         where a.key_id = $1 group by a.request_id order by 1 desc limit 1`,
        [keys[2]?.id],
      );
      const spent = await query<{ key_id: string; nanos: string }>(
        database.url,
        'select key_id, sum(cost_nanos)::text as nanos from ledger group by 1',
      );
      const spentBy = (index: number): number =>
        Number(spent.find(({ key_id }) => key_id === keys[index]?.id)?.nanos ?? 0);
      const books = await compareBooks(database.url, simulator);
      const proof = await admin(fleet.relays[0]?.url ?? '', 'GET', '/ledger/check');
      const repairs = await fleet.counted('counter_repairs_total');
      const broken = told.filter(({ status }) => status !== 200 && status !== 429 && status !== 402);
      process.stdout.write(
        `contention, ${SECONDS} s, seed ${seed}: ${told.length} calls, ${told.filter(({ whole }) => whole).length} ` +
          `answered, ${broken.length} broken; ${samples} samples, ${over.length} over; ` +
          `most in any minute at ${RATE}/min: ${minutes[0]?.most}; ` +
          `spent of 1 USD: key ${spentBy(3) / 1e9}, team ${(spentBy(4) + spentBy(5)) / 1e9}; ` +
          `${JSON.stringify(books)}; repairs ${repairs}\n`,
      );
      expect({ seed, over: over.slice(0, 5), repairs }).toEqual({ seed, over: [], repairs: 0 });
      // A minute's burst beside the rate itself.
      expect(minutes[0]?.most).toBeLessThanOrEqual(2 * RATE);
      expect(spentBy(3)).toBeLessThanOrEqual(BUDGET_NANOS);
      expect(spentBy(4) + spentBy(5)).toBeLessThanOrEqual(BUDGET_NANOS);
      expect(books).toMatchObject({ lost: 0, doubled: 0, wrong: 0 });
      expect(proof.body).toMatchObject({ differences: [] });
      expect(broken.slice(0, 3)).toEqual([]);
    },
    180_000 + SECONDS * 1_200,
  );
});
