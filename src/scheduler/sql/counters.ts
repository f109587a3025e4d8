import type { Queryable } from '../../database/statement.ts';

/** What is used is in nano-dollars, of this day and month (UTC) and in total; what is held by open calls as well. */
export const COUNTERS = [
  'key places',
  'key counting',
  'key held',
  'key tokens held',
  'key day',
  'key month',
  'key total',
  'team places',
  'team held',
  'team tokens held',
  'team day',
  'team month',
  'team total',
  'account places',
] as const;

export type Counter = (typeof COUNTERS)[number];

/** A counter that does not say what ledger and open rows prove. */
export interface Difference {
  readonly counter: Counter;
  /** Of the key, the team or the account. */
  readonly id: string;
  readonly counted: number;
  readonly proven: number;
}

export interface Proof {
  readonly differences: readonly Difference[];
  /** How many counters were compared. */
  readonly counters: number;
  readonly openCalls: number;
}

const CHECK = {
  name: 'check-counters',
  text: `select coalesce((select jsonb_agg(to_jsonb(d) order by counter, id)
                            from (select * from counter_differences order by counter, id limit 1000) d), '[]') as differences,
    (select 7 * count(*) from key_state)::integer + (select 6 * count(*) from team_state)::integer
      + (select count(*) from account_state)::integer as counters,
    (select count(*) from open_calls)::integer as "openCalls"`,
};
/** Hours that are summed in one transaction; one would never end, since the current hour is marked again and again. */
const FOLDED_AT_ONCE = 2;
const FOLD = { name: 'fold-charges', text: 'select fold_charges($1::integer) as hours' };
const REPAIR = { name: 'repair-counters', text: 'select repair_counters() as repaired' };

/** In one snapshot, so that a busy relay differs no more than a quiet one. */
export async function checkCounters(db: Queryable): Promise<Proof> {
  const [row] = await db.run<Proof>(CHECK, []);
  if (row === undefined) throw new Error('The check did not answer');
  return row;
}

/** Sets what differs to what is proven, and answers what that was. */
export async function repairCounters(db: Queryable): Promise<readonly Difference[]> {
  const [row] = await db.run<{ repaired: readonly Difference[] }>(REPAIR, []);
  return row?.repaired ?? [];
}

/** Sums what was charged in the hours that were written to since; the proof then reads the sums. */
export async function foldCharges(db: Queryable): Promise<void> {
  for (;;) {
    const [row] = await db.run<{ hours: number }>(FOLD, [FOLDED_AT_ONCE]);
    if (row === undefined || row.hours < FOLDED_AT_ONCE) return;
  }
}
