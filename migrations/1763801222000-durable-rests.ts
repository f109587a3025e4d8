import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A binding is good for what the vendor's cache saves. Where the bound account rests for longer than that cache lives,
 * the next account holds the only one, and turn after turn on others would each write it anew. The function's older
 * signature stays as it is.
 */
export class DurableRests1763801222000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(RESTS);
    await runner.query(BIND);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function bind_sessions(uuid[], uuid[], integer[], uuid[], boolean[], text[], boolean);
      drop function rests_beyond(uuid, text, timestamptz);
    `);
  }
}

/** As \`admit\` takes a cooldown: of the whole account or of the model's family (null: of none), under these credentials. */
const RESTS = `
  create function rests_beyond(p_account uuid, p_family text, p_moment timestamptz) returns boolean
    language sql stable as $$
    select exists (
      select from cooldowns d
        where d.account_id = p_account and d.until > p_moment
          and (d.model_family is null or d.model_family = p_family)
          and (d.credentials_version is null or not exists (
            select from account_credentials x
              where x.account_id = d.account_id and x.version > d.credentials_version)))
  $$;
`;

/**
 * Sessions were answered by accounts: a binding is refreshed by the account that it names, and taken over where there
 * is none that lives, or where it names the account that \`p_replaces\` says, if \`p_if_parked\` only once that one serves
 * no more or rests until its cache is gone: as a whole, or for the family that \`p_families\` says of it. \`p_new\`:
 * sessions that have no row yet get one. Rows are locked in order of their ids before any is written.
 */
const BIND = `
  create function bind_sessions(
    p_ids uuid[], p_accounts uuid[], p_lives integer[], p_replaces uuid[], p_if_parked boolean[], p_families text[],
    p_new boolean
  ) returns void language plpgsql as $$
  declare
    v_now constant timestamptz := clock_timestamp();
  begin
    perform 1 from bindings where id = any (p_ids) order by id for no key update;
    update bindings b set account_id = x.account, used_at = greatest(b.used_at, v_now), lives = x.lives
      from unnest(p_ids, p_accounts, p_lives, p_replaces, p_if_parked, p_families)
        x (id, account, lives, replaces, if_parked, family)
      where b.id = x.id and (
        b.account_id = x.account or b.used_at <= v_now - b.lives * interval '1 second'
        or (b.account_id = x.replaces and (
          not x.if_parked
          or rests_beyond(x.replaces, x.family, b.used_at + b.lives * interval '1 second')
          or not exists (
            select from accounts a where a.id = x.replaces and a.enabled and a.deleted_at is null))));
    if p_new then
      insert into bindings (id, account_id, used_at, lives)
        select x.id, x.account, v_now, x.lives from unnest(p_ids, p_accounts, p_lives) x (id, account, lives)
          order by x.id
        on conflict do nothing;
    end if;
  end $$;
`;
