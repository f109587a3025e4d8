import { depart, departures, randomFrom, seedOfRun, textReceived } from '../support/departures.ts';
import { eventually } from '../support/eventually.ts';
import { Rehearsal } from '../support/relay.ts';

const CLIENTS = 1_000;

/** C2 at its full length. RELAY_TEST_SEED repeats a run. */
describe('a thousand clients that leave at random moments', () => {
  let rehearsal: Rehearsal;

  beforeAll(async () => {
    rehearsal = await Rehearsal.start();
  });
  afterAll(() => rehearsal.close());

  it('leave a thousand rows, and nothing else behind', async () => {
    await Promise.all([rehearsal.claudeAccount(), rehearsal.geminiAccount(), rehearsal.openaiAccount()]);
    const { key } = (await rehearsal.key()) as { key: string };
    const seed = seedOfRun();
    const all = await depart(rehearsal, departures(CLIENTS, randomFrom(seed), key), 40);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const inFlight = rehearsal.simulator.inFlight();

    const rows = await rehearsal.ledger(CLIENTS);
    await eventually(() => rehearsal.quiet());
    const [places] = await rehearsal.sql<{ taken: number }>(`
      select ((select count(*) from open_calls) + (select coalesce(sum(in_use + counting), 0) from key_state)
        + (select coalesce(sum(in_use), 0) from account_state))::integer as taken`);
    const outcomes = new Map<string, number>();
    for (const row of rows) {
      const outcome = String(row['outcome']);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    const byId = new Map(rows.map((row) => [row['client_request_id'], row]));
    const told = all.filter((one) => textReceived(one) !== '');
    const unpaid = told.filter(
      (one) => !(Number(byId.get(one.asking.clientRequestId)?.['cost_nanos'] ?? 0) > 0),
    );
    const { usedAfterCut } = rehearsal.simulator;
    process.stdout.write(
      [
        `departures: ${CLIENTS}, seed ${seed}`,
        `rows: ${rows.length} (${[...outcomes].map(([name, of]) => `${name} ${of}`).join(', ')})`,
        `clients told something: ${told.length}, of which not charged: ${unpaid.length}`,
        `places taken: ${places?.taken}`,
        `in flight at the simulator a second later: ${inFlight}`,
        `cut sockets used again: ${usedAfterCut}`,
        '',
      ].join('\n'),
    );
    expect({
      seed,
      rows: rows.length,
      ids: byId.size,
      others: [...outcomes.keys()].filter((name) => name !== 'client-left' && name !== 'completed'),
      unpaid: unpaid.length,
      places: places?.taken,
      inFlight,
      usedAfterCut,
    }).toEqual({
      seed,
      rows: CLIENTS,
      ids: CLIENTS,
      others: [],
      unpaid: 0,
      places: 0,
      inFlight: 0,
      usedAfterCut: 0,
    });
    expect(outcomes.get('client-left')).toBeGreaterThan(CLIENTS * 0.75);
  }, 120_000);
});
