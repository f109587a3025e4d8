import type { MigrationInterface, QueryRunner } from 'typeorm';
import { SETTLE as SETTLE_CALLS } from './1763800001000-scheduling.ts';
import {
  LOCKS,
  RELEASE_CALLS,
  SETTLE as SETTLE_ATTEMPTS,
  SWEEP_ATTEMPTS,
} from './1763800003000-call-attempts.ts';

/**
 * Limits of keys and teams: what they are (settings), and the counters that they are held by.
 *
 * `used` moves for ledger rows that were written; places and holds move for open rows that were deleted; never
 * crosswise. What was used in a window stands in the row that admission locks, with the window it is of: the first
 * charge of a later day or month begins anew, and what is charged to an earlier one afterwards is in the ledger alone.
 * A charge belongs to the window of its call's admission; what is held is held of every window.
 *
 * Lock order, everywhere: ledger and open rows → key_state → team_state → account_state → insert of open rows.
 */
export class Limits1763801143600 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query('lock table ledger, api_keys in access exclusive mode');
    await runner.query(TABLES);
    await runner.query(BACKFILL);
    await runner.query(RELEASE);
    await runner.query(SETTLE);
    await runner.query(OLD_SETTLES);
    await runner.query(SWEEP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`
      lock table ledger, api_keys in access exclusive mode;
      drop function settle(${SETTLED}, boolean[], text[]);
      drop function settle(${SETTLED}, boolean[]);
      drop function settle(${SETTLED});
      drop function release_calls(uuid[], uuid[], boolean[], boolean[], bigint[], bigint[], text[], uuid[],
        date[], bigint[], bigint[], text[]);
      drop function release_calls(uuid[], uuid[], boolean[], boolean[]);
      drop function release_strays;
      drop table team_state;
      alter table key_state
        drop column tat, drop column tok_tat, drop column tok_held, drop column tok_limit, drop column held,
        drop column day, drop column day_used, drop column month, drop column month_used, drop column total_used;
      alter table open_calls drop column teams, add check (hold_nanos >= 0), add check (hold_tokens >= 0);
      alter table ledger drop column teams, drop column written_off_nanos;
      alter table api_keys
        drop column requests_per_minute, drop column tokens_per_minute, drop column budget_day_nanos,
        drop column budget_month_nanos, drop column budget_total_nanos, drop column team_id;
      drop table teams;
    `);
    await runner.query(RELEASE_CALLS);
    await runner.query(SETTLE_CALLS);
    await runner.query(SETTLE_ATTEMPTS);
    await runner.query(SWEEP_ATTEMPTS);
  }
}

/** Types of the arguments of the first `settle`. */
export const SETTLED = `uuid[], smallint[], timestamptz[], uuid[], uuid[], uuid[], text[], text[], text[], text[], text[],
  boolean[], text[], smallint[], text[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], text[], boolean[],
  boolean[], bigint[], bigint[], integer[], integer[], text[], text[]`;

/** Null = no limit. */
const LIMITS = `
  requests_per_minute integer check (requests_per_minute > 0),
  tokens_per_minute bigint check (tokens_per_minute > 0),
  budget_day_nanos bigint check (budget_day_nanos >= 0),
  budget_month_nanos bigint check (budget_month_nanos >= 0),
  budget_total_nanos bigint check (budget_total_nanos >= 0)`;

/**
 * `tat`: the moment, in µs, at which the bucket of requests is empty again; `tok_tat` the same for tokens that calls
 * have used, `tok_held` the tokens that open calls may still use, `tok_limit` the tokens a minute at the last admission. Money is nano-dollars. Without checks on the sums:
 * a settlement must never fail for one, and they are proven against ledger and open rows instead.
 */
const COUNTERS = `
  tat bigint not null default 0,
  tok_tat bigint not null default 0,
  tok_held bigint not null default 0,
  tok_limit bigint,
  held bigint not null default 0,
  day date not null default '-infinity',
  day_used bigint not null default 0,
  month date not null default '-infinity',
  month_used bigint not null default 0,
  total_used bigint not null default 0`;

const TABLES = `
  create table teams (
    id uuid primary key,
    version bigint not null,
    name text not null,
    parent_id uuid references teams (id),
    -- The team itself, its parent, that one's parent, and so on.
    path uuid[] not null,
    max_concurrency integer check (max_concurrency > 0),
    ${LIMITS},
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  );
  create unique index teams_name on teams (name) where deleted_at is null;
  create index teams_path on teams using gin (path);

  create table team_state (
    id uuid primary key references teams (id),
    in_use integer not null default 0 check (in_use >= 0),
    ${COUNTERS}
  ) with (fillfactor = 50);

  alter table api_keys ${added(LIMITS)}, add column team_id uuid references teams (id);
  create index api_keys_team on api_keys (team_id) where team_id is not null;
  alter table key_state ${added(COUNTERS)};
  alter table open_calls
    -- A check is set up anew in every statement that inserts a row, which costs more than the rest of these columns.
    drop constraint open_calls_hold_nanos_check,
    drop constraint open_calls_hold_tokens_check,
    -- The teams that the call counts on.
    add column teams uuid[] not null default '{}';
  alter table ledger
    -- The teams that the attempt is charged to.
    add column teams uuid[] not null default '{}',
    -- What was charged when the attempt was written off; a late settlement charges the difference.
    add column written_off_nanos bigint;
`;

/** What keys have used so far. */
const BACKFILL = `
  insert into key_state (id) select id from api_keys order by id on conflict do nothing;
  update key_state s
    set day = t.day, day_used = x.day_used, month = t.month, month_used = x.month_used, total_used = x.total_used
    from (select l.key_id as id,
                 coalesce(sum(l.cost_nanos) filter (where l.admitted_at >= t.day), 0) as day_used,
                 coalesce(sum(l.cost_nanos) filter (where l.admitted_at >= t.month), 0) as month_used,
                 coalesce(least(sum(l.cost_nanos), 4000000000000000000), 0) as total_used
            from ledger l, (select date_trunc('day', now(), 'UTC') as day, date_trunc('month', now(), 'UTC') as month) t
            group by l.key_id) x,
         (select (now() at time zone 'UTC')::date as day,
                 date_trunc('month', now() at time zone 'UTC')::date as month) t
    where s.id = x.id;
`;

/**
 * Gives back what deleted open rows held, and charges what ledger rows have come to, and tokens into the bucket from
 * now on. The caller has deleted and written them in
 * this transaction.
 */
/**
 * More than that is no cost and no count of a call's; it would only make the sums overflow, and a settlement must not
 * fail for that.
 */
export const MOST_NANOS = '1000000000000000';
export const MOST_TOKENS = '100000000';
export const MOST = '4000000000000000000';
const MICROS = 'floor(extract(epoch from clock_timestamp()) * 1000000)::bigint';

/** What `release_calls` takes of open rows, and of ledger rows. */
export const GONE = `array_agg(key_id), array_agg(account_id), array_agg(lane <> 'count'), array_agg(placed),
      array_agg(hold_nanos), array_agg(hold_tokens), array_agg(teams::text)`;
export const GONE_NAMES = 'g_keys, g_accounts, g_generating, g_placed, g_hold_nanos, g_hold_tokens, g_teams';
export const GONE_ARRAYS = `g_keys uuid[]; g_accounts uuid[]; g_generating boolean[]; g_placed boolean[];
    g_hold_nanos bigint[]; g_hold_tokens bigint[]; g_teams text[];`;
export const CHARGE = ['key_id', 'day', 'nanos', 'tokens', 'teams::text']
  .map((column) => `array_agg(${column}) filter (where nanos <> 0 or tokens <> 0)`)
  .join(', ');
export const CHARGE_NAMES = 'c_keys, c_days, c_nanos, c_tokens, c_teams';
export const CHARGE_ARRAYS =
  'c_keys uuid[]; c_days date[]; c_nanos bigint[]; c_tokens bigint[]; c_teams text[];';

export const RELEASE = `
  create function release_calls(
    p_keys uuid[], p_accounts uuid[], p_generating boolean[], p_placed boolean[], p_hold_nanos bigint[],
    p_hold_tokens bigint[], p_teams text[],
    c_keys uuid[], c_days date[], c_nanos bigint[], c_tokens bigint[], c_teams text[]
  ) returns void language plpgsql set enable_hashjoin = off set enable_mergejoin = off as $$
  declare
    v_gone constant integer := coalesce(cardinality(p_keys), 0);
    v_charges constant integer := coalesce(cardinality(c_keys), 0);
    v_no bigint[] := array_fill(0::bigint, array[v_charges]);
    v_none bigint[] := array_fill(0::bigint, array[v_gone]);
    i_keys constant uuid[] := p_keys || c_keys;
    i_days constant date[] := array_fill(c_days[1], array[v_gone]) || c_days;
    i_teams constant text[] := p_teams || c_teams;
    i_generating constant boolean[] := p_generating || array_fill(null::boolean, array[v_charges]);
    i_hold constant bigint[] := p_hold_nanos || v_no;
    i_hold_tokens constant bigint[] := p_hold_tokens || v_no;
    i_nanos constant bigint[] := v_none || c_nanos;
    i_tokens constant bigint[] := v_none || c_tokens;
    v_teams constant boolean := i_teams <> array_fill('{}'::text, array[v_gone + v_charges]);
    v_days date[] := i_days[1 : 1]; v_day date; v_month date; v_accounts uuid[];
  begin
    if i_keys[1] <> any (i_keys) or v_teams then
      perform 1 from key_state where id = any (i_keys) order by id for no key update;
    end if;
    if v_teams then
      perform 1 from team_state
        where id in (select unnest(t.path::uuid[]) from unnest(i_teams) t (path)) order by id for no key update;
    end if;

    if i_days <> array_fill(i_days[1], array[v_gone + v_charges]) then
      v_days := array(select distinct unnest(i_days));
    end if;
    foreach v_day in array v_days loop
      v_month := date_trunc('month', v_day::timestamp);
      ${counted('key_state')}
      if v_teams then
        ${counted('team_state')}
      end if;
    end loop;

    select array_agg(u.id) into v_accounts
      from unnest(p_accounts, p_generating, p_placed) u (id, generating, placed) where u.placed and u.generating;
    if v_accounts is null then return; end if;
    if cardinality(v_accounts) > 1 then
      perform 1 from account_state where id = any (v_accounts) order by id for no key update;
    end if;
    update account_state s set in_use = s.in_use - x.places
      from (select u.id, count(*) as places from unnest(v_accounts) u (id) group by u.id) x
      where s.id = x.id;
  end $$;

  -- Admissions whose answer never arrived and that nobody will settle: nothing was sent upstream for them.
  create or replace function release_strays(p_ids uuid[]) returns uuid[] language plpgsql as $$
  declare
    v_ids uuid[]; ${GONE_ARRAYS}
  begin
    with gone as (
      delete from open_calls where request_id = any (p_ids) returning *
    )
    select array_agg(request_id), ${GONE} into v_ids, ${GONE_NAMES} from gone;
    if v_ids is not null then perform release_calls(${GONE_NAMES}, '{}', '{}', '{}', '{}', '{}'); end if;
    return coalesce(v_ids, '{}');
  end $$;
`;

export const SETTLE = `
  create function settle(
    p_ids uuid[], p_attempts smallint[], p_admitted timestamptz[], p_epochs uuid[], p_keys uuid[], p_accounts uuid[],
    p_lanes text[], p_doors text[], p_kinds text[], p_models text[], p_upstream_models text[], p_streams boolean[],
    p_outcomes text[], p_statuses smallint[], p_reasons text[],
    p_input bigint[], p_cache_read bigint[], p_cache_write_5m bigint[], p_cache_write_1h bigint[],
    p_output bigint[], p_reasoning bigint[], p_server_tools text[], p_estimated boolean[], p_suspicious boolean[],
    p_costs bigint[], p_prices bigint[], p_first_byte integer[], p_duration integer[],
    p_upstream_ids text[], p_client_ids text[], p_final boolean[], p_teams text[]
  ) returns integer[] language plpgsql set enable_hashjoin = off set enable_mergejoin = off as $$
  declare
    v_written integer; ${CHARGE_ARRAYS} ${GONE_ARRAYS}
  begin
    with written as (
      insert into ledger (
        request_id, attempt, admitted_at, epoch, key_id, account_id, lane, door, kind, model, upstream_model, stream,
        outcome, status, reason, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
        output_tokens, reasoning_tokens, server_tools, estimated, suspicious, cost_nanos, price_id, first_byte_ms,
        duration_ms, upstream_request_id, client_request_id, teams)
      select x.id, x.attempt, x.admitted, x.epoch, x.key, x.account, x.lane, x.door, x.kind, x.model, x.upstream_model,
             x.stream, x.outcome, x.status, x.reason, x.input, x.cache_read, x.cache_write_5m, x.cache_write_1h,
             x.output, x.reasoning, x.server_tools::jsonb, x.estimated, x.suspicious, x.cost, x.price, x.first_byte,
             x.duration, x.upstream_id, x.client_id, x.teams::uuid[]
        from unnest(p_ids, p_attempts, p_admitted, p_epochs, p_keys, p_accounts, p_lanes, p_doors, p_kinds, p_models,
                    p_upstream_models, p_streams, p_outcomes, p_statuses, p_reasons, p_input, p_cache_read,
                    p_cache_write_5m, p_cache_write_1h, p_output, p_reasoning, p_server_tools, p_estimated,
                    p_suspicious, p_costs, p_prices, p_first_byte, p_duration, p_upstream_ids, p_client_ids, p_teams)
          x (id, attempt, admitted, epoch, key, account, lane, door, kind, model, upstream_model, stream, outcome,
             status, reason, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, server_tools,
             estimated, suspicious, cost, price, first_byte, duration, upstream_id, client_id, teams)
        on conflict (request_id, attempt) do update set
          settled_at = excluded.settled_at, upstream_model = excluded.upstream_model, stream = excluded.stream,
          outcome = excluded.outcome, status = excluded.status, reason = excluded.reason,
          input_tokens = excluded.input_tokens, cache_read_tokens = excluded.cache_read_tokens,
          cache_write_5m_tokens = excluded.cache_write_5m_tokens,
          cache_write_1h_tokens = excluded.cache_write_1h_tokens, output_tokens = excluded.output_tokens,
          reasoning_tokens = excluded.reasoning_tokens, server_tools = excluded.server_tools,
          estimated = excluded.estimated, suspicious = excluded.suspicious, cost_nanos = excluded.cost_nanos,
          price_id = excluded.price_id, first_byte_ms = excluded.first_byte_ms, duration_ms = excluded.duration_ms,
          upstream_request_id = excluded.upstream_request_id, client_request_id = excluded.client_request_id
          where ledger.outcome = 'orphaned' and excluded.outcome <> 'orphaned'
        returning key_id, teams, (admitted_at at time zone 'UTC')::date as day,
          least(coalesce(cost_nanos, 0), ${MOST_NANOS}) - coalesce(written_off_nanos, 0) as nanos,
          least(input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens + output_tokens,
                ${MOST_TOKENS}) as tokens
    )
    select count(*), ${CHARGE} into v_written, ${CHARGE_NAMES} from written;

    with gone as (
      delete from open_calls o using unnest(p_ids, p_final) x (id, final)
        where o.request_id = x.id and x.final
        returning o.*
    )
    select ${GONE} into ${GONE_NAMES} from gone;
    if g_keys is not null or c_keys is not null then
      perform release_calls(${GONE_NAMES}, ${CHARGE_NAMES});
    end if;
    return array[v_written, coalesce(cardinality(g_keys), 0)];
  end $$;
`;

/** As older replicas call it: every settlement ends its call, and the teams are those of the open row. */
const OLD_SETTLES = `
  ${olderSettle('array_fill(true, array[cardinality(p_ids)])', '')}
  ${olderSettle('p_final', ', p_final boolean[]')}
`;

/**
 * As before. The attempt at which a call stood is charged what the call held, for it may have cost that; the
 * settlement of its owner, should it still come, charges the difference. Those before it were over, and cost nothing
 * that is known.
 */
export const SWEEP = `
  create or replace function sweep_epochs(p_ttl_ms integer) returns integer[] language plpgsql as $$
  declare
    v_marked integer; v_epochs uuid[]; v_ids uuid[]; ${CHARGE_ARRAYS} ${GONE_ARRAYS}
  begin
    update replicas set dead_at = clock_timestamp() where epoch in (
      select epoch from replicas
        where dead_at is null and closed_at is null
          and beat < clock_timestamp() - p_ttl_ms * interval '1 millisecond'
        order by epoch for update skip locked);
    get diagnostics v_marked = row_count;

    select array_agg(epoch) into v_epochs from (
      select r.epoch from replicas r
        where (r.dead_at is not null or r.closed_at is not null)
          and exists (select from open_calls o where o.epoch = r.epoch)
        order by r.epoch for update skip locked) mine;
    if v_epochs is null then return array[v_marked, 0]; end if;

    select array_agg(request_id) into v_ids from (
      select request_id from open_calls where epoch = any (v_epochs) order by request_id limit 500) batch;
    with written as (
      insert into ledger (request_id, attempt, admitted_at, epoch, key_id, account_id, lane, door, kind, model,
                          upstream_model, stream, outcome, estimated, cost_nanos, written_off_nanos, duration_ms, teams)
        select o.request_id, t.attempt, o.at, o.epoch, o.key_id, t.account, o.lane, o.door, coalesce(a.kind, o.kind),
               o.model, o.model, false, 'orphaned', true, h.nanos, h.nanos,
               least(2147483647, greatest(0, extract(epoch from clock_timestamp() - o.at) * 1000)), o.teams
          from open_calls o
          cross join lateral unnest(o.tried || o.account_id) with ordinality t (account, attempt)
          cross join lateral (select case when t.attempt = o.attempt then o.hold_nanos else 0 end as nanos) h
          left join accounts a on a.id = t.account
          where o.request_id = any (v_ids) order by o.request_id, t.attempt
        on conflict do nothing
        returning key_id, teams, (admitted_at at time zone 'UTC')::date as day, cost_nanos as nanos, 0::bigint as tokens
    )
    select ${CHARGE} into ${CHARGE_NAMES} from written;
    with gone as (
      delete from open_calls where request_id = any (v_ids) returning *
    )
    select ${GONE} into ${GONE_NAMES} from gone;
    if g_keys is not null or c_keys is not null then
      perform release_calls(${GONE_NAMES}, ${CHARGE_NAMES});
    end if;
    return array[v_marked, coalesce(cardinality(g_keys), 0)];
  end $$;
`;

/** Moves the counters of one table by what was charged on one day; its rows are locked where there are several. */
function counted(state: 'key_state' | 'team_state'): string {
  const keys = state === 'key_state';
  return `update ${state} s set
        in_use = s.in_use - x.places,
        ${keys ? 'counting = s.counting - x.counts,' : ''}
        -- Unchanged without tokens, and without a limit.
        tok_tat = least(${MOST}, coalesce(greatest(s.tok_tat, ${MICROS}) + 1 + (nullif(x.tokens, 0) * 60000000 - 1)
          / s.tok_limit, s.tok_tat)),
        tok_held = s.tok_held - x.hold_tokens,
        day = greatest(s.day, v_day),
        day_used = case when s.day < v_day then x.nanos when s.day = v_day then least(${MOST}, s.day_used + x.nanos)
                        else s.day_used end,
        month = greatest(s.month, v_month),
        month_used = case when s.month < v_month then x.nanos
                          when s.month = v_month then least(${MOST}, s.month_used + x.nanos) else s.month_used end,
        total_used = least(${MOST}, s.total_used + x.nanos), held = s.held - x.hold
      from (
        select ${keys ? 'u.id' : 'm.id'} as id, count(*) filter (where u.generating) as places,
               count(*) filter (where not u.generating) as counts, sum(u.hold)::bigint as hold,
               sum(u.hold_tokens)::bigint as hold_tokens, sum(u.nanos)::bigint as nanos, sum(u.tokens)::bigint as tokens
          from unnest(i_keys, i_days, i_generating, i_hold, i_hold_tokens, i_nanos, i_tokens, i_teams)
            u (id, day, generating, hold, hold_tokens, nanos, tokens, teams)
          ${keys ? '' : 'cross join lateral unnest(u.teams::uuid[]) m (id)'}
          where u.day is not distinct from v_day
          group by 1
      ) x
      where s.id = x.id;`;
}

function added(columns: string): string {
  return columns
    .split(',\n')
    .map((column) => `add column ${column.trim()}`)
    .join(', ');
}

export function olderSettle(final: string, argument: string): string {
  return `
  create or replace function settle(
    p_ids uuid[], p_attempts smallint[], p_admitted timestamptz[], p_epochs uuid[], p_keys uuid[], p_accounts uuid[],
    p_lanes text[], p_doors text[], p_kinds text[], p_models text[], p_upstream_models text[], p_streams boolean[],
    p_outcomes text[], p_statuses smallint[], p_reasons text[],
    p_input bigint[], p_cache_read bigint[], p_cache_write_5m bigint[], p_cache_write_1h bigint[],
    p_output bigint[], p_reasoning bigint[], p_server_tools text[], p_estimated boolean[], p_suspicious boolean[],
    p_costs bigint[], p_prices bigint[], p_first_byte integer[], p_duration integer[],
    p_upstream_ids text[], p_client_ids text[]${argument}
  ) returns integer[] language plpgsql as $$
  begin
    return settle(p_ids, p_attempts, p_admitted, p_epochs, p_keys, p_accounts, p_lanes, p_doors, p_kinds, p_models,
      p_upstream_models, p_streams, p_outcomes, p_statuses, p_reasons, p_input, p_cache_read, p_cache_write_5m,
      p_cache_write_1h, p_output, p_reasoning, p_server_tools, p_estimated, p_suspicious, p_costs, p_prices,
      p_first_byte, p_duration, p_upstream_ids, p_client_ids, ${final},
      (select array_agg(coalesce(o.teams, '{}')::text order by x.pos)
         from unnest(p_ids) with ordinality x (id, pos) left join open_calls o on o.request_id = x.id));
  end $$;`;
}
