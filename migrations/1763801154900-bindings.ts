import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Which account holds the vendor's cache of a session. A preference and nothing more: what is lost of it costs cache,
 * so that the table is not logged, and nothing refers to it.
 */
export class Bindings1763801154900 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLE);
    await runner.query(ADMIT);
    await runner.query(BIND);
    await runner.query(FORGET);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function forget_bindings(integer, integer);
      drop function bind_sessions(uuid[], uuid[], integer[], uuid[], boolean[], boolean);
      drop function admit_bound(uuid, integer, uuid[], uuid[], text[], text[], integer[], integer[], integer[],
        bigint[], integer[], integer[], boolean[], uuid[], integer[], bigint[], boolean[], integer[], text[], text[],
        integer[], bigint[], bigint[], boolean, uuid[]);
      drop function is_parked(uuid);
      drop table bindings;
    `);
  }
}

/** Nothing but the id is indexed, so that every use of a session is an update within its page. */
const TABLE = `
  create unlogged table bindings (
    -- The digest of key, model and session.
    id uuid primary key,
    account_id uuid not null,
    used_at timestamptz not null,
    -- How long the vendor's cache outlives its last use, in seconds.
    lives integer not null
  ) with (fillfactor = 50);

  -- It waits for a person, whatever the model.
  create function is_parked(p_account uuid) returns boolean language sql stable as $$
    select exists (
      select from cooldowns d
        where d.account_id = p_account and d.until = 'infinity' and d.model_family is null
          and (d.credentials_version is null or not exists (
            select from account_credentials x
              where x.account_id = d.account_id and x.version > d.credentials_version)))
  $$;
`;

/**
 * \`admit\`, where each request prefers the account that its session (null: none) is bound to. Where any has a
 * binding, the answer has one field more behind that of the probes: the bound account of each, with \`-\` before it where another one was
 * taken because it waits for a person. The bindings are read before anything is locked; one that changes meanwhile is
 * as good as the one before.
 */
export const ADMIT = `
  create function admit_bound(
    p_epoch uuid, p_alive_ms integer,
    p_keys uuid[], p_accounts uuid[], p_kinds text[], p_families text[],
    p_set_from integer[], p_set_to integer[],
    c_account integer[], c_version bigint[], c_tier integer[], c_family integer[], c_priced boolean[],
    p_ids uuid[], p_key integer[], p_key_version bigint[], p_counting boolean[], p_set integer[],
    p_doors text[], p_models text[], p_prefer integer[], p_hold_nanos bigint[], p_hold_tokens bigint[],
    p_probes boolean, p_sessions uuid[]
  ) returns text language plpgsql as $$
  declare
    v_now constant timestamptz := clock_timestamp();
    v_bound constant uuid[] := array(
      select (select b.account_id from bindings b
                where b.id = s.id and b.used_at > v_now - b.lives * interval '1 second')
        from unnest(p_sessions) s (id));
    v_prefer integer[] := p_prefer;
    v_answer text; v_taken text[]; v_told text[];
  begin
    if array_remove(v_bound, null) = '{}' then
      return admit(p_epoch, p_alive_ms, p_keys, p_accounts, p_kinds, p_families, p_set_from, p_set_to, c_account,
        c_version, c_tier, c_family, c_priced, p_ids, p_key, p_key_version, p_counting, p_set, p_doors, p_models,
        p_prefer, p_hold_nanos, p_hold_tokens, p_probes);
    end if;
    for i in 1 .. cardinality(p_ids) loop
      if v_bound[i] is not null and v_prefer[i] = 0 then
        v_prefer[i] := coalesce(array_position(p_accounts, v_bound[i]), 0);
      end if;
    end loop;
    v_answer := admit(p_epoch, p_alive_ms, p_keys, p_accounts, p_kinds, p_families, p_set_from, p_set_to, c_account,
      c_version, c_tier, c_family, c_priced, p_ids, p_key, p_key_version, p_counting, p_set, p_doors, p_models,
      v_prefer, p_hold_nanos, p_hold_tokens, p_probes);
    if v_answer = 'epoch' then return v_answer; end if;
    v_taken := string_to_array(split_part(v_answer, ';', 2), ',');
    v_told := v_bound::text[];
    for i in 1 .. cardinality(p_ids) loop
      if v_bound[i] is not null and v_taken[i]::integer > 0
          and p_accounts[v_taken[i]::integer] <> v_bound[i] and is_parked(v_bound[i]) then
        v_told[i] := '-' || v_told[i];
      end if;
    end loop;
    return v_answer || ';' || array_to_string(v_told, ',', '');
  end $$;
`;

/**
 * Sessions were answered by accounts: a binding is refreshed by the account that it names, and taken over where there
 * is none that lives, or where it names the account that \`p_replaces\` says, if \`p_if_parked\` only once that one waits
 * for a person or serves no more. \`p_new\`: sessions that have no row yet get one. Rows are locked in order of their
 * ids before any is written.
 */
const BIND = `
  create function bind_sessions(
    p_ids uuid[], p_accounts uuid[], p_lives integer[], p_replaces uuid[], p_if_parked boolean[], p_new boolean
  ) returns void language plpgsql as $$
  declare
    v_now constant timestamptz := clock_timestamp();
  begin
    perform 1 from bindings where id = any (p_ids) order by id for no key update;
    update bindings b set account_id = x.account, used_at = greatest(b.used_at, v_now), lives = x.lives
      from unnest(p_ids, p_accounts, p_lives, p_replaces, p_if_parked) x (id, account, lives, replaces, if_parked)
      where b.id = x.id and (
        b.account_id = x.account or b.used_at <= v_now - b.lives * interval '1 second'
        or (b.account_id = x.replaces and (not x.if_parked or is_parked(x.replaces) or not exists (
              select from accounts a where a.id = x.replaces and a.enabled and a.deleted_at is null))));
    if p_new then
      insert into bindings (id, account_id, used_at, lives)
        select x.id, x.account, v_now, x.lives from unnest(p_ids, p_accounts, p_lives) x (id, account, lives)
          order by x.id
        on conflict do nothing;
    end if;
  end $$;
`;

/** Answers how many that were over it has deleted, at most \`p_limit\`, and how many there are, up to \`p_most\`. */
const FORGET = `
  create function forget_bindings(p_limit integer, p_most integer) returns integer[] language plpgsql as $$
  declare
    v_now constant timestamptz := clock_timestamp(); v_deleted integer;
  begin
    delete from bindings where id = any (array(
      select id from bindings where used_at <= v_now - lives * interval '1 second' limit p_limit
        for update skip locked));
    get diagnostics v_deleted = row_count;
    return array[v_deleted, (select count(*) from (select from bindings limit p_most) b)];
  end $$;
`;
