import { DataSource } from 'typeorm';
import { v7 } from 'uuid';
import { dataSourceOptions } from '../../src/database/data-source.ts';
import type { Statement } from '../../src/database/statement.ts';
import type { Lease } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { REPLICA_LOST } from '../../src/scheduler/spooling.ts';
import { settleBatch } from '../../src/scheduler/sql/settle-batch.ts';
import { UnpricedRepository } from '../../src/usage/unpriced.repository.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, eventually, leased, move, SchedulingRig, settlement } from '../support/scheduling.ts';

const CLOCKS = { heartbeatMs: 100, epochTtlMs: 60_000, sweepMs: 50 };
const HOLD = { nanos: 60n, tokens: 5, unpriced: new Set<string>() };

/** What is booked of an attempt is first a guess, then what a checkpoint saw, then the truth: each charged once. */
describe('corrections', () => {
  let rig: SchedulingRig;
  let key: string;
  let account: string;
  let team: string;
  let frozen: Scheduler;
  beforeEach(async () => {
    rig = await SchedulingRig.create();
    team = await rig.team({ budgets: { month: 1_000_000 } });
    [key, account] = [await rig.key({ team, budgets: { total: 1_000_000 } }), await rig.account()];
    frozen = await rig.replica();
    await rig.replica({ clocks: CLOCKS });
  });
  afterEach(async () => {
    await rig.close();
    await expectQuiet(rig.url);
    await rig.end();
  });

  const take = async () => leased(await frozen.admit(ask(key, [account], { hold: HOLD })));
  /** Others take its replica for dead, and write it off. */
  const orphan = async ({ epoch }: Lease): Promise<void> => {
    await rig.query('update replicas set dead_at = clock_timestamp() where epoch = $1', [epoch]);
    await eventually(async () => (await rig.query('select from open_calls')).length === 0);
  };
  /** What a replay makes of its last checkpoint. */
  const seen = (lease: Lease) =>
    settlement(lease, { outcome: 'partial', reason: REPLICA_LOST, estimated: true, costNanos: 20n });
  const truth = (lease: Lease, costNanos: bigint | null = 35n) => settlement(lease, { costNanos });
  const booked = () =>
    rig.query('select attempt, revision, outcome, cost_nanos, estimated from ledger order by request_id');
  const superseded = () =>
    rig.query(`select revision, booked->>'outcome' as outcome, (booked->>'cost_nanos')::integer as cost
                 from ledger_superseded order by revision`);
  const used = async () => [
    ...(await rig.query('select held, day_used, total_used from key_state')),
    ...(await rig.query('select held, day_used, total_used from team_state')),
  ];
  const both = (nanos: number) =>
    Array.from({ length: 2 }, () => ({ held: '0', day_used: `${nanos}`, total_used: `${nanos}` }));

  it('take the place of the hold, of a checkpoint, and end with the truth', async () => {
    const lease = await take();
    await orphan(lease);
    expect(await booked()).toMatchObject([
      { revision: 0, outcome: 'orphaned', cost_nanos: '60', estimated: true },
    ]);
    expect(await used()).toEqual(both(60));

    await frozen.settle(seen(lease));
    expect(await booked()).toMatchObject([
      { revision: 1, outcome: 'partial', cost_nanos: '20', estimated: true },
    ]);
    expect(await used()).toEqual(both(20));

    await frozen.settle(truth(lease));
    expect(await booked()).toMatchObject([
      { revision: 2, outcome: 'completed', cost_nanos: '35', estimated: false },
    ]);
    expect(await used()).toEqual(both(35));
    expect(await superseded()).toEqual([
      { revision: 0, outcome: 'orphaned', cost: 60 },
      { revision: 1, outcome: 'partial', cost: 20 },
    ]);
  });

  it('stand in for a call that its client can find by the id that it gave', async () => {
    const named = { clientRequestId: 'mine, "too"' };
    const [first, second] = await Promise.all(
      [named, {}].map(async (more) =>
        leased(await frozen.admit(ask(key, [account], { hold: HOLD, ...more }))),
      ),
    );
    const moved = leased(await frozen.move(move(first!, [await rig.account()])));
    expect(moved.attempt).toBe(2);
    await orphan(first!);
    const ids = await rig.query(
      'select request_id, attempt, client_request_id from ledger order by request_id, attempt',
    );
    expect(ids).toEqual([
      { request_id: first!.requestId, attempt: 1, client_request_id: 'mine, "too"' },
      { request_id: first!.requestId, attempt: 2, client_request_id: 'mine, "too"' },
      { request_id: second!.requestId, attempt: 1, client_request_id: null },
    ]);
  });

  it('are made once, however often and in whatever order they come', async () => {
    const lease = await take();
    await orphan(lease);
    await Promise.all([frozen.settle(truth(lease)), frozen.settle(seen(lease))]);
    await frozen.flush();
    for (const one of [seen(lease), truth(lease, 99n), { ...seen(lease), outcome: 'orphaned' as const }])
      await frozen.settle(one);
    expect(await booked()).toMatchObject([{ outcome: 'completed', cost_nanos: '35' }]);
    expect(await used()).toEqual(both(35));
  });

  it('are none where the truth was booked first', async () => {
    const lease = await take();
    await frozen.settle(truth(lease));
    await frozen.settle(seen(lease));
    expect(await booked()).toMatchObject([{ revision: 0, outcome: 'completed', cost_nanos: '35' }]);
    expect(await superseded()).toEqual([]);
  });

  it('stand beside new rows in one batch, and charge the hold while a price is missing', async () => {
    const leases = await Promise.all(Array.from({ length: 6 }, take));
    await orphan(leases[0]!);
    await rig.query('update replicas set dead_at = null');
    const fresh = await Promise.all(Array.from({ length: 6 }, take));
    await Promise.all([...leases, ...fresh].map((lease) => frozen.settle(truth(lease, null))));
    expect((await booked()).map((row): unknown => row['revision'])).toEqual([
      ...leases.map(() => 1),
      ...fresh.map(() => 0),
    ]);
    expect(await used()).toEqual(both(12 * 60));
  });

  it('are charged to the window of the admission, or to none that stands', async () => {
    const lease = await take();
    await orphan(lease);
    // The next day has begun: what stands in the row is of that day.
    await rig.query('update key_state set day = day + 1, day_used = 7');
    await rig.query('update team_state set day = day + 1, day_used = 7');
    await frozen.settle(truth(lease));
    expect(await used()).toEqual([
      { held: '0', day_used: '7', total_used: '35' },
      { held: '0', day_used: '7', total_used: '35' },
    ]);
    await rig.query('update key_state set day = day - 1, day_used = 35');
    await rig.query('update team_state set day = day - 1, day_used = 35');
  });

  it('leave their hour to be summed again, and one row for each attempt', async () => {
    const lease = await take();
    await orphan(lease);
    await rig.query('delete from usage_touched');
    await frozen.settle(truth(lease));
    expect(await rig.query('select from usage_touched')).not.toHaveLength(0);
    expect(await rig.query('select attempts, cost_nanos, outcome from counted_attempts')).toEqual([
      { attempts: 1, cost_nanos: '35', outcome: 'completed' },
    ]);
  });

  it('of what nobody saw anything of charge the hold, whoever comes first, and name the call', async () => {
    const [first, second] = [await take(), await take()];
    const opened = (lease: Lease) =>
      settlement(lease, { outcome: 'orphaned', estimated: true, costNanos: 0n, clientRequestId: 'mine' });
    await frozen.settle(opened(first));
    await orphan(second);
    await frozen.settle(opened(second));
    expect(await rig.query('select outcome, cost_nanos, revision, client_request_id from ledger')).toEqual(
      Array.from({ length: 2 }, () => ({
        outcome: 'orphaned',
        cost_nanos: '60',
        revision: 0,
        client_request_id: 'mine',
      })),
    );
    expect(await used()).toEqual(both(120));
  });

  /** Attempts of the call of the lease, as checkpoints without a price; they lie in the table with the last id first. */
  const plant = (lease: Lease, ids: readonly string[]) =>
    rig.query(
      `insert into ledger (request_id, attempt, admitted_at, epoch, key_id, account_id, lane, door, kind, model,
                           upstream_model, stream, outcome, reason, teams)
         select id, 1, $2, $3, $4, $5, 'generate', 'claude', 'claude', 'm', 'm', true, 'partial', '${REPLICA_LOST}', $6
           from unnest($1::uuid[]) x (id) order by id desc`,
      [ids, lease.admittedAt, lease.epoch, key, account, lease.teams],
    );

  it('and new prices for the same attempts wait for each other, and end in no deadlock', async () => {
    const lease = await take();
    await frozen.settle(truth(lease, 0n));
    const source = await new DataSource(dataSourceOptions(rig.url)).initialize();
    const [client, between] = [await rig.sql.connect(), await rig.sql.connect()];
    const db = {
      run: async <Row>({ text }: Statement, values: readonly unknown[]) =>
        (await client.query(text, [...values])).rows as Row[],
    };
    const reprice = (ids: readonly string[]) =>
      source.transaction(async (tx) => {
        // As it may be planned: the table is read as it lies.
        await tx.query(
          'set local enable_nestloop = off; set local enable_mergejoin = off; set local enable_indexscan = off',
        );
        const rows = ids.map((requestId) => ({ requestId, attempt: 1, costNanos: 5n, priceId: '1' }));
        return new UnpricedRepository(source).price(tx, rows);
      });
    const wait = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    try {
      for (let round = 1; round <= 10; round += 1) {
        const ids = Array.from({ length: 60 }, () => v7()).sort();
        await plant(lease, ids);
        await rig.query('analyze ledger');
        // Both come as far as this attempt before either goes on.
        await between.query('begin');
        await between.query('select from ledger where request_id = $1 for update', [ids[30]]);
        const done = Promise.all([
          reprice(ids.filter((_, at) => at % 3 === 0)),
          settleBatch(
            db,
            ids.map((requestId) => truth({ ...lease, requestId })),
          ),
        ]);
        await eventually(async () => (await rig.query(wait)).length === 2);
        await between.query('commit');
        await done;
        expect(await used()).toEqual(both(round * ids.length * 35));
      }
    } finally {
      client.release(true);
      between.release(true);
      await source.destroy();
    }
  });
});
