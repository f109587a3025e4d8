import { jest } from '@jest/globals';
import { createServer, connect, type AddressInfo, type Server } from 'node:net';
import { AdmissionUnavailable, type AdmissionRequest, type Decision } from '../../src/scheduler/admission.ts';
import type { Queryable } from '../../src/database/statement.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, eventually, leased, SchedulingRig, settlement } from '../support/scheduling.ts';
import { UnsteadyDatabase } from '../support/unsteady-database.ts';

const { says, answerLost, late } = UnsteadyDatabase;
const QUICK = { heartbeatMs: 100, epochTtlMs: 10_000, sweepMs: 50 };

/** Rows of reliability.md: D6, D7, and a database that is away. */
describe('a scheduler on an unsteady database', () => {
  let rig: SchedulingRig;
  let key: string;
  let account: string;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
    [key, account] = [await rig.key(), await rig.account({ max: 1000 })];
  });
  afterEach(async () => {
    await rig.close();
    await expectQuiet(rig.url);
  });
  afterAll(() => rig.end());

  const unsteady = async () => {
    const database = new UnsteadyDatabase();
    const scheduler = await rig.replica({ wrap: database.wrap, clocks: QUICK });
    return { database, scheduler };
  };
  const count = async (table: 'open_calls' | 'ledger') => {
    const [row] = await rig.query<{ n: number }>(`select count(*)::integer as n from ${table}`);
    return row?.n;
  };
  const settleAll = (scheduler: Scheduler, decisions: readonly Decision[]) =>
    Promise.all(decisions.map((decision) => scheduler.settle(settlement(leased(decision)))));
  const requests = (length: number): AdmissionRequest[] => Array.from({ length }, () => ask(key, [account]));

  it.each(['40P01', '40001', '55P03'])('D6: tries again after %s, with one effect', async (code) => {
    const { database, scheduler } = await unsteady();
    const before = (await count('ledger')) ?? 0;
    for (let turn = 0; turn < 2; turn += 1) database.next('admit', says(code));
    const decisions = await Promise.all(requests(10).map((one) => scheduler.admit(one)));
    expect(await count('open_calls')).toBe(10);
    for (let turn = 0; turn < 5; turn += 1) database.next('settle', says(code));
    await settleAll(scheduler, decisions);
    expect(await count('ledger')).toBe(before + 10);
  });

  it('sends after an outage what the ledger has of an ill row, and nothing of one that it could not take', async () => {
    const database = new UnsteadyDatabase();
    const sent: string[] = [];
    const wrap = (db: Queryable): Queryable => {
      const unsteadyDb = database.wrap(db);
      return {
        run: (statement, values) => {
          if (statement.name === 'settle' && !database.away) sent.push(String(values[0]));
          return unsteadyDb.run(statement, values);
        },
      };
    };
    const scheduler = await rig.replica({ wrap, clocks: QUICK });
    const [ill, lost] = [
      await scheduler.admit(ask(key, [account])),
      await scheduler.admit(ask(key, [account])),
    ];
    await scheduler.settle(settlement(leased(ill), { upstreamRequestId: 'nul \0' }));
    await expect(scheduler.settle(settlement(leased(lost), { door: 'nul \0' }))).rejects.toThrow();
    const { requestId } = leased(ill);
    await rig.query('delete from ledger where request_id = $1', [requestId]);

    database.away = true;
    await new Promise((resolve) => setTimeout(resolve, 5 * QUICK.heartbeatMs));
    sent.length = 0;
    database.away = false;
    await eventually(() => sent.length > 0);
    await scheduler.flush();
    expect(sent).toEqual([`{${requestId}}`]);
    const rows = await rig.query('select reason from ledger where request_id = $1', [requestId]);
    expect(rows).toEqual([{ reason: 'unsettleable' }]);
  });

  it('D9: sends again what was settled before an outage, though another is settled before it is over', async () => {
    const database = new UnsteadyDatabase();
    const scheduler = await rig.replica({ wrap: database.wrap, clocks: QUICK, graceMs: 5_000 });
    const [missed, open] = [
      leased(await scheduler.admit(ask(key, [account]))),
      leased(await scheduler.admit(ask(key, [account]))),
    ];
    // Committed, as the primary says; whoever takes over does not know of it.
    database.next('settle', () => Promise.resolve([{ done: [1, 1] }]));
    await scheduler.settle(settlement(missed));
    const real = performance.now.bind(performance);
    let aheadMs = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => real() + aheadMs);
    try {
      database.away = true;
      await expect(scheduler.admit(ask(key, [account]))).rejects.toBeInstanceOf(AdmissionUnavailable);
      aheadMs = 20_000;
      const settled = scheduler.settle(settlement(open));
      database.away = false;
      await settled;
      await settleAll(scheduler, [await scheduler.admit(ask(key, [account]))]);
      await scheduler.flush();
    } finally {
      clock.mockRestore();
    }
    const rows = await rig.query('select from ledger where request_id = $1', [missed.requestId]);
    expect(rows).toHaveLength(1);
  });

  it('gives up on a quarrel over locks that does not end, and takes nothing', async () => {
    const { database, scheduler } = await unsteady();
    for (let turn = 0; turn < 4; turn += 1) database.next('admit', says('40P01'));
    await expect(scheduler.admit(ask(key, [account]))).rejects.toBeInstanceOf(AdmissionUnavailable);
    await settleAll(scheduler, [await scheduler.admit(ask(key, [account]))]);
  });

  it('waits out a lock that somebody holds for longer than the lock timeout', async () => {
    const { scheduler } = await unsteady();
    const holder = await rig.sql.connect();
    await holder.query('begin');
    await holder.query('select from account_state where id = $1 for update', [account]);
    const admitting = scheduler.admit(ask(key, [account]));
    await new Promise((resolve) => setTimeout(resolve, 700));
    await holder.query('commit');
    holder.release();
    await settleAll(scheduler, [await admitting]);
  });

  it('D7: finds its leases again when the answer to an admission was lost after the commit', async () => {
    const { database, scheduler } = await unsteady();
    database.next('admit', answerLost);
    const decisions = await Promise.all(requests(20).map((one) => scheduler.admit(one)));
    expect(await count('open_calls')).toBe(20);
    expect(await rig.inUseByAccount([account])).toEqual(new Map([[account, 20]]));
    expect(new Set(decisions.map((decision) => leased(decision).requestId)).size).toBe(20);
    await settleAll(scheduler, decisions);
  });

  it('keeps to the limit when an answer was lost that had refused some', async () => {
    const { database, scheduler } = await unsteady();
    const small = await rig.account({ max: 3 });
    database.next('admit', answerLost);
    const decisions = await Promise.all(Array.from({ length: 8 }, () => scheduler.admit(ask(key, [small]))));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(3);
    await settleAll(
      scheduler,
      decisions.filter(({ admitted }) => admitted),
    );
  });

  it('D7: writes one ledger row when the answer to a settlement was lost after the commit', async () => {
    const { database, scheduler } = await unsteady();
    const before = (await count('ledger')) ?? 0;
    const decisions = await Promise.all(requests(5).map((one) => scheduler.admit(one)));
    database.next('settle', answerLost);
    await settleAll(scheduler, decisions);
    expect(await count('ledger')).toBe(before + 5);
  });

  it('refuses nobody but the request whose own data is at fault', async () => {
    const { scheduler } = await unsteady();
    const good = requests(30);
    const bad = ask(key, [account], { model: 'nul \0' });
    const badAnswer = scheduler.admit(bad).catch((error: unknown) => error);
    const decisions = await Promise.all(good.map((one) => scheduler.admit(one)));
    expect(await badAnswer).toMatchObject({ code: '22021' });
    await settleAll(scheduler, decisions);
  });

  it('answers an id that is asked for twice with the one lease, and another key with an error', async () => {
    const { scheduler } = await unsteady();
    const request = ask(key, [account]);
    const [first, second, neighbour] = await Promise.all(
      [request, request, ask(key, [account])].map((one) => scheduler.admit(one)),
    );
    expect(second).toEqual(first);
    const stranger = ask(await rig.key(), [account], { requestId: request.requestId });
    await expect(scheduler.admit(stranger)).rejects.toMatchObject({ code: '23505' });
    await settleAll(
      scheduler,
      [first, neighbour].flatMap((one) => one ?? []),
    );
  });

  it('frees what a statement took that went through after everybody had given it up', async () => {
    const { database, scheduler } = await unsteady();
    let ran = false;
    database.next(
      'admit',
      late(1_100, 200, () => {
        ran = true;
      }),
    );
    const asked = performance.now();
    const refused = await Promise.allSettled(requests(10).map((one) => scheduler.admit(one)));
    expect(performance.now() - asked).toBeLessThan(11_000);
    for (const one of refused) {
      expect(one).toMatchObject({ status: 'rejected', reason: expect.any(AdmissionUnavailable) as unknown });
    }
    await eventually(() => ran);
    await eventually(async () => (await count('open_calls')) === 0);
    expect(await rig.inUseByAccount([account])).toEqual(new Map([[account, 0]]));
  });

  it('refuses calls while the database is away, keeps the settlements, and writes them when it is back', async () => {
    const { database, scheduler } = await unsteady();
    const before = (await count('ledger')) ?? 0;
    const decisions = await Promise.all(requests(150).map((one) => scheduler.admit(one)));
    database.away = true;
    const settling = settleAll(scheduler, decisions);
    const refused = await Promise.allSettled(requests(100).map((one) => scheduler.admit(one)));
    expect(refused.every(({ status }) => status === 'rejected')).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await count('ledger')).toBe(before);
    database.away = false;
    await settling;
    expect(await count('ledger')).toBe(before + 150);
  });

  it('starts without a database and admits from the first heartbeat on', async () => {
    const database = new UnsteadyDatabase();
    database.away = true;
    const scheduler = await rig.replica({ wrap: database.wrap, clocks: QUICK });
    expect(scheduler.readiness()).not.toBe(true);
    await expect(scheduler.admit(ask(key, [account]))).rejects.toBeInstanceOf(AdmissionUnavailable);
    database.away = false;
    await eventually(() => scheduler.readiness() === true);
    await settleAll(scheduler, [await scheduler.admit(ask(key, [account]))]);
  });

  it('D7: holds one place and writes one row when the wire itself is cut behind the commit', async () => {
    const wire = await CuttingWire.before(rig.url);
    const scheduler = await rig.replica({ url: wire.url });
    await settleAll(scheduler, [await scheduler.admit(ask(key, [account]))]);
    const before = (await count('ledger')) ?? 0;

    wire.cutAnswerTo('admit');
    const decisions = await Promise.all(requests(5).map((one) => scheduler.admit(one)));
    expect(wire.cuts).toBe(1);
    expect(await count('open_calls')).toBe(5);
    wire.cutAnswerTo('settle');
    await settleAll(scheduler, decisions);
    expect(wire.cuts).toBe(2);
    expect(await count('ledger')).toBe(before + 5);
    await rig.close();
    await wire.close();
  });
});

/** A TCP hop to Postgres that swallows the answer to a prepared statement and cuts the connection instead. */
class CuttingWire {
  cuts = 0;
  private armed: string | undefined;

  private constructor(
    readonly url: string,
    private readonly server: Server,
  ) {}

  static async before(database: string): Promise<CuttingWire> {
    const target = new URL(database);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(database);
    url.hostname = '127.0.0.1';
    url.port = `${(server.address() as AddressInfo).port}`;
    const wire = new CuttingWire(url.href, server);
    server.on('connection', (client) => {
      const upstream = connect(Number(target.port), target.hostname);
      let cutting = false;
      client.on('data', (bytes) => {
        if (wire.armed !== undefined && bytes.includes(`\0${wire.armed}\0`)) {
          wire.armed = undefined;
          cutting = true;
        }
        upstream.write(bytes);
      });
      upstream.on('data', (bytes) => {
        if (!cutting) return void client.write(bytes);
        wire.cuts += 1;
        client.destroy();
        upstream.destroy();
      });
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
      }
    });
    return wire;
  }

  cutAnswerTo(statement: string): void {
    this.armed = statement;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
