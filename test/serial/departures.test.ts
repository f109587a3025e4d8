import {
  type Departed,
  depart,
  departures,
  heardOthers,
  randomFrom,
  seedOfRun,
  textReceived,
} from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

/** `npm run test:torture` has 100,000. */
const CLIENTS = Number(process.env['RELAY_TEST_CLIENTS'] ?? 1_000);
/** Looked at together, so that the test itself keeps little. */
const AT_A_TIME = 1_000;
const AT_ONCE = 40;

interface Booked {
  readonly id: string;
  readonly outcome: string;
  readonly paid: boolean;
}

/** C2 and I9 at their full length. RELAY_TEST_SEED repeats a run. */
describe('clients that leave at random moments', () => {
  let rehearsal: Rehearsal;

  beforeAll(async () => {
    rehearsal = await Rehearsal.start();
  });
  afterAll(() => rehearsal.close());

  const rowsOf = (all: readonly Departed[]): Promise<Booked[]> =>
    eventually(async () => {
      const rows = await rehearsal.sql<Booked>(
        `select client_request_id as id, outcome, coalesce(cost_nanos, 0) > 0 as paid from ledger
          where client_request_id = any ($1)`,
        [all.map(({ asking }) => asking.clientRequestId)],
      );
      expect(rows.length).toBeGreaterThanOrEqual(all.length);
      return rows;
    }, 20_000);

  it(
    `C2 I9: leave ${CLIENTS} rows, nothing else behind, and hear nothing of each other`,
    async () => {
      await Promise.all([rehearsal.claudeAccount(), rehearsal.geminiAccount(), rehearsal.openaiAccount()]);
      const { key } = (await rehearsal.key()) as { key: string };
      const seed = seedOfRun();
      const random = randomFrom(seed);
      const outcomes = new Map<string, number>();
      let [rows, ids, told, unpaid, foreign] = [0, 0, 0, 0, 0];
      for (let left = CLIENTS; left > 0; left -= AT_A_TIME) {
        const some = departures(Math.min(left, AT_A_TIME), random, key);
        const all = await depart(rehearsal, some, AT_ONCE);
        const booked = await rowsOf(all);
        const byId = new Map(booked.map((row) => [row.id, row]));
        const hearing = all.filter((one) => textReceived(one) !== '');
        rows += booked.length;
        ids += byId.size;
        told += hearing.length;
        unpaid += hearing.filter(({ asking }) => byId.get(asking.clientRequestId)?.paid !== true).length;
        foreign += all.filter(heardOthers).length;
        for (const { outcome } of booked) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const inFlight = rehearsal.simulator.inFlight();
      await eventually(() => rehearsal.quiet());
      const { usedAfterCut } = rehearsal.simulator;
      process.stdout.write(
        [
          `departures: ${CLIENTS}, seed ${seed}`,
          `rows: ${rows} (${[...outcomes].map(([name, of]) => `${name} ${of}`).join(', ')})`,
          `clients told something: ${told}, of which not charged: ${unpaid}, told what was not theirs: ${foreign}`,
          `in flight at the simulator a second later: ${inFlight}`,
          `cut sockets used again: ${usedAfterCut}`,
          '',
        ].join('\n'),
      );
      const others = [...outcomes.keys()].filter((name) => name !== 'client-left' && name !== 'completed');
      expect({ seed, rows, ids, others, unpaid, foreign, inFlight, usedAfterCut }).toEqual({
        seed,
        rows: CLIENTS,
        ids: CLIENTS,
        others: [],
        unpaid: 0,
        foreign: 0,
        inFlight: 0,
        usedAfterCut: 0,
      });
      expect(told).toBeGreaterThan(CLIENTS / 4);
      expect(outcomes.get('client-left')).toBeGreaterThan(CLIENTS / 2);
    },
    120_000 + CLIENTS * 100,
  );
});
