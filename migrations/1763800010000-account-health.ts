import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Health that is written down once and grows with repetition. A cooldown whose end has come leaves its account on
 * probation until one call has succeeded there (`proven_at`); `probe_until` is the claim of the call that tries it.
 */
export class AccountHealth1763800010000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table cooldowns
        add column strikes smallint not null default 0,
        add column proven_at timestamptz,
        add column probe_until timestamptz;
      create index cooldowns_unproven on cooldowns (account_id) where proven_at is null;
    `);
    await runner.query(COOL);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop function cool_account, rest_left;
      drop index cooldowns_unproven;
      alter table cooldowns drop column strikes, drop column proven_at, drop column probe_until;
    `);
  }
}

/**
 * Verdicts on one account that arrive together, on any replica, are one: they wait for each other, and what was said
 * since their call was admitted is not said again. With \`p_most_ms\` the rest doubles with each return of the same trouble; the last one counts
 * for ten minutes, or as long as it was. With \`p_pool\` nothing is written that would leave less than half of those in the pool
 * who have no other trouble. Answers \`outdated\` (newer credentials are stored), \`too-many\`, or \`cooling\` or
 * \`known\` and for how many ms (or \`infinity\`) from now, nothing when that is over.
 */
export const COOL = `
  create function rest_left(p_until timestamptz, p_now timestamptz) returns text language sql immutable as $$
    select case when p_until = 'infinity' then ' infinity'
                when p_until > p_now then ' ' || ceil(extract(epoch from p_until - p_now) * 1000)::bigint
                else '' end
  $$;

  create function cool_account(
    p_id uuid, p_account uuid, p_family text, p_reason text, p_evidence text, p_ms bigint, p_most_ms bigint,
    p_probed boolean, p_credentials integer, p_since timestamptz, p_pool uuid[]
  ) returns text language plpgsql as $$
  declare
    v_now timestamptz; v_until timestamptz; v_strikes integer := 0; v_eligible integer; v_ejected integer;
  begin
    perform 1 from account_credentials where account_id = p_account and version > p_credentials;
    if found then return 'outdated'; end if;

    perform pg_advisory_xact_lock(hashtextextended(
      case when p_pool is null then 'cool ' || p_account else 'eject ' || coalesce(p_family, '') end, 0));
    v_now := clock_timestamp();

    select max(c.until) into v_until from cooldowns c
      where c.account_id = p_account and c.reason = p_reason and c.model_family is not distinct from p_family
        and case when p_ms is null then c.until = 'infinity' and c.credentials_version >= p_credentials
                 when p_most_ms is not null then c.until > v_now or c.created_at > p_since
                 else c.until >= v_now + p_ms * 0.9::float8 * interval '1 millisecond'
                   or c.created_at > p_since and c.until >= c.created_at + p_ms * 0.9::float8 * interval '1 millisecond' end;
    if v_until is not null then return 'known' || rest_left(v_until, v_now); end if;

    if p_pool is not null then
      select count(*) filter (where not p.troubled), count(*) filter (where p.ejected and not p.troubled)
        into v_eligible, v_ejected
        from (select coalesce(bool_or(c.reason <> p_reason), false) as troubled,
                     coalesce(bool_or(c.reason = p_reason), false) as ejected
                from unnest(p_pool) a (id)
                left join cooldowns c on c.account_id = a.id and c.until > v_now
                  and (c.model_family is null or c.model_family = p_family)
                group by a.id) p;
      if (v_ejected + 1) * 2 > v_eligible then return 'too-many'; end if;
    end if;

    if p_ms is null then
      v_until := 'infinity';
    else
      if p_most_ms is not null then
        select c.strikes + 1 into v_strikes from cooldowns c
          where c.account_id = p_account and c.reason = p_reason and c.model_family is not distinct from p_family
            and case when c.until <= v_now
                     then c.until > v_now - greatest(interval '10 minutes', c.until - c.created_at) else false end
          order by c.until desc limit 1;
        v_strikes := least(coalesce(v_strikes, 0), 30);
      end if;
      v_until := v_now + least(p_ms * 2::float8 ^ v_strikes, coalesce(p_most_ms, p_ms)) * interval '1 millisecond';
    end if;

    update cooldowns c set proven_at = v_now
      where c.account_id = p_account and c.model_family is not distinct from p_family
        and c.until <= v_now and c.proven_at is null;
    insert into cooldowns
        (id, account_id, model_family, reason, evidence, created_at, until, credentials_version, strikes, proven_at)
      values (p_id, p_account, p_family, p_reason, p_evidence, v_now, v_until,
              case when p_ms is null then p_credentials end, v_strikes, case when not p_probed then v_now end);
    return 'cooling' || rest_left(v_until, v_now);
  end $$;
`;
