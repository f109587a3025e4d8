import { setTimeout as sleep } from 'node:timers/promises';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { asking, send } from '../support/asking.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { query } from '../support/query.ts';
import { expectQuiet } from '../support/quiet.ts';
import type { SpawnedRelay } from '../support/spawned-relay.ts';

const TTL_MS = 3_000;
const CLOCKS = {
  RELAY_HEARTBEAT_MS: '200',
  RELAY_EPOCH_TTL_MS: String(TTL_MS),
  RELAY_SWEEP_MS: '100',
  // A call that meets a full account is told so at once.
  RELAY_QUEUE_TIMEOUT_MS: '0',
};

/** Rows P5 and P8: a replica that stands still, with a call open, for longer and for less than its epoch lives. */
describe('a replica that is frozen', () => {
  let database: TestDatabase;
  let simulator: Simulator;
  let fleet: Fleet;
  let frozen: SpawnedRelay;
  let other: SpawnedRelay;
  let key: string;

  beforeAll(async () => {
    [database, simulator] = await Promise.all([createDatabase(), startSimulator()]);
    fleet = new Fleet(database.url, CLOCKS);
    [frozen, other] = [await fleet.start(), await fleet.start()];
    const credentials = { apiKey: 'sk-ant-sim-frozen' };
    const account = {
      name: 'one place',
      kind: 'claude',
      baseUrl: simulator.url,
      credentials,
      maxConcurrency: 1,
    };
    await fleet.create('accounts', account);
    const made = { name: 'frozen', scopes: ['claude'], models: ['*'] };
    key = (await fleet.create<{ key: string }>('keys', made)).key;
  }, 60_000);
  afterAll(async () => {
    // One that still stands would never leave.
    process.kill(frozen.pid, 'SIGCONT');
    await fleet.close();
    await simulator.close();
    await database.drop();
  });

  const rows = () =>
    query<{ request_id: string; epoch: string; outcome: string; revision: number; estimated: boolean }>(
      database.url,
      'select request_id, epoch, outcome, revision, estimated from ledger order by request_id',
    );
  const openCalls = async () => (await query(database.url, 'select from open_calls')).length;
  const call = (relay: SpawnedRelay, directives: string) =>
    send(relay.url, asking('Claude SSE', key, `[[sim: ${directives}]]`));
  /** Of the event loop of the replica that was frozen, in seconds, since this was last asked. */
  const longestBlock = () => fleet.loopLag(frozen, 'max');
  /** A call of three seconds, and the replica stopped in the midst of it. */
  const freezeInACall = async () => {
    const answer = call(frozen, 'deltas=30 every=100');
    await eventually(() => expect(simulator.inFlight()).toBe(1));
    await sleep(300);
    process.kill(frozen.pid, 'SIGSTOP');
    return { answer, since: Date.now() };
  };

  it('P8: for less than its epoch lives keeps its place and its epoch, and its metrics tell', async () => {
    await longestBlock();
    const { answer, since } = await freezeInACall();
    await sleep(TTL_MS / 3);
    expect((await call(other, 'deltas=2')).status).toBe(429);
    const frozenMs = Date.now() - since;
    process.kill(frozen.pid, 'SIGCONT');
    expect((await answer).body.toString()).toContain('message_stop');
    expect(await longestBlock()).toBeGreaterThan((0.9 * frozenMs) / 1_000);
    await eventually(() => expectQuiet(database.url));
    expect((await call(frozen, 'deltas=2')).status).toBe(200);
    await eventually(async () => expect(await rows()).toHaveLength(2));
    const [first, second] = await rows();
    expect(first).toMatchObject({ outcome: 'completed', revision: 0, estimated: false });
    expect(second?.epoch).toBe(first?.epoch);
  });

  it('P5: for longer loses its place, settles late and once, and admits under a new epoch', async () => {
    const before = (await rows()).length;
    const { answer } = await freezeInACall();
    await eventually(async () => expect(await openCalls()).toBe(1));
    await eventually(async () => expect(await openCalls()).toBe(0), 10 * TTL_MS);
    expect((await call(other, 'deltas=2')).status).toBe(200);
    process.kill(frozen.pid, 'SIGCONT');
    expect((await answer).body.toString()).toContain('message_stop');
    await eventually(async () => expect((await call(frozen, 'deltas=2')).status).toBe(200));
    await eventually(() => expectQuiet(database.url));
    const [late, ...after] = (await rows()).slice(before);
    expect(late).toMatchObject({ outcome: 'completed', estimated: false });
    expect(late?.revision).toBeGreaterThan(0);
    const kept = await query(database.url, 'select from ledger_superseded where request_id = $1', [
      late?.request_id,
    ]);
    expect(kept).toHaveLength(late?.revision ?? 0);
    expect(after.every(({ epoch }) => epoch !== late?.epoch)).toBe(true);
  });
});
