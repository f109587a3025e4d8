import type { MigrationInterface, QueryRunner } from 'typeorm';
import { ADMIT as ADMIT_CALLS } from './1763800001000-scheduling.ts';
import { ADMIT as ADMIT_ATTEMPTS, LOCKS } from './1763800003000-call-attempts.ts';

/** Admission within the limits of a key and of the teams above it, each request wholly or not at all. */
export class LimitedAdmission1763801143700 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(ADMIT);
    await runner.query(OLD_ADMITS);
    await runner.query(MOVE);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(LOCKS);
    await runner.query(`
      drop function move_attempt(uuid, integer, uuid, smallint, bigint, uuid[], text[], bigint[], integer[], text[],
        boolean[], uuid);
      drop function admit(uuid, integer, uuid[], uuid[], text[], text[], integer[], integer[], integer[], bigint[],
        integer[], integer[], boolean[], uuid[], integer[], bigint[], boolean[], integer[], text[], text[], integer[],
        bigint[], bigint[]);
      drop function admit(${ADMITTED}, integer[], bigint[], bigint[]);
      drop function admit(${ADMITTED});
    `);
    await runner.query(ADMIT_CALLS);
    await runner.query(ADMIT_ATTEMPTS);
  }
}

/** Types of the arguments of the first `admit`. */
const ADMITTED = `uuid, integer, uuid[], uuid[], text[], text[], integer[], integer[], integer[], bigint[], integer[],
  integer[], uuid[], integer[], bigint[], boolean[], integer[], text[], text[]`;

/** What is counted of a holder and what it is limited to, each in an array of its own. */
const HOLDER = [
  'in_use',
  'tat',
  'tok_tat',
  'tok_held',
  'held',
  'day_used',
  'month_used',
  'total_used',
  'inc',
  'rpm',
  'tpm',
  'day_limit',
  'month_limit',
  'total_limit',
  'max',
];

/** One row of {@link HOLDER}; what is of a window that is over counts for nothing. */
const HOLDING = `
  s.in_use, s.tat, s.tok_tat, s.tok_held, s.held,
  case when s.day < v_today then 0 else s.day_used end as day_used,
  case when s.month < v_month then 0 else s.month_used end as month_used,
  s.total_used,
  (59999999 + q.requests_per_minute) / q.requests_per_minute as inc, q.requests_per_minute as rpm,
  q.tokens_per_minute as tpm, q.budget_day_nanos as day_limit, q.budget_month_nanos as month_limit,
  q.budget_total_nanos as total_limit, q.max_concurrency as max`;

const OF_KEYS = `
  from unnest(p_keys) with ordinality k (id, pos)
  left join key_state s on s.id = k.id left join api_keys q on q.id = k.id`;

const TAKE = `
  in_use = x.in_use, tat = greatest(s.tat, x.tat), tok_held = s.tok_held + x.tok, tok_limit = x.tpm,
  held = s.held + x.hold`;

function arrays(names: readonly string[]): string {
  return names.map((name) => `h_${name}`).join(', ');
}

function aggregated(names: readonly string[]): string {
  return names.map((name) => `array_agg(s.${name})`).join(', ');
}

function olderAdmit(argument: string, more: string): string {
  return `
  create or replace function admit(
    p_epoch uuid, p_alive_ms integer,
    p_keys uuid[], p_accounts uuid[], p_kinds text[], p_families text[],
    p_set_from integer[], p_set_to integer[],
    c_account integer[], c_version bigint[], c_tier integer[], c_family integer[],
    p_ids uuid[], p_key integer[], p_key_version bigint[], p_counting boolean[], p_set integer[],
    p_doors text[], p_models text[]${argument}
  ) returns text language plpgsql as $$
  declare
    v_answer constant text := admit(p_epoch, p_alive_ms, p_keys, p_accounts, p_kinds, p_families, p_set_from, p_set_to,
      c_account, c_version, c_tier, c_family, array_fill(true, array[cardinality(c_account)]), p_ids, p_key,
      p_key_version, p_counting, p_set, p_doors, p_models, ${more});
  begin
    if v_answer = 'epoch' then return v_answer; end if;
    return split_part(v_answer, ';', 1) || ';'
      || regexp_replace(split_part(v_answer, ';', 2), '-(8|9|1[0-3])(?=,|$)', '-2', 'g') || ';'
      || split_part(v_answer, ';', 3);
  end $$;`;
}

/** As admit's arguments were before limits, and the answer as it was read then: any limit is \`key full\`. */
const OLD_ADMITS = `
  ${olderAdmit(
    '',
    `array_fill(0, array[cardinality(p_ids)]), array_fill(0::bigint, array[cardinality(p_ids)]),
      array_fill(0::bigint, array[cardinality(p_ids)])`,
  )}
  ${olderAdmit(
    ', p_prefer integer[], p_hold_nanos bigint[], p_hold_tokens bigint[]',
    'p_prefer, p_hold_nanos, p_hold_tokens',
  )}
`;

/**
 * Keys and accounts come once, sorted and distinct; everything else names them by position (from 1). Candidate sets
 * are ranges of the c_ arrays. A request may prefer an account, by position (0: none): taken when it is eligible and
 * has room, whatever the order says. \`p_hold_*\`: what the call may come to.
 *
 * Holders (h_) are the keys and behind them all teams above them, each with the position of the one above it: a
 * request asks each holder up to the top, and takes from all of them or from none. Requests a minute are a bucket by
 * its stamp (GCRA) with a minute's burst. Tokens a minute are a bucket of what was used, and what open calls may still
 * use must fit beside it. A budget admits while used + held + hold stays within it, and never once it is spent.
 *
 * Every join is of a few ids with an index of theirs, whatever the planner was told of a table that was empty then; a
 * merge or a hash would read a whole index. Answer: \`epoch\` when this epoch may not admit, else fields parted by \`;\`: the clock in µs; for each request an
 * account's position or a refusal (-1 key unusable, -2 key full, -3 stale, -4 accounts full, -5 cooling, -6 parked,
 * -7 no account, -8 requests a minute, -9 tokens a minute, -10 budget spent, -11 budget held by open calls, -12 no
 * account whose price is known, -13 team full); for each request the µs to the soonest recovery (empty without any);
 * for each key its teams, parted by \`|\` (empty without any).
 */
export const ADMIT = `
  create function admit(
    p_epoch uuid, p_alive_ms integer,
    p_keys uuid[], p_accounts uuid[], p_kinds text[], p_families text[],
    p_set_from integer[], p_set_to integer[],
    c_account integer[], c_version bigint[], c_tier integer[], c_family integer[], c_priced boolean[],
    p_ids uuid[], p_key integer[], p_key_version bigint[], p_counting boolean[], p_set integer[],
    p_doors text[], p_models text[], p_prefer integer[], p_hold_nanos bigint[], p_hold_tokens bigint[]
  ) returns text language plpgsql set enable_hashjoin = off set enable_mergejoin = off as $$
  declare
    v_now timestamptz; v_us bigint; v_today date; v_month date;
    v_again boolean := false;
    v_keys constant integer := cardinality(p_keys);
    k_counting integer[]; k_usable boolean[]; k_expires timestamptz[]; k_version bigint[]; k_team uuid[]; k_path text[];
    k_limited boolean[];
    v_teams uuid[]; v_parents uuid[];
    h_in_use integer[]; h_tat bigint[]; h_tok_tat bigint[]; h_tok_held bigint[]; h_held bigint[];
    h_day_used bigint[]; h_month_used bigint[]; h_total_used bigint[];
    h_inc integer[]; h_rpm integer[]; h_tpm bigint[]; h_day_limit bigint[]; h_month_limit bigint[];
    h_total_limit bigint[]; h_max integer[]; h_up integer[]; h_hold bigint[]; h_tok bigint[];
    a_places integer[]; a_last timestamptz[]; a_version bigint[]; a_enabled boolean[];
    a_max integer[]; a_priority integer[]; a_weight integer[]; a_load float8[];
    s_from integer[]; s_to integer[]; s_stale boolean[]; s_unpriced boolean[]; s_soonest timestamptz[];
    u_account integer[]; u_tier integer[]; u_priced boolean[]; v_usable integer := 0;
    v_families constant integer := cardinality(p_families);
    v_cooling timestamptz[];
    v_cooldown record;
    v_answers integer[]; v_retries bigint[]; v_held bigint[] := p_hold_tokens;
    v_any boolean := false; v_any_retry boolean := false; v_limits boolean;
    k integer; a integer; h integer; v_set integer; v_answer integer; v_count boolean; v_full boolean;
    v_hold bigint; v_tokens bigint; v_wait bigint; v_left bigint; v_budget boolean; v_pick boolean;
    v_until timestamptz;
    b_tier integer; b_priority integer; b_load float8; b_last timestamptz;
  begin
    perform 1 from replicas
      where epoch = p_epoch and dead_at is null and closed_at is null
        and beat > clock_timestamp() - p_alive_ms * interval '1 millisecond';
    if not found then return 'epoch'; end if;

    loop
      select array_agg(s.in_use), array_agg(s.counting) into h_in_use, k_counting
        from (select s.in_use, s.counting from unnest(p_keys) with ordinality k (id, pos)
              left join (select id, in_use, counting from key_state where id = any (p_keys) order by id
                         for no key update) s using (id)
              order by k.pos) s;
      exit when v_again or array_position(h_in_use, null) is null;
      insert into key_state (id) select id from api_keys where id = any (p_keys) order by id on conflict do nothing;
      v_again := true;
    end loop;

    select array_agg(s.usable), array_agg(s.expires_at), array_agg(s.version), array_agg(s.max_concurrency),
           array_agg(s.team_id), array_agg(s.limited), bool_or(s.limited)
      into k_usable, k_expires, k_version, h_max, k_team, k_limited, v_limits
      from (select q.enabled and q.revoked_at is null and q.deleted_at is null as usable, q.expires_at, q.version,
                   q.max_concurrency, q.team_id,
                   coalesce(q.requests_per_minute, q.tokens_per_minute, q.budget_day_nanos, q.budget_month_nanos,
                            q.budget_total_nanos) is not null or q.team_id is not null as limited
              from unnest(p_keys) with ordinality k (id, pos) left join api_keys q using (id)
              order by k.pos) s;

    if k_team <> array_fill(null::uuid, array[v_keys]) then
      select array_agg(m.id order by m.id), array_agg(m.parent_id order by m.id) into v_teams, v_parents
        from teams m where m.id in (select unnest(q.path) from teams q where q.id = any (k_team));
      insert into team_state (id)
        select m.id from unnest(v_teams) m (id) where not exists (select from team_state s where s.id = m.id) order by id
        on conflict do nothing;
      perform 1 from team_state where id = any (v_teams) order by id for no key update;
      select array_agg(coalesce(v_keys + array_position(v_teams, m.id), 0) order by m.pos),
             array_agg(coalesce(q.path, '{}')::text order by m.pos)
        into h_up, k_path
        from unnest(k_team) with ordinality m (id, pos) left join teams q using (id);
      for t in 1 .. cardinality(v_teams) loop
        h_up[v_keys + t] := coalesce(v_keys + array_position(v_teams, v_parents[t]), 0);
      end loop;
    end if;

    v_again := false;
    loop
      select array_agg(s.in_use), array_agg(s.last_used), array_agg(s.version), array_agg(s.enabled),
             array_agg(s.places), array_agg(s.priority), array_agg(s.weight), array_agg(s.in_use::float8 / s.weight)
        into a_places, a_last, a_version, a_enabled, a_max, a_priority, a_weight, a_load
        from (select s.* from unnest(p_accounts) with ordinality c (id, pos)
              left join (select s.id, s.in_use, s.last_used,
                                case when q.deleted_at is null then q.version end as version, q.enabled,
                                nullif(q.max_concurrency, 0) as places, q.priority, q.weight
                         from account_state s join accounts q using (id)
                         where s.id = any (p_accounts) order by s.id for no key update of s) s using (id)
              order by c.pos) s;
      exit when v_again or array_position(a_places, null) is null;
      insert into account_state (id) select id from accounts where id = any (p_accounts) order by id
        on conflict do nothing;
      v_again := true;
    end loop;

    v_now := clock_timestamp();
    v_us := floor(extract(epoch from v_now) * 1000000);
    v_today := (v_now at time zone 'UTC')::date;
    v_month := date_trunc('month', v_today::timestamp);
    h_hold := array_fill(0::bigint, array[v_keys + coalesce(cardinality(v_teams), 0)]);
    h_tok := h_hold;
    if v_teams is not null then
      select ${aggregated(HOLDER)} into ${arrays(HOLDER)}
        from (select 1 as class, k.pos, ${HOLDING} ${OF_KEYS}
              union all
              select 2, k.pos, ${HOLDING}
                from unnest(v_teams) with ordinality k (id, pos)
                join team_state s on s.id = k.id join teams q on q.id = k.id
              order by 1, 2) s;
    elsif v_limits then
      select ${aggregated(HOLDER)} into ${arrays(HOLDER)} from (select ${HOLDING} ${OF_KEYS} order by k.pos) s;
    end if;

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

    for s in 1 .. cardinality(p_set_from) loop
      s_from[s] := v_usable + 1;
      s_stale[s] := false;
      s_unpriced[s] := false;
      s_soonest[s] := null;
      for c in p_set_from[s] .. p_set_to[s] loop
        a := c_account[c];
        if a_version[a] is distinct from c_version[c] then
          s_stale[s] := true;
        elsif a_enabled[a] then
          v_until := v_cooling[(a - 1) * v_families + c_family[c]];
          if v_until is null then
            v_usable := v_usable + 1;
            u_account[v_usable] := a;
            u_tier[v_usable] := c_tier[c];
            u_priced[v_usable] := c_priced[c];
            if not c_priced[c] then s_unpriced[s] := true; end if;
          elsif s_soonest[s] is null or v_until < s_soonest[s] then
            s_soonest[s] := v_until;
          end if;
        end if;
      end loop;
      s_to[s] := v_usable;
    end loop;

    for i in 1 .. cardinality(p_ids) loop
      k := p_key[i];
      v_set := p_set[i];
      v_count := p_counting[i];
      v_answer := 0;
      v_budget := false;
      if k_usable[k] is not true or k_expires[k] <= v_now then
        v_answer := -1;
      elsif k_version[k] <> p_key_version[i] or s_stale[v_set] then
        v_answer := -3;
      elsif v_count then
        if k_counting[k] >= 32 then v_answer := -2; end if;
      elsif h_in_use[k] >= h_max[k] then
        v_answer := -2;
      elsif k_limited[k] then
        v_hold := p_hold_nanos[i];
        v_tokens := p_hold_tokens[i];
        h := k;
        loop
          if h_in_use[h] >= h_max[h] then
            v_answer := -13;
            exit;
          end if;
          if h_rpm[h] is not null then
            v_wait := greatest(h_tat[h], v_us) - v_us - h_inc[h]::bigint * (h_rpm[h] - 1);
            if v_wait > 0 then
              v_answer := -8;
              exit;
            end if;
          end if;
          if h_tpm[h] is not null then
            v_tokens := least(v_tokens, h_tpm[h]);
            v_wait := greatest(h_tok_tat[h] - v_us, 0) - 60000000
              + ((h_tok_held[h] + h_tok[h] + v_tokens) * 60000000 + h_tpm[h] - 1) / h_tpm[h];
            if v_wait > 0 then
              v_answer := -9;
              exit;
            end if;
          end if;
          if coalesce(h_day_limit[h], h_month_limit[h], h_total_limit[h]) is not null then
            v_budget := true;
            v_left := least(h_day_limit[h] - h_day_used[h], h_month_limit[h] - h_month_used[h],
                            h_total_limit[h] - h_total_used[h]);
            if v_left <= 0 or v_hold > v_left then
              v_answer := -10;
              exit;
            end if;
            if v_hold > v_left - h_held[h] - h_hold[h] then
              v_answer := -11;
              exit;
            end if;
          end if;
          exit when h_up is null;
          h := h_up[h];
          exit when h = 0;
        end loop;
      end if;

      if v_answer = 0 then
        v_full := false;
        v_pick := v_budget and s_unpriced[v_set];
        if p_prefer[i] > 0 then
          for c in s_from[v_set] .. s_to[v_set] loop
            if u_account[c] = p_prefer[i] then
              a := u_account[c];
              if (v_count or a_max[a] is null or a_places[a] < a_max[a]) and (not v_pick or u_priced[c]) then
                v_answer := a;
              end if;
              exit;
            end if;
          end loop;
        end if;
        if v_answer = 0 then
          for c in s_from[v_set] .. s_to[v_set] loop
            a := u_account[c];
            if a_places[a] >= a_max[a] and not v_count then
              v_full := v_full or not v_pick or u_priced[c];
            elsif (v_answer = 0 or (u_tier[c], a_priority[a], a_load[a], a_last[a])
                                   < (b_tier, b_priority, b_load, b_last)) and (not v_pick or u_priced[c]) then
              v_answer := a;
              b_tier := u_tier[c];
              b_priority := a_priority[a];
              b_load := a_load[a];
              b_last := a_last[a];
            end if;
          end loop;
        end if;

        if v_answer > 0 then
          v_any := true;
          a_last[v_answer] := v_now + i * interval '1 microsecond';
          if v_count then
            k_counting[k] := k_counting[k] + 1;
          else
            a_places[v_answer] := a_places[v_answer] + 1;
            a_load[v_answer] := a_places[v_answer]::float8 / a_weight[v_answer];
            h_in_use[k] := h_in_use[k] + 1;
            h_hold[k] := h_hold[k] + p_hold_nanos[i];
            if k_limited[k] then
              v_held[i] := v_tokens;
              h := k;
              loop
                h_tok[h] := h_tok[h] + v_tokens;
                if h_rpm[h] is not null then h_tat[h] := greatest(h_tat[h], v_us) + h_inc[h]; end if;
                exit when h_up is null;
                h := h_up[h];
                exit when h = 0;
                h_in_use[h] := h_in_use[h] + 1;
                h_hold[h] := h_hold[h] + v_hold;
              end loop;
            else
              h_tok[k] := h_tok[k] + p_hold_tokens[i];
            end if;
          end if;
        else
          v_until := s_soonest[v_set];
          if v_full then v_answer := -4;
          elsif v_until <> 'infinity' then
            v_answer := -5;
            v_wait := ceil(extract(epoch from v_until - v_now) * 1000000);
          elsif v_pick then v_answer := -12;
          elsif v_until is null then v_answer := -7;
          else v_answer := -6;
          end if;
        end if;
      end if;

      v_answers[i] := v_answer;
      if v_answer in (-5, -8, -9) then
        if not v_any_retry then
          v_any_retry := true;
          v_retries := array_fill(0::bigint, array[cardinality(p_ids)]);
        end if;
        v_retries[i] := v_wait;
      end if;
    end loop;

    if v_any then
      if v_teams is not null then
        update team_state s set ${TAKE}
          from unnest(v_teams, h_in_use[v_keys + 1 :], h_tat[v_keys + 1 :], h_tpm[v_keys + 1 :], h_tok[v_keys + 1 :], h_hold[v_keys + 1 :])
            x (id, in_use, tat, tpm, tok, hold)
          where s.id = x.id and s.in_use <> x.in_use;
      end if;
      with taken_keys as (
        update key_state s set counting = x.counting, ${TAKE}
          from unnest(p_keys, h_in_use[1 : v_keys], h_tat[1 : v_keys], h_tpm[1 : v_keys], h_tok[1 : v_keys], h_hold[1 : v_keys], k_counting)
            x (id, in_use, tat, tpm, tok, hold, counting)
          where s.id = x.id and (s.in_use <> x.in_use or s.counting <> x.counting)
      ), taken_accounts as (
        update account_state s set in_use = x.in_use, last_used = x.last_used
          from unnest(p_accounts, a_places, a_last) x (id, in_use, last_used)
          where s.id = x.id and s.last_used <> x.last_used
      )
      insert into open_calls (request_id, attempt, epoch, key_id, account_id, lane, door, kind, model, at,
                              hold_nanos, hold_tokens, teams)
        select x.id, 1, p_epoch, p_keys[x.key], p_accounts[x.answer],
               case when x.counting then 'count' else 'generate' end, x.door, p_kinds[x.answer], x.model, v_now,
               x.hold_nanos, x.hold_tokens, coalesce(k_path[x.key]::uuid[], '{}')
          from unnest(p_ids, p_key, v_answers, p_counting, p_doors, p_models, p_hold_nanos, v_held)
            x (id, key, answer, counting, door, model, hold_nanos, hold_tokens)
          where x.answer > 0;
    end if;

    return v_us || ';' || array_to_string(v_answers, ',') || ';'
      || case when v_any_retry then array_to_string(v_retries, ',') else '' end || ';'
      || coalesce(array_to_string(k_path, '|'), '');
  end $$;
`;

/** As before; where a budget is to be kept, an account whose price is not known cannot serve. */
export const MOVE = `
  create function move_attempt(
    p_epoch uuid, p_alive_ms integer, p_id uuid, p_attempt smallint, p_key_version bigint, p_accounts uuid[],
    p_kinds text[], p_versions bigint[], p_tiers integer[], p_families text[], p_priced boolean[], p_prefer uuid
  ) returns text language plpgsql as $$
  declare
    v_row open_calls%rowtype;
    v_generate boolean; v_held uuid; v_now timestamptz; v_usable boolean; v_version bigint; v_budget boolean;
    v_again boolean := false; v_rows integer; v_fresh boolean;
    v_chosen uuid; v_full boolean; v_unpriced boolean; v_soonest timestamptz; v_code integer;
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
             and (q.expires_at is null or q.expires_at > v_now), q.version,
           v_generate and (coalesce(q.budget_day_nanos, q.budget_month_nanos, q.budget_total_nanos) is not null
             or exists (select from teams m where m.id = any (v_row.teams)
                          and coalesce(m.budget_day_nanos, m.budget_month_nanos, m.budget_total_nanos) is not null))
      into v_usable, v_version, v_budget from api_keys q where q.id = v_row.key_id;
    if v_usable is not true then
      v_code := -1;
    elsif v_version <> p_key_version then
      return '-3;0';
    else
      with candidates as (
        select c.id, c.tier, c.version, c.priced or not v_budget as priced, q.version as now_version, q.deleted_at,
               q.enabled, q.priority, q.weight, nullif(q.max_concurrency, 0) as places, s.last_used,
               s.in_use - case when c.id = v_held then 1 else 0 end as in_use,
               (select max(d.until) from cooldowns d
                  where d.account_id = c.id and d.until > v_now
                    and (d.model_family is null or d.model_family = c.family)
                    and (d.credentials_version is null or not exists (
                      select from account_credentials x
                        where x.account_id = d.account_id and x.version > d.credentials_version))) as until
          from unnest(p_accounts, p_versions, p_tiers, p_families, p_priced) c (id, version, tier, family, priced)
          left join account_state s on s.id = c.id
          left join accounts q on q.id = c.id
      ), judged as (
        select c.*, c.enabled and c.priced and c.until is null as able,
               v_generate and c.in_use >= c.places is true as no_room
          from candidates c
      )
      select coalesce(bool_and(j.now_version is not distinct from j.version and j.deleted_at is null), true),
             (array_agg(j.id order by (j.id = p_prefer) is true desc, j.tier, j.priority, j.in_use::float8 / j.weight,
                        j.last_used)
               filter (where j.able and not j.no_room))[1],
             coalesce(bool_or(j.able and j.no_room), false),
             coalesce(bool_or(j.enabled and not j.priced), false),
             min(j.until) filter (where j.enabled and j.priced)
        into v_fresh, v_chosen, v_full, v_unpriced, v_soonest from judged j;
      if v_fresh is not true then return '-3;0'; end if;
      if v_chosen is null then
        v_code := case when v_full then -4 when v_soonest <> 'infinity' then -5 when v_unpriced then -12
                       when v_soonest is null then -7 else -6 end;
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
