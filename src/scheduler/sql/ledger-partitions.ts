import type { Queryable } from '../../database/statement.ts';

const ENSURE = { name: 'ensure-ledger-partitions', text: 'select ensure_ledger_partitions() as made' };

const DROP = {
  name: 'drop-ledger-partitions',
  text: 'select drop_ledger_partitions($1::integer) as dropped',
};

/** What was superseded goes with the months that were dropped. */
const FORGET_SUPERSEDED = {
  name: 'forget-superseded',
  text: `delete from ledger_superseded where request_id <
    (select uuidv7_floor(value::timestamptz) from settings where name = 'ledger-dropped-until')`,
};

/** Partitions of this month and the next two, by the database clock; answers how many had to be made. */
export async function ensureLedgerPartitions(db: Queryable): Promise<number> {
  const [row] = await db.run<{ made: number }>(ENSURE, []);
  return row?.made ?? 0;
}

/** Of months that ended so many whole months before this one began; answers how many. */
export async function dropLedgerPartitions(db: Queryable, keepMonths: number): Promise<number> {
  const [row] = await db.run<{ dropped: number }>(DROP, [keepMonths]);
  await db.run(FORGET_SUPERSEDED, []);
  return row?.dropped ?? 0;
}
