import { request } from 'node:http';
import { Drains } from '../../src/relay/drains.ts';
import { asking } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { admin, Rehearsal } from '../support/relay.ts';

const CLIENTS = 100;
const MOST_AT_ONCE = 32;

/** C3: answers of accounts that drain are read to their end when their client leaves, so many at once. */
describe('an account that drains', () => {
  let rehearsal: Rehearsal;
  let key: string;
  beforeAll(async () => {
    rehearsal = await Rehearsal.start({ RELAY_DRAIN_SECONDS: '1' });
    const account = await rehearsal.claudeAccount({ onClientLeave: 'drain' });
    key = (await rehearsal.key({ accounts: [account.id] })).key;
  });
  afterAll(() => rehearsal.close());

  /** Leaves as soon as it has the first bytes. */
  const leaves = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const one = asking('Claude SSE', key, text);
      const asked = request(rehearsal.url + one.path, { method: 'POST', headers: one.headers, agent: false });
      asked.on('error', reject);
      asked.on('response', (answer) => {
        answer.on('error', () => undefined);
        answer.once('data', () => {
          asked.off('error', reject).on('error', () => undefined);
          asked.destroy();
          resolve();
        });
      });
      asked.end(one.body);
    });

  it(`C3: reads on for at most ${MOST_AT_ONCE} clients that left, exactly, and cuts the others`, async () => {
    await Promise.all(Array.from({ length: CLIENTS }, () => leaves('[[sim: deltas=30 every=100]]')));
    const { count } = rehearsal.replica(0).app.get(Drains);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThanOrEqual(MOST_AT_ONCE);
    const rows = await rehearsal.ledger(CLIENTS, 30_000);
    await rehearsal.quiet();
    expect(rows).toHaveLength(CLIENTS);
    expect(new Set(rows.map((row) => row['outcome']))).toEqual(new Set(['client-left']));
    const exact = rows.filter((row) => row['estimated'] === false);
    expect(exact.length).toBeGreaterThanOrEqual(MOST_AT_ONCE);
    const finished = rehearsal.simulator.requests.filter(({ ended }) => ended === 'finished');
    expect(exact).toHaveLength(finished.length);
    expect(new Set(exact.map((row) => row['output_tokens'])).size).toBe(1);
  });

  it('is told by its settings, and cancels again when it is set so', async () => {
    const made = await rehearsal.bedrockAccount();
    expect((await admin(rehearsal.url, 'GET', `/accounts/${made.id}`)).body).toMatchObject({
      onClientLeave: 'drain',
    });
    const changed = await admin(rehearsal.url, 'PATCH', `/accounts/${made.id}`, { onClientLeave: 'cancel' });
    expect(changed.body).toMatchObject({ onClientLeave: 'cancel' });
  });

  it('does not keep a relay from leaving', async () => {
    rehearsal.simulator.clear();
    await leaves('[[sim: deltas=3 hang=2]]');
    await eventually(() => expect(rehearsal.simulator.inFlight()).toBe(1));
    await rehearsal.replica(0).close();
    expect(rehearsal.simulator.inFlight()).toBe(0);
  });
});
