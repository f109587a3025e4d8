import type { Queryable } from '../../database/statement.ts';

/** A counter that does not say what ledger and open rows prove. */
export interface Difference {
  readonly counter: 'key places' | 'key counting' | 'account places';
  /** Of the key or the account. */
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
    (select 2 * count(*) from key_state)::integer + (select count(*) from account_state)::integer as counters,
    (select count(*) from open_calls)::integer as "openCalls"`,
};
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
