import type { Queryable } from '../../database/statement.ts';

const ENSURE = { name: 'ensure-ledger-partitions', text: 'select ensure_ledger_partitions() as made' };

/** Partitions of this month and the next two, by the database clock; answers how many had to be made. */
export async function ensureLedgerPartitions(db: Queryable): Promise<number> {
  const [row] = await db.run<{ made: number }>(ENSURE, []);
  return row?.made ?? 0;
}
