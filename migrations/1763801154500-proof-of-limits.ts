import type { MigrationInterface, QueryRunner } from 'typeorm';
import { RETENTION } from './1763800006100-usage-rollups.ts';
import { DIFFERENCES as DIFFERENCES_OF_PLACES, REPAIR as REPAIR_PLACES } from './1763800006200-proof.ts';
import { MOST, MOST_NANOS } from './1763801143600-limits.ts';

/** What is not summed for the proof keeps its month, too. */
export const RETENTION_OF_BOTH = RETENTION.replace('create function', 'create or replace function').replace(
  'exists (select from usage_touched where hour < v_end)',
  'exists (select from usage_touched where hour < v_end union all select from charged_touched where hour < v_end)',
);

/**
 * The proof of what keys and teams hold and have used, too. Holds are proven by the open rows. What was used is proven by
 * sums of the ledger by hour, day and month, which are made from time to time (`fold_charges`): every statement that
 * writes to the ledger leaves the hours that it touched, and in any snapshot an hour without such a mark is right as it is
 * summed, and one with a mark is read from the ledger. So the proof reads the attempts of the hours that are marked, the
 * days of this month, and a row for each earlier month.
 *
 * The marks are not those of `usage_touched`: a replica from before folds these without making our sums.
 */
export class ProofOfLimits1763801154500 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // No attempt may come between the marks that are made here and the sums.
    await runner.query('lock table ledger in share row exclusive mode');
    await runner.query(TABLES);
    await runner.query(BACKFILL);
    await runner.query(MARKS);
    await runner.query(RETENTION_OF_BOTH);
    await runner.query('drop function repair_counters; drop view counter_differences');
    await runner.query(VIEWS);
    await runner.query(FOLD);
    await runner.query(DIFFERENCES);
    await runner.query(REPAIR);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function repair_counters; drop view counter_differences; drop function fold_charges;
      drop view charged_parts; drop view charged_attempts;
      drop table charged_months, charged_days, charged_hours, charged_touched;
      create or replace function mark_touched_hours() returns trigger language plpgsql as $$
      begin
        insert into usage_touched (hour) select distinct date_trunc('hour', admitted_at, 'UTC') from touched;
        return null;
      end $$;
    `);
    await runner.query(RETENTION.replace('create function', 'create or replace function'));
    await runner.query(DIFFERENCES_OF_PLACES);
    await runner.query(REPAIR_PLACES);
  }
}

/** A holder is a key or a team; no two of them have the same id. */
const TABLES = `
  create table charged_hours (
    hour timestamptz not null, holder uuid not null, nanos numeric not null, primary key (hour, holder));
  create table charged_days (
    day date not null, holder uuid not null, nanos numeric not null, primary key (day, holder));
  create table charged_months (
    month date not null, holder uuid not null, nanos numeric not null, primary key (month, holder));
  create table charged_touched (hour timestamptz not null);
`;

/** What is in the ledger is summed by the next foldings; of months that were dropped there are the sums of keys. */
const BACKFILL = `
  insert into charged_touched (hour) select distinct date_trunc('hour', admitted_at, 'UTC') from ledger;
  insert into charged_days (day, holder, nanos)
    select (hour at time zone 'UTC')::date, key_id, sum(cost_nanos) from usage_days
      where hour < (select value::timestamptz from settings where name = 'ledger-dropped-until') group by 1, 2;
  insert into charged_months (month, holder, nanos)
    select date_trunc('month', day::timestamp)::date, holder, sum(nanos) from charged_days group by 1, 2;
`;

const MARKS = `
  create or replace function mark_touched_hours() returns trigger language plpgsql as $$
  begin
    with hours as (
      select distinct date_trunc('hour', admitted_at, 'UTC') as hour from touched
    ), usage as (
      insert into usage_touched (hour) select hour from hours
    )
    insert into charged_touched (hour) select hour from hours;
    return null;
  end $$;
`;

/**
 * Takes the marks of some hours, newest first, and sums these hours, their days and months anew. The marks go first: an
 * attempt that comes after that is summed, or leaves a mark that stays. Answers how many hours; 0 also while another
 * replica is at it.
 */
const FOLD = `
  create function fold_charges(p_most integer) returns integer language plpgsql as $$
  declare
    v_taken timestamptz[]; v_hours timestamptz[]; v_days date[]; v_months date[];
  begin
    if not pg_try_advisory_xact_lock(hashtextextended('llm-relay charged sums', 0)) then return 0; end if;
    with taken as (
      delete from charged_touched where hour in (
        select hour from charged_touched group by hour order by hour desc limit p_most) returning hour
    )
    select array_agg(distinct hour),
           array_agg(distinct hour) filter (where hour >= coalesce(
             (select value::timestamptz from settings where name = 'ledger-dropped-until'), '-infinity'))
      into v_taken, v_hours from taken;
    if v_hours is not null then
      v_days := array(select distinct (hour at time zone 'UTC')::date from unnest(v_hours) h (hour));
      v_months := array(select distinct date_trunc('month', day::timestamp)::date from unnest(v_days) d (day));
      delete from charged_hours where hour = any (v_hours);
      insert into charged_hours (hour, holder, nanos)
        select h.hour, a.holder, sum(a.nanos) from unnest(v_hours) h (hour) cross join lateral (
          select c.holder, c.nanos from charged_attempts c
            where c.admitted_at >= h.hour and c.admitted_at < h.hour + interval '1 hour'
              and c.request_id >= uuidv7_floor(h.hour - interval '1 hour')
              and c.request_id < uuidv7_floor(h.hour + interval '2 hours')) a
          group by 1, 2;
      delete from charged_days where day = any (v_days);
      insert into charged_days (day, holder, nanos)
        select d.day, h.holder, sum(h.nanos)
          from unnest(v_days) d (day) join charged_hours h on h.hour >= d.day::timestamp at time zone 'UTC'
                                                          and h.hour < (d.day + 1)::timestamp at time zone 'UTC'
          group by 1, 2;
      delete from charged_months where month = any (v_months);
      insert into charged_months (month, holder, nanos)
        select m.month, d.holder, sum(d.nanos)
          from unnest(v_months) m (month) join charged_days d on d.day >= m.month and d.day < m.month + interval '1 month'
          group by 1, 2;
    end if;
    return coalesce(cardinality(v_taken), 0);
  end $$;
`;

const VIEWS = `
  create view charged_attempts as
    select l.request_id, l.admitted_at, h.id as holder, (l.admitted_at at time zone 'UTC')::date as day,
           least(coalesce(l.cost_nanos, 0), ${MOST_NANOS})::numeric as nanos
      from ledger l cross join lateral unnest(l.key_id || l.teams) h (id);

  -- Every attempt that was charged to a holder in exactly one part; those of this month by their days at least.
  create view charged_parts as
    with bounds as (
      select date_trunc('month', now() at time zone 'UTC')::date as month,
             coalesce((select value::timestamptz from settings where name = 'ledger-dropped-until'),
                      '1970-01-01Z') as dropped
    ), hours as materialized (
      select distinct t.hour from charged_touched t, bounds b where t.hour >= b.dropped
    ), days as materialized (
      select distinct (hour at time zone 'UTC')::date as day from hours
    ), months as materialized (
      select distinct date_trunc('month', day::timestamp)::date as month from days
      union select month from bounds
    )
    select m.holder, m.month as day, m.nanos from charged_months m
      where m.month < (select month from bounds) and m.month not in (select month from months)
    union all
    select d.holder, d.day, d.nanos
      from months m join charged_days d on d.day >= m.month and d.day < m.month + interval '1 month'
      where d.day not in (select day from days)
    union all
    select h.holder, x.day, h.nanos
      from days x join charged_hours h on h.hour >= x.day::timestamp at time zone 'UTC'
                                      and h.hour < (x.day + 1)::timestamp at time zone 'UTC'
      where h.hour not in (select hour from hours)
    union all
    select a.holder, a.day, a.nanos from hours h cross join lateral (
      select * from charged_attempts c
        where c.admitted_at >= h.hour and c.admitted_at < h.hour + interval '1 hour'
          and c.request_id >= uuidv7_floor(h.hour - interval '1 hour')
          and c.request_id < uuidv7_floor(h.hour + interval '2 hours')) a
    union all
    -- Settled after their month was dropped.
    select c.holder, c.day, c.nanos from charged_attempts c
      where c.request_id < uuidv7_floor((select dropped from bounds)) and c.admitted_at < (select dropped from bounds);
`;

/** Of a window that is over nothing is proven, for it counts for nothing any more. */
function used(holder: 'key' | 'team'): string {
  return ['day', 'month', 'total']
    .map((window) => {
      const [counted, proven] = [`s.${window}_used`, `least(coalesce(p.${window}, 0), ${MOST})::bigint`];
      const now =
        window === 'total' ? 'true' : `s.${window} = date_trunc('${window}', now() at time zone 'UTC')::date`;
      return `select '${holder} ${window}' as counter, s.id, ${counted} as counted, ${proven} as proven
        from ${holder}_state s left join charged p on p.holder = s.id where ${now}`;
    })
    .join('\n      union all ');
}

const DIFFERENCES = `
  create view counter_differences as
    with kept as (
      select 'key places' as counter, id, in_use::bigint as counted from key_state
      union all select 'key counting', id, counting from key_state
      union all select 'key held', id, held from key_state
      union all select 'key tokens held', id, tok_held from key_state
      union all select 'team places', id, in_use from team_state
      union all select 'team held', id, held from team_state
      union all select 'team tokens held', id, tok_held from team_state
      union all select 'account places', id, in_use from account_state
    ), holding as materialized (
      select 'key' as holder, key_id as id, lane, hold_nanos, hold_tokens from open_calls
      union all
      select 'team', t.id, o.lane, o.hold_nanos, o.hold_tokens
        from open_calls o cross join lateral unnest(o.teams) t (id)
    ), open as (
      select holder || ' places' as counter, id, count(*) as proven from holding where lane <> 'count' group by 1, 2
      union all
      select 'key counting', id, count(*) from holding where lane = 'count' and holder = 'key' group by 2
      union all
      select holder || ' held', id, sum(hold_nanos)::bigint from holding group by 1, 2
      union all
      select holder || ' tokens held', id, sum(hold_tokens)::bigint from holding group by 1, 2
      union all
      select 'account places', account_id, count(*) from open_calls where lane <> 'count' and placed group by 2
    ), charged as materialized (
      select holder, sum(nanos) as total,
             sum(nanos) filter (where day >= date_trunc('month', now() at time zone 'UTC')::date) as month,
             sum(nanos) filter (where day = (now() at time zone 'UTC')::date) as day
        from charged_parts group by holder
    )
    select counter, id, coalesce(counted, 0) as counted, coalesce(proven, 0) as proven
      from kept full join open using (counter, id)
      where coalesce(counted, 0) <> coalesce(proven, 0)
    union all
    select * from (
      ${used('key')}
      union all ${used('team')}
    ) u where counted <> proven;
`;

const COLUMNS = {
  in_use: 'places',
  counting: 'counting',
  held: 'held',
  tok_held: 'tokens held',
  day_used: 'day',
  month_used: 'month',
  total_used: 'total',
} as const;

/** Sets those counters of one table that are named in \`v_repaired\`. */
function repaired(holder: 'key' | 'team' | 'account'): string {
  const own = Object.entries(COLUMNS).filter(
    ([column]) => holder === 'key' || (holder === 'team' ? column !== 'counting' : column === 'in_use'),
  );
  const set = own.map(
    ([column, counter]) => `${column} = coalesce((
          select d.proven from jsonb_to_recordset(v_repaired) d (counter text, id uuid, proven bigint)
            where d.id = s.id and d.counter = '${holder} ${counter}'), ${column})`,
  );
  return `update ${holder}_state s set
        ${set.join(',\n        ')}
      where s.id = any (v_${holder}s);`;
}

/**
 * As before: rows are locked first, in the order of all, and looked at again under the lock. Whoever moves a counter
 * holds its row until the commit that shows the open row and the ledger's.
 */
const REPAIR = `
  create function repair_counters() returns jsonb language plpgsql as $$
  declare
    v_keys uuid[]; v_teams uuid[]; v_accounts uuid[]; v_repaired jsonb;
  begin
    if not pg_try_advisory_xact_lock(hashtextextended('llm-relay counters', 0)) then return '[]'; end if;
    select array_agg(distinct id) filter (where counter like 'key %'),
           array_agg(distinct id) filter (where counter like 'team %'),
           array_agg(distinct id) filter (where counter = 'account places')
      into v_keys, v_teams, v_accounts from counter_differences;
    if v_keys is null and v_teams is null and v_accounts is null then return '[]'; end if;

    perform 1 from key_state where id = any (v_keys) order by id for no key update;
    perform 1 from team_state where id = any (v_teams) order by id for no key update;
    perform 1 from account_state where id = any (v_accounts) order by id for no key update;
    select coalesce(jsonb_agg(to_jsonb(d) order by counter, id), '[]') into v_repaired from counter_differences d
      where id = any (v_keys || v_teams || v_accounts);

    ${repaired('key')}
    ${repaired('team')}
    ${repaired('account')}
    return v_repaired;
  end $$;
`;
