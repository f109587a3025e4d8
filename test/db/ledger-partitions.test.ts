import { v7 } from 'uuid';
import { HotPool } from '../../src/database/hot-pool.ts';
import { requestIdBounds } from '../../src/database/request-id.ts';
import { ensureLedgerPartitions } from '../../src/scheduler/sql/ledger-partitions.ts';
import { ask, leased, SchedulingRig, settlement } from '../support/scheduling.ts';

describe('partitions of the ledger', () => {
  let rig: SchedulingRig;
  let pool: HotPool;
  beforeAll(async () => {
    rig = await SchedulingRig.create();
    pool = new HotPool({ url: rig.url, name: 'test', max: 4, synchronousCommit: 'on' });
  });
  afterAll(async () => {
    await pool.close();
    await rig.end();
  });

  const names = async () => {
    const rows = await rig.query<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'ledger'::regclass order by 1`,
    );
    return rows.map(({ name }) => name);
  };
  const month = (ahead: number) => {
    const now = new Date();
    return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1));
  };
  const nameOf = (at: Date) => `ledger_${at.toISOString().slice(0, 7).replace('-', '_')}`;

  it('are there for this month and the next two, and made once by however many ask', async () => {
    expect(await names()).toEqual([nameOf(month(0)), nameOf(month(1)), nameOf(month(2)), 'ledger_default']);
    await rig.query(`drop table ${nameOf(month(2))}`);
    const made = await Promise.all([1, 2, 3, 4].map(() => ensureLedgerPartitions(pool)));
    expect(made.reduce((sum, one) => sum + one, 0)).toBe(1);
    expect(await names()).toHaveLength(4);
    expect(await ensureLedgerPartitions(pool)).toBe(0);
  });

  it('take over what the default partition has caught of their month', async () => {
    const [key, account, scheduler] = [await rig.key(), await rig.account(), await rig.replica()];
    await rig.query(`drop table ${nameOf(month(1))}`);
    const ids = [month(1), month(9)].map((at) => v7({ msecs: at.getTime() + 86_400_000 }));
    for (const requestId of ids) {
      await scheduler.settle(settlement(leased(await scheduler.admit(ask(key, [account], { requestId })))));
    }
    const where = () =>
      rig.query(
        'select tableoid::regclass::text as table from ledger where request_id = any ($1::uuid[]) order by request_id',
        [ids],
      );
    expect(await where()).toEqual([{ table: 'ledger_default' }, { table: 'ledger_default' }]);
    expect(await ensureLedgerPartitions(pool)).toBe(1);
    expect(await where()).toEqual([{ table: nameOf(month(1)) }, { table: 'ledger_default' }]);
  });

  it('are skipped by a report that gives the bounds of its time', async () => {
    const { from, to } = requestIdBounds(
      new Date(month(0).getTime() + 7_200_000),
      new Date(month(1).getTime() - 7_200_000),
    );
    const plan = await rig.query<{ 'QUERY PLAN': string }>(
      `explain select * from ledger where request_id >= '${from}' and request_id < '${to}'`,
    );
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toContain(nameOf(month(0)));
    expect(text).not.toContain(nameOf(month(1)));
    expect(text).not.toContain(nameOf(month(2)));
  });
});
