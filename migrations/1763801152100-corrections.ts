import type { MigrationInterface, QueryRunner } from 'typeorm';
import {
  CHARGE,
  CHARGE_ARRAYS,
  CHARGE_NAMES,
  GONE,
  GONE_ARRAYS,
  GONE_NAMES,
  MOST_NANOS,
  MOST_TOKENS,
  SETTLE as SETTLE_LIMITED,
  SETTLED,
  SWEEP as SWEEP_LIMITED,
} from './1763801143600-limits.ts';

/**
 * What is booked of an attempt may be a guess: its hold, when its replica died, or what its last checkpoint had seen.
 * Whoever knows better writes a correction: the ledger's row has the better figures and a revision more, and the row
 * that it takes the place of is kept in \`ledger_superseded\`. Keys and teams are charged the difference, in the windows
 * of the call's admission.
 */
export class Corrections1763801152100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(TABLES);
    await runner.query(SETTLE);
    await runner.query(SWEEP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`drop function settle(${SETTLED}, boolean[], text[])`);
    await runner.query(SETTLE_LIMITED);
    await runner.query(SWEEP_LIMITED);
    await runner.query(`
      drop function certainty;
      drop table ledger_superseded;
      alter table open_calls drop column client_request_id;
      alter table ledger drop column revision;
    `);
  }
}

const LOCKS = `
  lock table replicas in access exclusive mode;
  lock table ledger in access exclusive mode;
  lock table open_calls in access exclusive mode;
`;

const TABLES = `
  -- How often the row was corrected.
  alter table ledger add column revision smallint not null default 0;
  alter table open_calls add column client_request_id text;

  create table ledger_superseded (
    request_id uuid not null,
    attempt smallint not null,
    revision smallint not null,
    superseded_at timestamptz not null default clock_timestamp(),
    -- The whole row of the ledger as it was.
    booked jsonb not null,
    primary key (request_id, attempt, revision)
  );

  -- A row gives way only to one that is more certain, so that none is corrected more than twice.
  create function certainty(p_outcome text, p_reason text) returns integer language sql immutable as $$
    select case when p_outcome = 'orphaned' then 0 when p_reason = 'replica-lost' then 1 else 2 end
  $$;
`;

const ARGUMENTS = `p_ids, p_attempts, p_admitted, p_epochs, p_keys, p_accounts, p_lanes, p_doors, p_kinds, p_models,
        p_upstream_models, p_streams, p_outcomes, p_statuses, p_reasons, p_input, p_cache_read, p_cache_write_5m,
        p_cache_write_1h, p_output, p_reasoning, p_server_tools, p_estimated, p_suspicious, p_costs, p_prices,
        p_first_byte, p_duration, p_upstream_ids, p_client_ids, p_teams`;
const COLUMNS = `id, attempt, admitted, epoch, key, account, lane, door, kind, model, upstream_model, stream, outcome,
        status, reason, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, server_tools, estimated,
        suspicious, cost, price, first_byte, duration, upstream_id, client_id, teams`;

/** What a row of the ledger is charged. */
const NANOS = `least(coalesce(l.cost_nanos, 0), ${MOST_NANOS})`;
const TOKENS = `least(l.input_tokens + l.cache_read_tokens + l.cache_write_5m_tokens + l.cache_write_1h_tokens
            + l.output_tokens, ${MOST_TOKENS})`;
const DAY = `(l.admitted_at at time zone 'UTC')::date`;
const CORRECTED_NAMES = CHARGE_NAMES.replaceAll('c_', 'd_');
const CORRECTED_ARRAYS = CHARGE_ARRAYS.replaceAll('c_', 'd_');

/**
 * As before, and corrections apart: rows that were there already are locked in the order of their ids, after all that
 * are new, and only where there are any. Of an attempt that nobody saw anything of, a replay says \`orphaned\` as the
 * sweeper does: whichever comes first charges what the open row held, and the replay adds the client's own id.
 */
export const SETTLE = `
  create or replace function settle(
    p_ids uuid[], p_attempts smallint[], p_admitted timestamptz[], p_epochs uuid[], p_keys uuid[], p_accounts uuid[],
    p_lanes text[], p_doors text[], p_kinds text[], p_models text[], p_upstream_models text[], p_streams boolean[],
    p_outcomes text[], p_statuses smallint[], p_reasons text[],
    p_input bigint[], p_cache_read bigint[], p_cache_write_5m bigint[], p_cache_write_1h bigint[],
    p_output bigint[], p_reasoning bigint[], p_server_tools text[], p_estimated boolean[], p_suspicious boolean[],
    p_costs bigint[], p_prices bigint[], p_first_byte integer[], p_duration integer[],
    p_upstream_ids text[], p_client_ids text[], p_final boolean[], p_teams text[]
  ) returns integer[] language plpgsql set enable_hashjoin = off set enable_mergejoin = off as $$
  declare
    v_written integer; v_corrected integer; ${CHARGE_ARRAYS} ${CORRECTED_ARRAYS} ${GONE_ARRAYS}
  begin
    with written as (
      insert into ledger as l (
        request_id, attempt, admitted_at, epoch, key_id, account_id, lane, door, kind, model, upstream_model, stream,
        outcome, status, reason, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
        output_tokens, reasoning_tokens, server_tools, estimated, suspicious, cost_nanos, price_id, first_byte_ms,
        duration_ms, upstream_request_id, client_request_id, teams)
      select x.id, x.attempt, x.admitted, x.epoch, x.key, x.account, x.lane, x.door, x.kind, x.model, x.upstream_model,
             x.stream, x.outcome, x.status, x.reason, x.input, x.cache_read, x.cache_write_5m, x.cache_write_1h,
             x.output, x.reasoning, x.server_tools::jsonb, x.estimated, x.suspicious,
             case when x.outcome = 'orphaned' then coalesce(
               (select o.hold_nanos from open_calls o where o.request_id = x.id and o.attempt = x.attempt), x.cost)
               else x.cost end,
             x.price, x.first_byte, x.duration, x.upstream_id, x.client_id, x.teams::uuid[]
        from unnest(${ARGUMENTS}) x (${COLUMNS})
        on conflict do nothing
        returning l.key_id, l.teams, ${DAY} as day, ${NANOS} as nanos, ${TOKENS} as tokens
    )
    select count(*), ${CHARGE} into v_written, ${CHARGE_NAMES} from written;

    if v_written < cardinality(p_ids) then
      perform 1 from unnest(p_ids, p_attempts) x (id, attempt)
        join ledger l on l.request_id = x.id and l.attempt = x.attempt
        order by l.request_id, l.attempt for update of l;
      update ledger l set client_request_id = x.client_id
        from unnest(p_ids, p_attempts, p_outcomes, p_client_ids) x (id, attempt, outcome, client_id)
        where l.request_id = x.id and l.attempt = x.attempt and x.outcome = 'orphaned' and x.client_id is not null
          and l.outcome = 'orphaned' and l.client_request_id is null;
      with x as (
        select * from unnest(${ARGUMENTS}) x (${COLUMNS})
      ), due as (
        select l.request_id, l.attempt, l.revision, to_jsonb(l) as booked, ${NANOS} as nanos, ${TOKENS} as tokens
          from x join ledger l on l.request_id = x.id and l.attempt = x.attempt
          where certainty(l.outcome, l.reason) < certainty(x.outcome, x.reason)
      ), kept as (
        insert into ledger_superseded (request_id, attempt, revision, booked)
          select request_id, attempt, revision, booked from due
      ), corrected as (
        update ledger l set
            revision = due.revision + 1, settled_at = clock_timestamp(), upstream_model = x.upstream_model,
            stream = x.stream, outcome = x.outcome, status = x.status, reason = x.reason, input_tokens = x.input,
            cache_read_tokens = x.cache_read, cache_write_5m_tokens = x.cache_write_5m,
            cache_write_1h_tokens = x.cache_write_1h, output_tokens = x.output, reasoning_tokens = x.reasoning,
            server_tools = x.server_tools::jsonb, estimated = x.estimated, suspicious = x.suspicious,
            cost_nanos = x.cost, price_id = x.price, first_byte_ms = x.first_byte, duration_ms = x.duration,
            upstream_request_id = x.upstream_id, client_request_id = x.client_id
          from due join x on x.id = due.request_id and x.attempt = due.attempt
          where l.request_id = due.request_id and l.attempt = due.attempt
          returning l.key_id, l.teams, ${DAY} as day, ${NANOS} - due.nanos as nanos,
            greatest(${TOKENS} - due.tokens, 0) as tokens
      )
      select count(*), ${CHARGE} into v_corrected, ${CORRECTED_NAMES} from corrected;
      v_written := v_written + v_corrected;
      ${['keys', 'days', 'nanos', 'tokens', 'teams'].map((name) => `c_${name} := c_${name} || d_${name};`).join(' ')}
    end if;

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

/** As before, with the client's own id. */
export const SWEEP = SWEEP_LIMITED.replace(
  'cost_nanos, written_off_nanos, duration_ms, teams)',
  'cost_nanos, written_off_nanos, duration_ms, teams, client_request_id)',
).replace('* 1000)), o.teams\n', '* 1000)), o.teams, o.client_request_id\n');
