import pg from 'pg';

/** A counter that does not say what the open rows or the ledger say, or is below zero. */
export interface Difference {
  readonly counter: string;
  readonly id: string;
  readonly counted: number;
  readonly found: number;
}

/** Each counter of a key or a team, and what it must be: `open` rows and `charged` attempts, one for each holder. */
const HOLDERS = ['key', 'team']
  .map(
    (holder) => `
    select '${holder} ' || c.counter as counter, c.id, sum(c.counted) as counted, sum(c.found) as found from (
      select s.id, v.counter, v.counted, 0 as found from ${holder}_state s cross join lateral (values
        ('places', s.in_use::numeric), ('held', s.held), ('tokens held', s.tok_held), ('day', s.day_used),
        ('month', s.month_used), ('total', s.total_used)) v (counter, counted)
      union all
      select o.holder, v.counter, 0, v.found from open_${holder} o cross join lateral (values
        ('places', (o.lane <> 'count')::integer::numeric), ('held', o.hold_nanos), ('tokens held', o.hold_tokens))
        v (counter, found)
      union all
      select l.holder, v.counter, 0, v.found
        from charged_${holder} l join ${holder}_state s on s.id = l.holder cross join lateral (values
          ('day', case when l.day = s.day then l.nanos end),
          ('month', case when date_trunc('month', l.day::timestamp) = s.month then l.nanos end),
          ('total', l.nanos)) v (counter, found)
    ) c group by 1, 2`,
  )
  .join(' union all ');

const DIFFERENCES = `
  with open_key as (select key_id as holder, * from open_calls),
  open_team as (select t.id as holder, o.* from open_calls o cross join lateral unnest(o.teams) t (id)),
  charged as (
    select key_id, teams, (admitted_at at time zone 'UTC')::date as day, least(coalesce(cost_nanos, charged_nanos, 0), 1000000000000000) as nanos
      from ledger
  ),
  charged_key as (select key_id as holder, day, nanos from charged),
  charged_team as (select t.id as holder, c.day, c.nanos from charged c cross join lateral unnest(c.teams) t (id)),
  counters as (
    ${HOLDERS}
    union all
    select 'key counting', id, sum(counted), sum(found) from (
      select id, counting as counted, 0 as found from key_state
      union all select key_id, 0, 1 from open_calls where lane = 'count') c group by 2
    union all
    select 'account places', id, sum(counted), sum(found) from (
      select id, in_use as counted, 0 as found from account_state
      union all select account_id, 0, 1 from open_calls where lane <> 'count' and placed) c group by 2
  )
  select counter, id, counted::float8, coalesce(found, 0)::float8 as found
    from counters where counted <> coalesce(found, 0) or counted < 0`;

/** What of the counters differs from open rows and ledger, in one snapshot. Empty at any moment, busy or not. */
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
