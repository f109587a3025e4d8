import pg from 'pg';

/** A counter that does not say what the open rows say, or is below zero. */
export interface Difference {
  readonly counter: 'key places' | 'key counting' | 'account places';
  readonly id: string;
  readonly counted: number;
  readonly open: number;
}

const DIFFERENCES = `
  with kept as (
    select 'key places' as counter, id, in_use as counted from key_state
    union all select 'key counting', id, counting from key_state
    union all select 'account places', id, in_use from account_state
  ), held as (
    select 'key places' as counter, key_id as id, count(*)::integer as open from open_calls
      where lane <> 'count' group by 2
    union all select 'key counting', key_id, count(*)::integer from open_calls where lane = 'count' group by 2
    union all select 'account places', account_id, count(*)::integer from open_calls
      where lane <> 'count' and placed group by 2
  )
  select counter, id, coalesce(counted, 0) as counted, coalesce(open, 0) as open
    from kept full join held using (counter, id)
    where coalesce(counted, 0) <> coalesce(open, 0) or counted < 0`;

/** What of the counters differs from the open rows, in one snapshot. Empty at any moment, busy or not. */
export async function unsettled(url: string): Promise<Difference[]> {
  return withClient(url, async (client) => (await client.query<Difference>(DIFFERENCES)).rows);
}

/**
 * For `afterEach`, once everything has been settled: no place taken, no open row, no counter off, and no deadlock
 * since the database was made.
 */
export async function expectQuiet(url: string): Promise<void> {
  const found = await withClient(url, async (client) => {
    const { rows } = await client.query<{ places: number; open: number; deadlocks: number }>(`
      select (select coalesce(sum(in_use + counting), 0) from key_state)::integer
               + (select coalesce(sum(in_use), 0) from account_state)::integer as places,
             (select count(*) from open_calls)::integer as open,
             (select deadlocks from pg_stat_database where datname = current_database())::integer as deadlocks`);
    return { ...rows[0], differences: (await client.query<Difference>(DIFFERENCES)).rows };
  });
  expect(found).toEqual({ places: 0, open: 0, deadlocks: 0, differences: [] });
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
