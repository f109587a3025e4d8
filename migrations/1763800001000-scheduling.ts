import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Admission and settlement as functions, so that each is one round trip and one transaction for up to 64 requests.
 *
 * Lock order, everywhere: ledger and open rows (by id) → key_state (by id) → account_state (by id) → insert of open
 * rows. Refusals are result codes, never RAISE. The clock is taken after the locks: before them it would run
 * backwards against the stamps of other replicas.
 */
export class Scheduling1763800001000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(COOLDOWNS_AND_KEYS);
    await runner.query(ADMIT);
    await runner.query(RELEASE_PLACES);
    await runner.query(SETTLE);
    await runner.query(SWEEP);
    await runner.query(PARTITIONS);
    await runner.query('select ensure_ledger_partitions()');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function ensure_ledger_partitions, uuidv7_floor, sweep_epochs, release_strays, settle, release_places, admit;
      drop trigger api_keys_lock_places on api_keys;
      drop function lock_places_of_changed_keys;
      alter table cooldowns drop column credentials_version;
    `);
  }
}

/**
 * A parked account waits for a person; storing new credentials is that person's act, so a parking counts only while
 * no newer credentials are stored.
 *
 * The trigger makes an edit of a key wait for the admissions under way on it, and later ones wait for the edit, so
 * that a revoked key opens nothing once the revoke has committed. Admission reads the settings after it has the lock.
 */
const COOLDOWNS_AND_KEYS = `
  alter table cooldowns add column credentials_version integer;

  create function lock_places_of_changed_keys() returns trigger language plpgsql as $$
  begin
    perform 1 from key_state where id in (select id from changed) order by id for no key update;
    return null;
  end $$;
  create trigger api_keys_lock_places after update on api_keys
    referencing new table as changed for each statement execute function lock_places_of_changed_keys();
`;

/**
 * Keys and accounts come once, sorted and distinct; everything else names them by position (from 1). Candidate sets
 * are ranges of the c_ arrays. Answer: \`epoch\` when this epoch may not admit, else three fields parted by \`;\`: the
 * clock in µs, for each request an account's position or a refusal (-1 key unusable, -2 key full, -3 stale, -4 accounts
 * full, -5 cooling, -6 parked, -7 no account), and for each request the µs to the soonest recovery (empty without any).
 */
export const ADMIT = `
  create function admit(
    p_epoch uuid, p_alive_ms integer,
    p_keys uuid[], p_accounts uuid[], p_kinds text[], p_families text[],
    p_set_from integer[], p_set_to integer[],
    c_account integer[], c_version bigint[], c_tier integer[], c_family integer[],
    p_ids uuid[], p_key integer[], p_key_version bigint[], p_counting boolean[], p_set integer[],
    p_doors text[], p_models text[]
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
    k integer; a integer; v_answer integer; v_count boolean; v_full boolean;
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
      insert into open_calls (request_id, attempt, epoch, key_id, account_id, lane, door, kind, model, at)
        select x.id, 1, p_epoch, p_keys[x.key], p_accounts[x.answer],
               case when x.counting then 'count' else 'generate' end, x.door, p_kinds[x.answer], x.model, v_now
          from unnest(p_ids, p_key, v_answers, p_counting, p_doors, p_models)
            x (id, key, answer, counting, door, model)
          where x.answer > 0;
    end if;

    return floor(extract(epoch from v_now) * 1000000)::bigint || ';' || array_to_string(v_answers, ',') || ';'
      || case when v_any_retry then array_to_string(v_retries, ',') else '' end;
  end $$;
`;

/** Gives back one place for each element: the caller has just deleted that many open rows, in this transaction. */
export const RELEASE_PLACES = `
  create function release_places(p_keys uuid[], p_accounts uuid[], p_counting boolean[])
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
      from (select u.id, count(*) as places from unnest(p_accounts, p_counting) u (id, counting)
              where not u.counting group by u.id) x
      where s.id = x.id;
  end $$;

  -- Admissions whose answer never arrived and that nobody will settle: nothing was sent upstream for them.
  create function release_strays(p_ids uuid[]) returns uuid[] language plpgsql as $$
  declare
    v_ids uuid[]; v_keys uuid[]; v_accounts uuid[]; v_counting boolean[];
  begin
    with gone as (
      delete from open_calls where request_id = any (p_ids) returning request_id, key_id, account_id, lane
    )
    select array_agg(request_id), array_agg(key_id), array_agg(account_id), array_agg(lane = 'count')
      into v_ids, v_keys, v_accounts, v_counting from gone;
    if v_ids is not null then perform release_places(v_keys, v_accounts, v_counting); end if;
    return coalesce(v_ids, '{}');
  end $$;
`;

/**
 * Places come back for what was deleted, whatever the ledger did: an open row lost in a crash took its counter moves
 * with it. Rows arrive sorted by id, each (request, attempt) once. A settlement that arrives after the sweeper has
 * written the attempt off replaces that row in place: the ledger has one row for an attempt, and the owner's figures
 * are the true ones. Answers {rows written, places given back}.
 */
export const SETTLE = `
  create function settle(
    p_ids uuid[], p_attempts smallint[], p_admitted timestamptz[], p_epochs uuid[], p_keys uuid[], p_accounts uuid[],
    p_lanes text[], p_doors text[], p_kinds text[], p_models text[], p_upstream_models text[], p_streams boolean[],
    p_outcomes text[], p_statuses smallint[], p_reasons text[],
    p_input bigint[], p_cache_read bigint[], p_cache_write_5m bigint[], p_cache_write_1h bigint[],
    p_output bigint[], p_reasoning bigint[], p_server_tools text[], p_estimated boolean[], p_suspicious boolean[],
    p_costs bigint[], p_prices bigint[], p_first_byte integer[], p_duration integer[],
    p_upstream_ids text[], p_client_ids text[]
  ) returns integer[] language plpgsql as $$
  declare
    v_written integer; v_keys uuid[]; v_accounts uuid[]; v_counting boolean[];
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
      delete from open_calls o using unnest(p_ids, p_attempts) x (id, attempt)
        where o.request_id = x.id and o.attempt = x.attempt
        returning o.key_id, o.account_id, o.lane
    )
    select array_agg(key_id), array_agg(account_id), array_agg(lane = 'count')
      into v_keys, v_accounts, v_counting from gone;
    if v_keys is not null then perform release_places(v_keys, v_accounts, v_counting); end if;
    return array[v_written, coalesce(cardinality(v_keys), 0)];
  end $$;
`;

/**
 * Marks epochs dead whose beat is older than the limit by this clock, then writes off up to 500 open rows of dead and
 * closed epochs: usage unknown, so no tokens and \`estimated\`; cost 0 and not null, since null means that a price is
 * missing, which no price could mend. Rows are read without a lock and the ledger comes first, as in settle, so that
 * the owner's late settlement and this one wait for each other in one order. SKIP LOCKED lets one sweeper take an
 * epoch. Answers {epochs marked, rows written off}.
 */
export const SWEEP = `
  create function sweep_epochs(p_ttl_ms integer) returns integer[] language plpgsql as $$
  declare
    v_marked integer; v_epochs uuid[]; v_ids uuid[];
    v_keys uuid[]; v_accounts uuid[]; v_counting boolean[];
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
      select request_id, attempt, at, epoch, key_id, account_id, lane, door, kind, model, model, false, 'orphaned',
             true, 0, least(2147483647, greatest(0, extract(epoch from clock_timestamp() - at) * 1000))
        from open_calls where request_id = any (v_ids) order by request_id, attempt
      on conflict do nothing;
    with gone as (
      delete from open_calls where request_id = any (v_ids) returning key_id, account_id, lane
    )
    select array_agg(key_id), array_agg(account_id), array_agg(lane = 'count')
      into v_keys, v_accounts, v_counting from gone;
    if v_keys is not null then perform release_places(v_keys, v_accounts, v_counting); end if;
    return array[v_marked, coalesce(cardinality(v_keys), 0)];
  end $$;
`;

/**
 * Monthly partitions for this month and the next two, by the database clock. The default partition catches the rest;
 * what it has caught of a month moves when that month's partition comes. ATTACH rather than CREATE … PARTITION OF,
 * which would lock the whole ledger. Answers how many were made; 0 as well when another replica is at it.
 */
const PARTITIONS = `
  create function uuidv7_floor(p_at timestamptz) returns uuid language sql immutable as $$
    select (lpad(to_hex(floor(extract(epoch from p_at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
  $$;

  create function ensure_ledger_partitions() returns integer language plpgsql as $$
  declare
    v_made integer := 0; v_month timestamp; v_from uuid; v_to uuid; v_name text; v_caught boolean;
  begin
    if not pg_try_advisory_xact_lock(hashtextextended('llm-relay ledger partitions', 0)) then return 0; end if;
    perform set_config('lock_timeout', '500ms', true);
    for i in 0 .. 2 loop
      v_month := date_trunc('month', clock_timestamp() at time zone 'UTC') + i * interval '1 month';
      v_name := 'ledger_' || to_char(v_month, 'YYYY_MM');
      continue when to_regclass(v_name) is not null;
      v_from := uuidv7_floor(v_month at time zone 'UTC');
      v_to := uuidv7_floor((v_month + interval '1 month') at time zone 'UTC');
      execute format('create table %I (like ledger including defaults including constraints including indexes)', v_name);
      select exists (select from ledger_default where request_id >= v_from and request_id < v_to) into v_caught;
      if v_caught then
        lock table ledger_default in access exclusive mode;
        execute format('with moved as (delete from ledger_default where request_id >= %L and request_id < %L
                        returning *) insert into %I select * from moved', v_from, v_to, v_name);
      end if;
      execute format('alter table ledger attach partition %I for values from (%L) to (%L)', v_name, v_from, v_to);
      v_made := v_made + 1;
    end loop;
    return v_made;
  end $$;
`;
