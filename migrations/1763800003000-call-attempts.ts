import type { MigrationInterface, QueryRunner } from 'typeorm';
import { RELEASE_PLACES, SWEEP } from './1763800001000-scheduling.ts';

/**
 * A call over several attempts. What the key gives is taken once, at admission, and comes back once, with the
 * settlement that ends the call; an attempt moves only the account's place, in one statement. Lock order as before,
 * with the open row first: open row → key_state → account_state.
 *
 * Old signatures of `admit` and `settle` stay: what they write and delete are calls of one attempt. What cleans up
 * after others (`sweep_epochs`, `release_strays`) is replaced, since replicas of both versions share the open rows.
 */
export class CallAttempts1763800003000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(OPEN_CALLS);
    await runner.query(RELEASE_CALLS);
    await runner.query(ADMIT);
    await runner.query(MOVE);
    await runner.query(SETTLE);
    await runner.query(SWEEP_ATTEMPTS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`
      drop function move_attempt, release_calls, release_strays, release_places, sweep_epochs;
      drop function admit(uuid, integer, uuid[], uuid[], text[], text[], integer[], integer[], integer[], bigint[],
        integer[], integer[], uuid[], integer[], bigint[], boolean[], integer[], text[], text[], integer[], bigint[],
        bigint[]);
      drop function settle(uuid[], smallint[], timestamptz[], uuid[], uuid[], uuid[], text[], text[], text[], text[],
        text[], boolean[], text[], smallint[], text[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[],
        text[], boolean[], boolean[], bigint[], bigint[], integer[], integer[], text[], text[], boolean[]);
      alter table open_calls drop column placed, drop column tried, drop column hold_nanos, drop column hold_tokens;
    `);
    await runner.query(RELEASE_PLACES);
    await runner.query(SWEEP);
  }
}

/**
 * The functions under way hold these tables in different orders, so whoever changes one of them first closes the doors
 * that they come in by: \`replicas\` for admission and sweeping, \`ledger\` for settling, \`open_calls\` for the rest.
 */
export const LOCKS = `
  lock table replicas in access exclusive mode;
  lock table ledger in share row exclusive mode;
  lock table open_calls, key_state, account_state in access exclusive mode;
`;

/** \`attempt\` and \`account_id\` are the current attempt's; \`placed\`: it holds a place of that account. */
const OPEN_CALLS = `
  alter table open_calls
    add column placed boolean not null default true,
    -- Accounts of the attempts before the current one, in their order.
    add column tried uuid[] not null default '{}',
    -- What the call may come to, as estimated at admission.
    add column hold_nanos bigint not null default 0 check (hold_nanos >= 0),
    add column hold_tokens bigint not null default 0 check (hold_tokens >= 0);
`;

/** Gives back what deleted open rows held, one element for each: the caller has deleted them in this transaction. */
export const RELEASE_CALLS = `
  create function release_calls(p_keys uuid[], p_accounts uuid[], p_counting boolean[], p_placed boolean[])
  returns void language plpgsql as $$
  begin
    if cardinality(p_keys) > 1 then
      perform 1 from key_state where id = any (p_keys) order by id for no key update;
    end if;
    update key_state s set in_use = s.in_use - x.generating, counting = s.counting - x.counting
      from (select u.id, count(*) filter (where not u.counting) as generating, count(*) filter (where u.counting) as counting
              from unnest(p_keys, p_counting) u (id, counting) group by u.id) x
      where s.id = x.id;
    if cardinality(p_accounts) > 1 then
      perform 1 from account_state where id = any (p_accounts) order by id for no key update;
    end if;
    update account_state s set in_use = s.in_use - x.places
      from (select u.id, count(*) as places from unnest(p_accounts, p_counting, p_placed) u (id, counting, placed)
              where u.placed and not u.counting group by u.id) x
      where s.id = x.id;
  end $$;

  -- Admissions whose answer never arrived and that nobody will settle: nothing was sent upstream for them.
  create or replace function release_strays(p_ids uuid[]) returns uuid[] language plpgsql as $$
  declare
    v_ids uuid[]; v_keys uuid[]; v_accounts uuid[]; v_counting boolean[]; v_placed boolean[];
  begin
    with gone as (
      delete from open_calls where request_id = any (p_ids) returning request_id, key_id, account_id, lane, placed
    )
    select array_agg(request_id), array_agg(key_id), array_agg(account_id), array_agg(lane = 'count'),
           array_agg(placed)
      into v_ids, v_keys, v_accounts, v_counting, v_placed from gone;
    if v_ids is not null then perform release_calls(v_keys, v_accounts, v_counting, v_placed); end if;
    return coalesce(v_ids, '{}');
  end $$;
`;

/**
 * As before, and for each request the position of an account that is preferred (0: none): taken when it is eligible
 * and has room, whatever the order says, for the caller knows whether its preference outranks tier and priority.
 */
export const ADMIT = `
  create function admit(
    p_epoch uuid, p_alive_ms integer,
    p_keys uuid[], p_accounts uuid[], p_kinds text[], p_families text[],
    p_set_from integer[], p_set_to integer[],
    c_account integer[], c_version bigint[], c_tier integer[], c_family integer[],
    p_ids uuid[], p_key integer[], p_key_version bigint[], p_counting boolean[], p_set integer[],
    p_doors text[], p_models text[], p_prefer integer[], p_hold_nanos bigint[], p_hold_tokens bigint[]
  ) returns text language plpgsql as $$
  declare
    v_now timestamptz;
    v_again boolean := false;
    k_places integer[]; k_counting integer[]; k_usable boolean[]; k_version bigint[]; k_max integer[];
    a_places integer[]; a_last timestamptz[]; a_version bigint[]; a_enabled boolean[];
    a_max integer[]; a_priority integer[]; a_weight integer[];
    v_families constant integer := cardinality(p_families);
    v_cooling timestamptz[];
    v_cooldown record;
    v_answers integer[]; v_retries bigint[]; v_any boolean := false; v_any_retry boolean := false;
    k integer; a integer; v_answer integer; v_count boolean; v_full boolean; v_preferred boolean;
    v_until timestamptz; v_soonest timestamptz;
    b_tier integer; b_priority integer; b_load float8; b_last timestamptz;
  begin
    perform 1 from replicas
      where epoch = p_epoch and dead_at is null and closed_at is null
        and beat > clock_timestamp() - p_alive_ms * interval '1 millisecond';
    if not found then return 'epoch'; end if;

    loop
      select array_agg(s.in_use order by k.pos), array_agg(s.counting order by k.pos)
        into k_places, k_counting
        from unnest(p_keys) with ordinality k (id, pos)
        left join (select id, in_use, counting from key_state where id = any (p_keys) order by id
                   for no key update) s using (id);
      exit when v_again or array_position(k_places, null) is null;
      insert into key_state (id) select id from api_keys where id = any (p_keys) order by id on conflict do nothing;
      v_again := true;
    end loop;

    v_again := false;
    loop
      select array_agg(s.in_use order by c.pos), array_agg(s.last_used order by c.pos),
             array_agg(s.version order by c.pos), array_agg(s.enabled order by c.pos),
             array_agg(s.places order by c.pos), array_agg(s.priority order by c.pos),
             array_agg(s.weight order by c.pos)
        into a_places, a_last, a_version, a_enabled, a_max, a_priority, a_weight
        from unnest(p_accounts) with ordinality c (id, pos)
        left join (select s.id, s.in_use, s.last_used, case when q.deleted_at is null then q.version end as version,
                          q.enabled, nullif(q.max_concurrency, 0) as places, q.priority, q.weight
                   from account_state s join accounts q using (id)
                   where s.id = any (p_accounts) order by s.id for no key update of s) s using (id);
      exit when v_again or array_position(a_places, null) is null;
      insert into account_state (id) select id from accounts where id = any (p_accounts) order by id
        on conflict do nothing;
      v_again := true;
    end loop;

    v_now := clock_timestamp();

    select array_agg(q.enabled and q.revoked_at is null and q.deleted_at is null
                       and (q.expires_at is null or q.expires_at > v_now) order by k.pos),
           array_agg(q.version order by k.pos), array_agg(q.max_concurrency order by k.pos)
      into k_usable, k_version, k_max
      from unnest(p_keys) with ordinality k (id, pos) left join api_keys q using (id);

    for v_cooldown in
      select c.pos::integer as account, f.pos::integer as family, max(d.until) as until
        from unnest(p_accounts) with ordinality c (id, pos)
        join cooldowns d on d.account_id = c.id and d.until > v_now
        join unnest(p_families) with ordinality f (name, pos) on d.model_family is null or d.model_family = f.name
        where d.credentials_version is null or not exists (
          select from account_credentials x where x.account_id = d.account_id and x.version > d.credentials_version)
        group by 1, 2
    loop
      if v_cooling is null then
        v_cooling := array_fill(null::timestamptz, array[cardinality(p_accounts) * v_families]);
      end if;
      v_cooling[(v_cooldown.account - 1) * v_families + v_cooldown.family] := v_cooldown.until;
    end loop;

    for i in 1 .. cardinality(p_ids) loop
      k := p_key[i];
      v_count := p_counting[i];
      v_answer := 0;
      v_soonest := null;
      if k_usable[k] is not true then
        v_answer := -1;
      elsif k_version[k] <> p_key_version[i] then
        v_answer := -3;
      elsif v_count then
        if k_counting[k] >= 32 then v_answer := -2; end if;
      elsif k_places[k] >= k_max[k] then
        v_answer := -2;
      end if;

      if v_answer = 0 then
        v_full := false;
        v_preferred := false;
        for c in p_set_from[p_set[i]] .. p_set_to[p_set[i]] loop
          a := c_account[c];
          if a_version[a] is distinct from c_version[c] then
            v_answer := -3;
            exit;
          end if;
          continue when not a_enabled[a];
          if v_cooling is not null then
            v_until := v_cooling[(a - 1) * v_families + c_family[c]];
            if v_until is not null then
              v_soonest := least(v_soonest, v_until);
              continue;
            end if;
          end if;
          if not v_count and a_places[a] >= a_max[a] then
            v_full := true;
            continue;
          end if;
          if p_prefer[i] = a then
            v_answer := a;
            v_preferred := true;
          end if;
          continue when v_preferred;
          if v_answer = 0 or (c_tier[c], a_priority[a], a_places[a]::float8 / a_weight[a], a_last[a])
                             < (b_tier, b_priority, b_load, b_last) then
            v_answer := a;
            b_tier := c_tier[c];
            b_priority := a_priority[a];
            b_load := a_places[a]::float8 / a_weight[a];
            b_last := a_last[a];
          end if;
        end loop;

        if v_answer > 0 then
          v_any := true;
          if v_count then
            k_counting[k] := k_counting[k] + 1;
          else
            k_places[k] := k_places[k] + 1;
            a_places[v_answer] := a_places[v_answer] + 1;
          end if;
          a_last[v_answer] := v_now + i * interval '1 microsecond';
        elsif v_answer = 0 then
          if v_full then v_answer := -4;
          elsif v_soonest is null then v_answer := -7;
          elsif v_soonest = 'infinity' then v_answer := -6;
          else v_answer := -5;
          end if;
        end if;
      end if;

      v_answers[i] := v_answer;
      if v_answer = -5 then
        v_any_retry := true;
        v_retries[i] := ceil(extract(epoch from v_soonest - v_now) * 1000000);
      else
        v_retries[i] := 0;
      end if;
    end loop;

    if v_any then
      with taken_keys as (
        update key_state s set in_use = x.in_use, counting = x.counting
          from unnest(p_keys, k_places, k_counting) x (id, in_use, counting)
          where s.id = x.id and (s.in_use <> x.in_use or s.counting <> x.counting)
      ), taken_accounts as (
        update account_state s set in_use = x.in_use, last_used = x.last_used
          from unnest(p_accounts, a_places, a_last) x (id, in_use, last_used)
          where s.id = x.id and s.last_used <> x.last_used
      )
      insert into open_calls (request_id, attempt, epoch, key_id, account_id, lane, door, kind, model, at,
                              hold_nanos, hold_tokens)
        select x.id, 1, p_epoch, p_keys[x.key], p_accounts[x.answer],
               case when x.counting then 'count' else 'generate' end, x.door, p_kinds[x.answer], x.model, v_now,
               x.hold_nanos, x.hold_tokens
          from unnest(p_ids, p_key, v_answers, p_counting, p_doors, p_models, p_hold_nanos, p_hold_tokens)
            x (id, key, answer, counting, door, model, hold_nanos, hold_tokens)
          where x.answer > 0;
    end if;

    return floor(extract(epoch from v_now) * 1000000)::bigint || ';' || array_to_string(v_answers, ',') || ';'
      || case when v_any_retry then array_to_string(v_retries, ',') else '' end;
  end $$;
`;

/**
 * The next attempt of an open call: gives the account's place back, chooses among the candidates as admission does,
 * takes a place there and counts the attempt. Where nobody can serve, the place is given back all the same and the
 * open row stays, without a place, until the call is settled. Nothing changes on \`stale\`.
 *
 * The key is looked at again under its lock, so that a revoked key opens no further attempt. Asked once more after an
 * answer was lost, it gives the answer that it gave.
 *
 * Answer: \`epoch\`; \`gone\` when there is no such open call; \`+\` and the account's id; or a refusal's code as
 * in admit, \`;\` and the µs to the soonest recovery (0 without any).
 */
export const MOVE = `
  create function move_attempt(
    p_epoch uuid, p_alive_ms integer, p_id uuid, p_attempt smallint, p_key_version bigint,
    p_accounts uuid[], p_kinds text[], p_versions bigint[], p_tiers integer[], p_families text[], p_prefer uuid
  ) returns text language plpgsql as $$
  declare
    v_row open_calls%rowtype;
    v_generate boolean; v_held uuid; v_now timestamptz; v_usable boolean; v_version bigint;
    v_again boolean := false; v_rows integer; v_fresh boolean;
    v_chosen uuid; v_full boolean; v_soonest timestamptz; v_code integer;
  begin
    perform 1 from replicas
      where epoch = p_epoch and dead_at is null and closed_at is null
        and beat > clock_timestamp() - p_alive_ms * interval '1 millisecond';
    if not found then return 'epoch'; end if;

    select * into v_row from open_calls where request_id = p_id and epoch = p_epoch for no key update;
    if not found then return 'gone'; end if;
    if v_row.attempt = p_attempt + 1 and v_row.placed then return '+' || v_row.account_id; end if;
    if v_row.attempt <> p_attempt then return 'gone'; end if;
    v_generate := v_row.lane <> 'count';
    if v_row.placed and v_generate then v_held := v_row.account_id; end if;

    perform 1 from key_state where id = v_row.key_id for no key update;
    loop
      perform 1 from account_state where id = any (p_accounts || v_row.account_id) order by id for no key update;
      get diagnostics v_rows = row_count;
      exit when v_again or v_rows > cardinality(p_accounts);
      insert into account_state (id) select id from accounts where id = any (p_accounts) order by id
        on conflict do nothing;
      v_again := true;
    end loop;
    v_now := clock_timestamp();

    select q.enabled and q.revoked_at is null and q.deleted_at is null
             and (q.expires_at is null or q.expires_at > v_now), q.version
      into v_usable, v_version from api_keys q where q.id = v_row.key_id;
    if v_usable is not true then
      v_code := -1;
    elsif v_version <> p_key_version then
      return '-3;0';
    else
      with candidates as (
        select c.id, c.tier, c.version, q.version as now_version, q.deleted_at, q.enabled, q.priority, q.weight,
               nullif(q.max_concurrency, 0) as places, s.last_used,
               s.in_use - case when c.id = v_held then 1 else 0 end as in_use,
               (select max(d.until) from cooldowns d
                  where d.account_id = c.id and d.until > v_now
                    and (d.model_family is null or d.model_family = c.family)
                    and (d.credentials_version is null or not exists (
                      select from account_credentials x
                        where x.account_id = d.account_id and x.version > d.credentials_version))) as until
          from unnest(p_accounts, p_versions, p_tiers, p_families) c (id, version, tier, family)
          left join account_state s on s.id = c.id
          left join accounts q on q.id = c.id
      ), judged as (
        select c.*, c.enabled and c.until is null as able,
               v_generate and c.in_use >= c.places is true as no_room
          from candidates c
      )
      select coalesce(bool_and(j.now_version is not distinct from j.version and j.deleted_at is null), true),
             (array_agg(j.id order by (j.id = p_prefer) is true desc, j.tier, j.priority, j.in_use::float8 / j.weight,
                        j.last_used)
               filter (where j.able and not j.no_room))[1],
             coalesce(bool_or(j.able and j.no_room), false),
             min(j.until) filter (where j.enabled)
        into v_fresh, v_chosen, v_full, v_soonest from judged j;
      if v_fresh is not true then return '-3;0'; end if;
      if v_chosen is null then
        v_code := case when v_full then -4 when v_soonest is null then -7 when v_soonest = 'infinity' then -6 else -5 end;
      end if;
    end if;

    if v_chosen is not null then
      update account_state s
        set in_use = s.in_use + case when v_generate and s.id = v_chosen then 1 else 0 end
                              - case when s.id = v_held then 1 else 0 end,
            last_used = case when s.id = v_chosen then v_now else s.last_used end
        where s.id in (v_chosen, v_held);
      update open_calls
        set attempt = p_attempt + 1, account_id = v_chosen, kind = p_kinds[array_position(p_accounts, v_chosen)],
            placed = true, tried = tried || v_row.account_id
        where request_id = p_id;
      return '+' || v_chosen;
    end if;

    if v_row.placed then
      update account_state set in_use = in_use - 1 where id = v_held;
      update open_calls set placed = false where request_id = p_id;
    end if;
    return v_code || ';' || case when v_code = -5 then ceil(extract(epoch from v_soonest - v_now) * 1000000)::bigint else 0 end;
  end $$;
`;

/**
 * As before, with a flag on each settlement: the one that ends its call. Only that one deletes the open row, whatever
 * attempt stands there: a move whose answer was lost may have counted an attempt that never was. The others write
 * their ledger row and leave the call open.
 */
export const SETTLE = `
  create function settle(
    p_ids uuid[], p_attempts smallint[], p_admitted timestamptz[], p_epochs uuid[], p_keys uuid[], p_accounts uuid[],
    p_lanes text[], p_doors text[], p_kinds text[], p_models text[], p_upstream_models text[], p_streams boolean[],
    p_outcomes text[], p_statuses smallint[], p_reasons text[],
    p_input bigint[], p_cache_read bigint[], p_cache_write_5m bigint[], p_cache_write_1h bigint[],
    p_output bigint[], p_reasoning bigint[], p_server_tools text[], p_estimated boolean[], p_suspicious boolean[],
    p_costs bigint[], p_prices bigint[], p_first_byte integer[], p_duration integer[],
    p_upstream_ids text[], p_client_ids text[], p_final boolean[]
  ) returns integer[] language plpgsql as $$
  declare
    v_written integer; v_keys uuid[]; v_accounts uuid[]; v_counting boolean[]; v_placed boolean[];
  begin
    insert into ledger (
      request_id, attempt, admitted_at, epoch, key_id, account_id, lane, door, kind, model, upstream_model, stream,
      outcome, status, reason, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
      output_tokens, reasoning_tokens, server_tools, estimated, suspicious, cost_nanos, price_id, first_byte_ms,
      duration_ms, upstream_request_id, client_request_id)
    select x.id, x.attempt, x.admitted, x.epoch, x.key, x.account, x.lane, x.door, x.kind, x.model, x.upstream_model,
           x.stream, x.outcome, x.status, x.reason, x.input, x.cache_read, x.cache_write_5m, x.cache_write_1h,
           x.output, x.reasoning, x.server_tools::jsonb, x.estimated, x.suspicious, x.cost, x.price, x.first_byte,
           x.duration, x.upstream_id, x.client_id
      from unnest(p_ids, p_attempts, p_admitted, p_epochs, p_keys, p_accounts, p_lanes, p_doors, p_kinds, p_models,
                  p_upstream_models, p_streams, p_outcomes, p_statuses, p_reasons, p_input, p_cache_read,
                  p_cache_write_5m, p_cache_write_1h, p_output, p_reasoning, p_server_tools, p_estimated,
                  p_suspicious, p_costs, p_prices, p_first_byte, p_duration, p_upstream_ids, p_client_ids)
        x (id, attempt, admitted, epoch, key, account, lane, door, kind, model, upstream_model, stream, outcome,
           status, reason, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, server_tools,
           estimated, suspicious, cost, price, first_byte, duration, upstream_id, client_id)
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
        where ledger.outcome = 'orphaned' and excluded.outcome <> 'orphaned';
    get diagnostics v_written = row_count;

    with gone as (
      delete from open_calls o using unnest(p_ids, p_final) x (id, final)
        where o.request_id = x.id and x.final
        returning o.key_id, o.account_id, o.lane, o.placed
    )
    select array_agg(key_id), array_agg(account_id), array_agg(lane = 'count'), array_agg(placed)
      into v_keys, v_accounts, v_counting, v_placed from gone;
    if v_keys is not null then perform release_calls(v_keys, v_accounts, v_counting, v_placed); end if;
    return array[v_written, coalesce(cardinality(v_keys), 0)];
  end $$;
`;

/** As before, with a ledger row for every attempt of the call that has none yet. */
export const SWEEP_ATTEMPTS = `
  create or replace function sweep_epochs(p_ttl_ms integer) returns integer[] language plpgsql as $$
  declare
    v_marked integer; v_epochs uuid[]; v_ids uuid[];
    v_keys uuid[]; v_accounts uuid[]; v_counting boolean[]; v_placed boolean[];
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
    insert into ledger (request_id, attempt, admitted_at, epoch, key_id, account_id, lane, door, kind, model,
                        upstream_model, stream, outcome, estimated, cost_nanos, duration_ms)
      select o.request_id, t.attempt, o.at, o.epoch, o.key_id, t.account, o.lane, o.door, coalesce(a.kind, o.kind),
             o.model, o.model, false, 'orphaned', true, 0,
             least(2147483647, greatest(0, extract(epoch from clock_timestamp() - o.at) * 1000))
        from open_calls o
        cross join lateral unnest(o.tried || o.account_id) with ordinality t (account, attempt)
        left join accounts a on a.id = t.account
        where o.request_id = any (v_ids) order by o.request_id, t.attempt
      on conflict do nothing;
    with gone as (
      delete from open_calls where request_id = any (v_ids) returning key_id, account_id, lane, placed
    )
    select array_agg(key_id), array_agg(account_id), array_agg(lane = 'count'), array_agg(placed)
      into v_keys, v_accounts, v_counting, v_placed from gone;
    if v_keys is not null then perform release_calls(v_keys, v_accounts, v_counting, v_placed); end if;
    return array[v_marked, coalesce(cardinality(v_keys), 0)];
  end $$;
`;
