import { DataSource } from 'typeorm';
import { v7 } from 'uuid';
import { dataSourceOptions } from '../../src/database/data-source.ts';
import { HotPool } from '../../src/database/hot-pool.ts';
import { dropLedgerPartitions } from '../../src/scheduler/sql/ledger-partitions.ts';
import type { Dimension } from '../../src/usage/ledger-row.ts';
import { UsageSumsRepository } from '../../src/usage/usage-sums.repository.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { plantLedgerRow } from '../support/ledger-rows.ts';
import { query } from '../support/query.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const [KEYS, ACCOUNTS] = [
  [v7(), v7()],
  [v7(), v7(), v7()],
];

describe('sums of the ledger', () => {
  let database: TestDatabase;
  let source: DataSource;
  let sums: UsageSumsRepository;
  beforeEach(async () => {
    database = await createDatabase();
    source = await new DataSource(dataSourceOptions(database.url)).initialize();
    sums = new UsageSumsRepository(source);
  });
  afterEach(async () => {
    await source.destroy();
    await database.drop();
  });

  const start = new Date(Math.floor(Date.now() / DAY) * DAY - 5 * DAY);
  const at = (ms: number): Date => new Date(start.getTime() + ms);

  /** Calls of up to three attempts, over four days and a bit. */
  const plant = async (count: number): Promise<void> => {
    for (let call = 0; call < count; call += 1) {
      const admitted = at((call * 4.2 * DAY) / count + 60_000);
      const request = v7({ msecs: admitted.getTime() });
      for (let attempt = 1; attempt <= 1 + (call % 3); attempt += 1) {
        const last = attempt === 1 + (call % 3);
        await plantLedgerRow(database.url, {
          request_id: request,
          attempt,
          admitted_at: admitted,
          key_id: KEYS[call % 2]!,
          account_id: ACCOUNTS[(call + Math.floor(attempt / 2)) % 3]!,
          kind: (call + Math.floor(attempt / 2)) % 3 === 0 ? 'bedrock' : 'claude',
          model: `model-${call % 2}`,
          outcome: last ? 'completed' : 'failed',
          input_tokens: call,
          output_tokens: last ? 100 + call : 0,
          estimated: call % 7 === 0,
          cost_nanos: call % 5 === 0 ? null : String(call * 1_000),
          decision:
            call % 4 === 0
              ? null
              : { affinity: { source: 'header', result: call % 4 === 1 ? 'spill' : 'hit' } },
        });
      }
    }
  };

  /** By the rows themselves, as the definition of a report has it. */
  const byTheRows = async (from: Date, to: Date, by: readonly Dimension[], keyId?: string) => {
    const columns: Readonly<Record<Dimension, string>> = {
      key: 'key_id::text',
      account: 'account_id::text',
      model: 'model',
      kind: 'kind',
      outcome: 'outcome',
      day: `to_char(admitted_at at time zone 'utc', 'YYYY-MM-DD')`,
      hour: `to_char(admitted_at at time zone 'utc', 'YYYY-MM-DD"T"HH24":00:00Z"')`,
    };
    const group = by.map((name) => columns[name]).join(` || ' ' || `) || `''`;
    return source.query<unknown[]>(
      `select ${group} as group, count(distinct request_id)::text as requests, count(*)::text as attempts,
         coalesce(sum(input_tokens), 0)::text as "inputTokens", coalesce(sum(output_tokens), 0)::text as "outputTokens",
         coalesce(sum(cost_nanos), 0)::text as "costNanos", count(*) filter (where cost_nanos is null)::text as unpriced,
         count(*) filter (where estimated)::text as estimated,
         count(*) filter (where decision @> '{"affinity": {"result": "spill"}}')::text as spilled,
         coalesce(sum(cost_nanos) filter (where decision @> '{"affinity": {"result": "spill"}}'), 0)::text as "spillCostNanos"
       from ledger where admitted_at >= $1 and admitted_at < $2 and ($3::uuid is null or key_id = $3)
       ${by.length === 0 ? '' : 'group by 1'} order by 1`,
      [from, to, keyId ?? null],
    );
  };
  const reported = async (from: Date, to: Date, by: readonly Dimension[], keyId?: string) => {
    const rows = await sums.usage({ from, to }, by, keyId, 10_000);
    const names: Readonly<Record<Dimension, keyof (typeof rows)[number]>> = {
      key: 'keyId',
      account: 'accountId',
      model: 'model',
      kind: 'kind',
      outcome: 'outcome',
      day: 'day',
      hour: 'hour',
    };
    return rows
      .map((row) => ({
        group: by.map((name) => String(row[names[name]])).join(' '),
        requests: row.requests,
        attempts: row.attempts,
        inputTokens: row.inputTokens,
        outputTokens: row.outputTokens,
        costNanos: row.costNanos,
        unpriced: row.unpriced,
        estimated: row.estimated,
        spilled: row.spilled,
        spillCostNanos: row.spillCostNanos,
      }))
      .sort((a, b) => (a.group < b.group ? -1 : 1));
  };

  const GROUPINGS: readonly (readonly Dimension[])[] = [
    [],
    ['key'],
    ['account'],
    ['kind'],
    ['outcome'],
    ['day'],
    ['hour'],
    ['account', 'outcome'],
    ['kind', 'outcome'],
    ['key', 'model', 'day'],
    ['account', 'kind', 'hour', 'outcome'],
  ];
  const RANGES: readonly (readonly [Date, Date])[] = [
    [at(0), at(5 * DAY)],
    [at(HOUR / 3), at(3 * DAY + 5.5 * HOUR)],
    [at(2.25 * HOUR), at(2.5 * HOUR)],
    [at(DAY), at(2 * DAY)],
  ];
  const expectTruth = async (): Promise<void> => {
    for (const [from, to] of RANGES) {
      for (const by of GROUPINGS) {
        expect([by, await reported(from, to, by)]).toEqual([by, await byTheRows(from, to, by)]);
      }
      expect(await reported(from, to, ['day'], KEYS[0])).toEqual(await byTheRows(from, to, ['day'], KEYS[0]));
    }
  };
  const foldAll = async (): Promise<void> => {
    await source.query('select fold_charges(100000)');
    while ((await sums.fold(10)) > 0);
  };

  it('say what the rows say: before they are folded, while, after, and when rows come late or change', async () => {
    await plant(40);
    await expectTruth();
    expect(await sums.fold(10)).toBe(10);
    await expectTruth();
    await foldAll();
    await expectTruth();
    expect(await query(database.url, 'select from usage_touched')).toEqual([]);

    await plant(7);
    await query(
      database.url,
      `update ledger set cost_nanos = 77, outcome = 'partial' where cost_nanos is null`,
    );
    await expectTruth();
    await foldAll();
    await expectTruth();
  }, 60_000);

  it('are read instead of the rows', async () => {
    await plant(30);
    await foldAll();
    // What no report may look at, since nothing says that it changed.
    await query(database.url, `alter table ledger disable trigger user`);
    await query(database.url, 'delete from ledger');
    const [row] = await reported(at(0), at(5 * DAY), []);
    expect(row).toMatchObject({ requests: '30', attempts: '60' });
    expect((await reported(at(0), at(5 * DAY), ['hour'])).length).toBeGreaterThan(20);
  });

  it('are folded by one replica at a time, and a row that comes meanwhile is not forgotten', async () => {
    await plant(20);
    await Promise.all([
      ...[1, 2, 3, 4].map(() =>
        sums.fold(3).catch((error: { code?: string }) => expect(error.code).toBe('40001')),
      ),
      plant(8),
    ]);
    await expectTruth();
    await foldAll();
    await expectTruth();
  }, 60_000);

  describe('when months are dropped', () => {
    const thisMonth = (): Date => {
      const now = new Date();
      return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
    };
    const monthsAgo = (months: number): Date => {
      const now = thisMonth();
      return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1));
    };
    let pool: HotPool;
    beforeEach(async () => {
      pool = new HotPool({ url: database.url, name: 'retention', max: 1, synchronousCommit: 'on' });
      for (const months of [3, 2, 1]) {
        const [from, to] = [monthsAgo(months), monthsAgo(months - 1)];
        await query(
          database.url,
          `create table ledger_${from.toISOString().slice(0, 7).replace('-', '_')} partition of ledger
             for values from ('${floorOf(from)}') to ('${floorOf(to)}')`,
        );
      }
      for (const months of [3, 2, 1, 0]) {
        for (const hours of [1, 30]) {
          const admitted = new Date(monthsAgo(months).getTime() + hours * HOUR);
          await plantLedgerRow(database.url, { admitted_at: admitted, cost_nanos: '5', key_id: KEYS[0]! });
        }
      }
    });
    afterEach(() => pool.close());

    const floorOf = (date: Date): string => {
      const hex = date.getTime().toString(16).padStart(12, '0');
      return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
    };
    const total = async () => (await reported(monthsAgo(3), new Date(Date.now() + DAY * 2), []))[0];
    const rows = async () =>
      (await query<{ n: number }>(database.url, 'select count(*)::integer as n from ledger'))[0]?.n;

    it('their sums stay, and a row that comes late is counted once', async () => {
      await foldAll();
      const before = await total();
      expect(await dropLedgerPartitions(pool, 1)).toBe(2);
      expect(await rows()).toBe(4);
      expect(await total()).toEqual(before);

      await plantLedgerRow(database.url, {
        admitted_at: new Date(monthsAgo(3).getTime() + HOUR),
        cost_nanos: '5',
        key_id: KEYS[0]!,
      });
      const after = { ...before, requests: '9', attempts: '9', costNanos: '45' };
      expect(await total()).toMatchObject(after);
      await foldAll();
      expect(await total()).toMatchObject(after);
      expect(await dropLedgerPartitions(pool, 1)).toBe(0);
    });

    it('none goes that is not summed yet, has an open call, or is not old enough', async () => {
      expect(await dropLedgerPartitions(pool, 1)).toBe(0);
      await foldAll();
      expect(await dropLedgerPartitions(pool, 0)).toBe(0);
      expect(await dropLedgerPartitions(pool, 3)).toBe(0);
      await query(
        database.url,
        `insert into open_calls (request_id, attempt, epoch, key_id, account_id, lane, door, kind, model, at)
           values ($1, 1, $1, $1, $1, 'generate', 'claude', 'claude', 'm', now())`,
        [v7({ msecs: monthsAgo(3).getTime() + HOUR })],
      );
      expect(await dropLedgerPartitions(pool, 1)).toBe(0);
      await query(database.url, 'delete from open_calls');
      expect(await dropLedgerPartitions(pool, 2)).toBe(1);
      expect(await rows()).toBe(6);
    });

    it('a row of theirs that belongs to a later hour stays until that one is dropped', async () => {
      const end = monthsAgo(2);
      await plantLedgerRow(database.url, {
        request_id: v7({ msecs: end.getTime() - 200 }),
        admitted_at: new Date(end.getTime() + 100),
        cost_nanos: '5',
        key_id: KEYS[0]!,
      });
      await foldAll();
      const charged = async () => query(database.url, 'select sum(nanos) as nanos from charged_parts');
      const before = [await total(), await charged()];
      expect(await dropLedgerPartitions(pool, 2)).toBe(1);
      expect([await total(), await charged()]).toEqual(before);
      await foldAll();
      expect([await total(), await charged()]).toEqual(before);

      // With its own hour's month it goes as well, or it would count beside the sum that it is in.
      expect(await dropLedgerPartitions(pool, 1)).toBe(1);
      expect([await total(), await charged()]).toEqual(before);
      await foldAll();
      expect([await total(), await charged()]).toEqual(before);
      expect(await rows()).toBe(4);
    });
  });
});
