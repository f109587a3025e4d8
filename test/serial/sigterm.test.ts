import { setTimeout as sleep } from 'node:timers/promises';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { asking, send } from '../support/asking.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import type { SpawnedRelay } from '../support/spawned-relay.ts';

const STREAMS = 200;
/** As Claude's streams tell an error that comes after their head (docs.claude.com, "Streaming Messages", "Error events"). */
const ERROR_EVENT =
  /event: error\ndata: \{"type":"error","error":\{"type":"\w+","message":"[^"]+"\}[^\n]*\}\n\n$/;

/** Rows P2 and P3: the process as a whole, from the signal to its exit code. */
describe('a process that gets SIGTERM', () => {
  let database: TestDatabase;
  let simulator: Simulator;
  let fleet: Fleet;
  let patient: SpawnedRelay;
  let key: string;

  beforeAll(async () => {
    [database, simulator] = await Promise.all([createDatabase(), startSimulator()]);
    fleet = new Fleet(database.url);
    patient = await fleet.start({ RELAY_DRAIN_ACCEPT_SECONDS: '2', RELAY_DRAIN_SECONDS: '60' });
    const credentials = { apiKey: 'sk-ant-sim-leaving' };
    await fleet.create('accounts', { name: 'one', kind: 'claude', baseUrl: simulator.url, credentials });
    const made = { name: 'leaving', scopes: ['claude'], models: ['*'] };
    key = (await fleet.create<{ key: string }>('keys', made)).key;
  }, 60_000);
  afterAll(async () => {
    await fleet.close();
    await simulator.close();
    await database.drop();
  });

  const stream = (relay: SpawnedRelay, directives: string) => {
    const one = asking('Claude SSE', key, `[[sim: ${directives}]]`);
    return { id: one.clientRequestId, answer: send(relay.url, one) };
  };
  const outcomes = async (ids: readonly string[]) =>
    query<{ outcome: string; reason: string | null; streams: number }>(
      database.url,
      `select outcome, reason, count(*)::integer as streams from ledger
        where client_request_id = any ($1) group by 1, 2`,
      [ids],
    );
  const endlessStream = async (relay: SpawnedRelay) => {
    const one = stream(relay, 'deltas=100000 every=20');
    await eventually(() => expect(simulator.inFlight()).toBe(1));
    return one;
  };

  it(`P2: with ${STREAMS} streams says at once that it is not ready, cuts none, and exits with 0`, async () => {
    const streams = Array.from({ length: STREAMS }, () => stream(patient, 'deltas=20 every=150'));
    await eventually(() => expect(simulator.inFlight()).toBe(STREAMS), 20_000);
    const exit = patient.leave();
    await eventually(async () => expect((await fetch(`${patient.url}/health/ready`)).status).toBe(503));
    // It said so while all of them ran.
    expect(simulator.inFlight()).toBe(STREAMS);
    const answers = await Promise.all(streams.map(({ answer }) => answer));
    expect(answers.filter(({ text }) => text.includes('event: message_stop'))).toHaveLength(STREAMS);
    expect(await exit).toBe(0);
    const ids = streams.map(({ id }) => id);
    expect(await outcomes(ids)).toEqual([{ outcome: 'completed', reason: null, streams: STREAMS }]);
    await expectQuiet(database.url);
  }, 60_000);

  it('P3: with a stream that has no end tells it so at the limit, books it, and exits with 0', async () => {
    const relay = await fleet.start({ RELAY_DRAIN_SECONDS: '1' });
    const { id, answer } = await endlessStream(relay);
    const exit = relay.leave();
    const { text, broken } = await answer;
    expect(broken).toBe(false);
    expect(text.slice(-500)).toMatch(ERROR_EVENT);
    expect(await exit).toBe(0);
    expect(await outcomes([id])).toEqual([{ outcome: 'partial', reason: 'draining', streams: 1 }]);
    await expectQuiet(database.url);
  }, 60_000);

  it('P3: and is asked again does not wait for the limit', async () => {
    const relay = await fleet.start({ RELAY_DRAIN_SECONDS: '3600' });
    const { id, answer } = await endlessStream(relay);
    const exit = relay.leave();
    // What comes within a second is the same wish.
    await sleep(1_200);
    expect(simulator.inFlight()).toBe(1);
    void relay.leave();
    expect((await answer).text.slice(-500)).toMatch(ERROR_EVENT);
    expect(await exit).toBe(0);
    expect(await outcomes([id])).toEqual([{ outcome: 'partial', reason: 'draining', streams: 1 }]);
    await expectQuiet(database.url);
  }, 60_000);
});
