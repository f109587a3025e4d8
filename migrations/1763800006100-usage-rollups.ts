import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Sums of the ledger by hour and by day, so that a report over a year need not read a year of attempts.
 *
 * Nothing is summed while a call is settled. Every statement that writes to the ledger leaves, in its own transaction,
 * the hours that it touched; folding takes these marks and sums their hours anew, in one snapshot. In any snapshot,
 * therefore, an hour without a mark is right as it is summed, and one with a mark is read from the ledger.
 */
export class UsageRollups1763800006100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // No row may come between the marks that are made here and the trigger.
    await runner.query('lock table ledger in share row exclusive mode');
    await runner.query(TABLES);
    await runner.query(COUNTED);
    await runner.query(MARKS);
    await runner.query(RETENTION);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function drop_ledger_partitions;
      drop trigger ledger_inserted on ledger;
      drop trigger ledger_updated on ledger;
      drop function mark_touched_hours;
      drop view counted_attempts;
      drop table usage_touched, usage_days, usage_hours;
      delete from settings where name = 'ledger-dropped-until';
    `);
  }
}

/**
 * A call counts once in every group that it has an attempt in. Groups differ within one call by account, by kind and by
 * outcome, so that there is a count of calls for each choice of these; whatever else a report groups by is the same for
 * all attempts of a call. Sums are numeric: a report must not fail because one row has an absurd figure.
 */
const SUMS = `
  calls bigint not null,
  calls_by_account bigint not null,
  calls_by_kind bigint not null,
  calls_by_outcome bigint not null,
  calls_by_account_outcome bigint not null,
  calls_by_kind_outcome bigint not null,
  attempts bigint not null,
  unpriced bigint not null,
  estimated bigint not null,
  input_tokens numeric not null,
  cache_read_tokens numeric not null,
  cache_write_5m_tokens numeric not null,
  cache_write_1h_tokens numeric not null,
  output_tokens numeric not null,
  reasoning_tokens numeric not null,
  cost_nanos numeric not null`;

const TABLES = `
  create table usage_hours (
    hour timestamptz not null,
    key_id uuid not null,
    account_id uuid not null,
    kind text not null,
    model text not null,
    outcome text not null,
    ${SUMS},
    primary key (hour, key_id, account_id, kind, model, outcome)
  );
  create table usage_days (
    -- The beginning of the day, UTC.
    hour timestamptz not null,
    key_id uuid not null,
    account_id uuid not null,
    kind text not null,
    model text not null,
    outcome text not null,
    ${SUMS},
    primary key (hour, key_id, account_id, kind, model, outcome)
  );
  create index usage_days_key on usage_days (key_id, hour);
  create table usage_touched (hour timestamptz not null);
`;

/** Attempts, each with the counts of calls in which it stands for its call: the first one there of the call's attempts. */
export const COUNTED = `
  create view counted_attempts as
    select l.request_id, l.admitted_at, date_trunc('hour', l.admitted_at, 'UTC') as hour, l.key_id, l.account_id,
           l.kind, l.model, l.outcome,
           (e.earlier is null)::integer as calls,
           (e.same_account is not true)::integer as calls_by_account,
           (e.same_kind is not true)::integer as calls_by_kind,
           (e.same_outcome is not true)::integer as calls_by_outcome,
           (e.same_account_outcome is not true)::integer as calls_by_account_outcome,
           (e.same_kind_outcome is not true)::integer as calls_by_kind_outcome,
           1 as attempts, (l.cost_nanos is null)::integer as unpriced, l.estimated::integer as estimated,
           l.input_tokens, l.cache_read_tokens, l.cache_write_5m_tokens, l.cache_write_1h_tokens, l.output_tokens,
           l.reasoning_tokens, coalesce(l.cost_nanos, 0) as cost_nanos
      from ledger l
      left join lateral (
        select bool_or(true) as earlier,
               bool_or(p.account_id = l.account_id) as same_account,
               bool_or(p.kind = l.kind) as same_kind,
               bool_or(p.outcome = l.outcome) as same_outcome,
               bool_or(p.account_id = l.account_id and p.outcome = l.outcome) as same_account_outcome,
               bool_or(p.kind = l.kind and p.outcome = l.outcome) as same_kind_outcome
          from ledger p where l.attempt > 1 and p.request_id = l.request_id and p.attempt < l.attempt
      ) e on true;
`;

const MARKS = `
  create function mark_touched_hours() returns trigger language plpgsql as $$
  begin
    insert into usage_touched (hour) select distinct date_trunc('hour', admitted_at, 'UTC') from touched;
    return null;
  end $$;
  create trigger ledger_inserted after insert on ledger
    referencing new table as touched for each statement execute function mark_touched_hours();
  create trigger ledger_updated after update on ledger
    referencing new table as touched for each statement execute function mark_touched_hours();

  insert into usage_touched (hour) select distinct date_trunc('hour', admitted_at, 'UTC') from ledger;
`;

/**
 * Drops partitions of months that ended \`p_months\` months before this one began, oldest first; their sums stay.
 * None is dropped that has an hour which is not summed yet, or that an open call would be settled into. Rows of its
 * replicas whose clocks were ahead belong to a later hour and go to the default partition. From the setting
 * \`ledger-dropped-until\` on, sums are no longer made anew. Answers how many were dropped.
 */
export const RETENTION = `
  create function drop_ledger_partitions(p_months integer) returns integer language plpgsql as $$
  declare
    v_dropped integer := 0; v_before timestamp; v_month timestamp; v_end timestamptz; v_name text;
  begin
    if p_months < 1 or not pg_try_advisory_xact_lock(hashtextextended('llm-relay ledger partitions', 0)) then
      return 0;
    end if;
    perform set_config('lock_timeout', '500ms', true);
    v_before := date_trunc('month', clock_timestamp() at time zone 'UTC') - p_months * interval '1 month';
    for v_name in
      select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'ledger'::regclass and c.relname ~ '^ledger_\\d{4}_\\d{2}$' order by c.relname
    loop
      v_month := to_date(substr(v_name, 8), 'YYYY_MM');
      exit when v_month >= v_before;
      v_end := (v_month + interval '1 month') at time zone 'UTC';
      exit when exists (select from open_calls where request_id < uuidv7_floor(v_end));
      lock table ledger in access exclusive mode;
      exit when exists (select from usage_touched where hour < v_end);
      execute format('alter table ledger detach partition %I', v_name);
      execute format('insert into ledger select * from %I where admitted_at >= %L', v_name, v_end);
      execute format('drop table %I', v_name);
      insert into settings (name, value) values
        ('ledger-dropped-until', to_char(v_end at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        on conflict (name) do update set value = excluded.value;
      v_dropped := v_dropped + 1;
    end loop;
    return v_dropped;
  end $$;
`;
