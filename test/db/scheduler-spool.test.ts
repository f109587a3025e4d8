import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_USAGE } from '../../src/dialects/dialect.ts';
import type { Lease } from '../../src/scheduler/admission.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import type { Settlement } from '../../src/scheduler/settlement.ts';
import { expectQuiet } from '../support/quiet.ts';
import { ask, eventually, leased, SchedulingRig, settlement } from '../support/scheduling.ts';
import { UnsteadyDatabase } from '../support/unsteady-database.ts';

const CLOCKS = { heartbeatMs: 100, epochTtlMs: 60_000, sweepMs: 50 };

/** What a replica keeps on its disk for the case of its death, and what others make of it. Rows P10, D12, I11. */
describe('the spool', () => {
  let rig: SchedulingRig;
  let key: string;
  let account: string;
  let spoolDir: string;
  const databases: UnsteadyDatabase[] = [];
  beforeEach(async () => {
    rig = await SchedulingRig.create();
    [key, account] = [await rig.key(), await rig.account({ max: 100 })];
    spoolDir = mkdtempSync(join(tmpdir(), 'relay-spools-'));
  });
  afterEach(async () => {
    // Whoever was lost comes back at last, and must not double anything.
    for (const database of databases.splice(0)) database.away = false;
    await rig.close();
    await expectQuiet(rig.url);
    await rig.end();
    rmSync(spoolDir, { recursive: true, force: true });
  });

  const unsteady = (): UnsteadyDatabase => {
    const database = new UnsteadyDatabase();
    databases.push(database);
    return database;
  };
  const replica = (more: object = {}) => rig.replica({ clocks: CLOCKS, spoolDir, ...more });
  const take = async (scheduler: Scheduler) => leased(await scheduler.admit(ask(key, [account])));
  const root = async (): Promise<string> => {
    const [row] = await rig.query<{ value: string }>(
      `select value from settings where name = 'installation'`,
    );
    return join(spoolDir, row?.value ?? '');
  };
  const folders = async () => readdirSync(await root()).filter((name) => name !== 'aside');
  const ledger = (leases: readonly Lease[]) =>
    Promise.all(
      leases.map(async ({ requestId }) => {
        const rows = await rig.query('select * from ledger where request_id = $1', [requestId]);
        expect(rows.length).toBeLessThan(2);
        return rows[0];
      }),
    );

  /** A replica that is gone without a word: the database hears nothing more of it, and its disk stays as it is. */
  const lost = async (work: (scheduler: Scheduler) => Promise<void>): Promise<void> => {
    const database = unsteady();
    const scheduler = await replica({ wrap: database.wrap });
    await work(scheduler);
    database.away = true;
  };
  const bury = () => rig.query('update replicas set dead_at = clock_timestamp() where dead_at is null');

  /** Three attempts: one that is over, one that has used something, one of which nothing was seen. */
  const threeStages = async (scheduler: Scheduler, database?: UnsteadyDatabase) => {
    const leases = [await take(scheduler), await take(scheduler), await take(scheduler)] as const;
    const [over, under, fresh] = leases;
    for (const lease of leases) {
      let usage = settlement(lease, {
        usage: { ...settlement(lease).usage, inputTokens: 0, outputTokens: 0 },
      });
      await scheduler.begin(() => usage);
      if (lease === fresh) continue;
      usage = settlement(lease, { usage: { ...settlement(lease).usage, inputTokens: 70, outputTokens: 7 } });
      scheduler.seen(lease);
    }
    if (database !== undefined) database.away = true;
    void scheduler.settle(settlement(over));
    return { over, under, fresh };
  };

  it('I11: of a dead replica is replayed by another, each attempt as far as it was seen', async () => {
    const database = unsteady();
    const dying = await replica({ wrap: database.wrap });
    const { over, under, fresh } = await threeStages(dying, database);
    const other = await replica();
    await bury();
    await eventually(async () => {
      const rows = await ledger([over, under, fresh]);
      return rows.filter((row) => row !== undefined && row['outcome'] !== 'orphaned').length === 2;
    });
    expect(await ledger([over, under, fresh])).toMatchObject([
      { outcome: 'completed', input_tokens: '10', output_tokens: '5', estimated: false },
      { outcome: 'partial', reason: 'replica-lost', input_tokens: '70', output_tokens: '7', estimated: true },
      { outcome: 'orphaned', estimated: true },
    ]);
    await eventually(async () => (await folders()).length === 1);
    expect(await rig.inUseByAccount([account])).toEqual(new Map([[account, 0]]));
    await other.close();
    expect(await folders()).toEqual([]);
  });

  it('charges what it held a call of which nobody saw anything, where its open row is lost as well', async () => {
    const hold = { nanos: 60n, tokens: 5, unpriced: new Set<string>() };
    let lease: Lease | undefined;
    await lost(async (scheduler) => {
      const taken = (lease = leased(await scheduler.admit(ask(key, [account], { hold }))));
      await scheduler.begin(() =>
        settlement(taken, { usage: NO_USAGE, costNanos: 0n, heldNanos: hold.nanos }),
      );
      // As a crash of Postgres, which takes what the row had counted with it.
      await rig.query('select release_strays(array[$1]::uuid[])', [taken.requestId]);
    });
    await bury();
    await replica();
    await eventually(async () => (await ledger([lease!]))[0] !== undefined);
    expect(await ledger([lease!])).toMatchObject([
      { outcome: 'orphaned', cost_nanos: '60', estimated: true, input_tokens: '0' },
    ]);
    expect(await rig.query('select held, total_used from key_state where id = $1', [key])).toEqual([
      { held: '0', total_used: '60' },
    ]);
  });

  it('P10: has one effect however often it is replayed', async () => {
    let stages: Awaited<ReturnType<typeof threeStages>> | undefined;
    await lost(async (scheduler) => {
      stages = await threeStages(scheduler);
      await scheduler.flush();
    });
    const [left = ''] = await folders();
    const copies = ['0', '1', '2'].map((digit) => left.replace(/.$/, digit)).filter((name) => name !== left);
    for (const copy of copies)
      cpSync(join(await root(), left), join(await root(), copy), { recursive: true });
    await bury();
    await Promise.all([replica(), replica()]);
    await eventually(async () => (await folders()).length === 2);
    const [row] = await rig.query<{ n: number }>('select count(*)::integer as n from ledger');
    expect(row?.n).toBe(3);
    expect((await ledger([stages!.under]))[0]).toMatchObject({ outcome: 'partial', input_tokens: '70' });
  });

  it('of a replica that lives is left alone, and so is that of another installation', async () => {
    const living = await replica();
    const lease = await take(living);
    await living.begin(() => settlement(lease));
    const stranger = join(spoolDir, '018f0000-0000-7000-8000-000000000000', lease.epoch);
    cpSync(join(await root(), lease.epoch), stranger, { recursive: true });
    const other = await replica();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await folders()).toContain(lease.epoch);
    expect(existsSync(stranger)).toBe(true);
    expect(await ledger([lease])).toEqual([undefined]);
    await living.settle(settlement(lease));
    await other.close();
  });

  it('is taken over again when whoever replayed it dies, too', async () => {
    await lost(async (scheduler) => {
      const lease = await take(scheduler);
      await scheduler.begin(() => settlement(lease));
      void scheduler.settle(settlement(lease));
      await scheduler.flush();
      await scheduler.begin(() => settlement(lease));
    });
    const [left = ''] = await folders();
    const gone = '018f0000-0000-7000-8000-000000000001';
    cpSync(join(await root(), left), join(await root(), `${left}~${gone}`), { recursive: true });
    rmSync(join(await root(), left), { recursive: true });
    await bury();
    await replica();
    await eventually(async () => (await folders()).every((name) => !name.startsWith(left)));
  });

  it('D13: with rubbish in it loses nothing but the rubbish, which is set aside', async () => {
    let stages: Awaited<ReturnType<typeof threeStages>> | undefined;
    await lost(async (scheduler) => {
      stages = await threeStages(scheduler);
      await scheduler.flush();
    });
    const [left = ''] = await folders();
    const [segment = ''] = readdirSync(join(await root(), left));
    const path = join(await root(), left, segment);
    const whole = readFileSync(path);
    writeFileSync(path, Buffer.concat([Buffer.from('rubbish'), whole, whole.subarray(0, 40)]));
    await rig.query('delete from ledger');
    await rig.query('update key_state set day_used = 0, month_used = 0, total_used = 0');
    await bury();
    await replica();
    await eventually(async () => (await folders()).length === 1);
    expect((await ledger([stages!.over, stages!.under])).map((row) => row?.outcome as unknown)).toEqual([
      'completed',
      'partial',
    ]);
    const aside = readdirSync(join(await root(), 'aside'));
    expect(aside).toHaveLength(2);
    expect(readFileSync(join(await root(), 'aside', aside[0] ?? ''), 'latin1')).toBe('rubbish');
  });

  it('moves with a replica that was taken for dead into a folder of its new epoch', async () => {
    const scheduler = await replica();
    const lease = await take(scheduler);
    await scheduler.begin(() => settlement(lease));
    await bury();
    const next = await take(scheduler);
    await eventually(async () => (await folders()).join() === next.epoch);
    const text = readFileSync(join(await root(), next.epoch, '00000001.spool1'), 'utf8');
    expect(text).toContain(lease.requestId);
    await Promise.all([lease, next].map((one) => scheduler.settle(settlement(one))));
  });

  it('keeps what a replica that leaves could not settle any more', async () => {
    const database = unsteady();
    const scheduler = await replica({ wrap: database.wrap });
    const lease: Lease = await take(scheduler);
    database.away = true;
    void scheduler.settle(settlement(lease));
    await scheduler.close();
    expect(await folders()).toEqual([lease.epoch]);
    await bury();
    await replica();
    await eventually(async () => (await ledger([lease]))[0]?.['outcome'] === 'completed');
  }, 20_000);

  it('D12: that cannot be written costs safety, not calls', async () => {
    writeFileSync(join(spoolDir, 'file'), '');
    const scheduler = await replica({ spoolDir: join(spoolDir, 'file', 'below') });
    expect(scheduler.spoolReadiness()).toBe('the spool is broken');
    expect(scheduler.readiness()).toBe(true);
    const lease = await take(scheduler);
    const seen: Settlement = settlement(lease);
    await scheduler.begin(() => seen);
    await scheduler.settle(seen);
    expect((await ledger([lease]))[0]).toMatchObject({ outcome: 'completed' });
  });
});
