import type { Queryable } from '../../database/statement.ts';

/** An account as the choice of admission sees it, at the moment of reading. */
export interface AccountStanding {
  readonly id: string;
  /** Of its settings. */
  readonly version: bigint;
  readonly enabled: boolean;
  readonly priority: number;
  readonly weight: number;
  /** Null: without limit. */
  readonly places: number | null;
  readonly inUse: number;
  /** Milliseconds since 1970 by the database's clock; -Infinity: never. */
  readonly usedAt: number;
  /** Model families for which it is near a limit; null: none. */
  readonly lean: readonly string[] | null;
  /** Null: none. */
  readonly rests: readonly Rest[] | null;
}

export interface Rest {
  /** Null: whatever the model. */
  readonly family: string | null;
  /** Milliseconds since 1970; null: until a person acts. */
  readonly until: number | null;
  /** It is over, and a call that runs is to prove it: to the others the account is full. */
  readonly probing: boolean;
}

interface Row extends Omit<AccountStanding, 'version'> {
  readonly version: string;
}

const STANDINGS = {
  name: 'account-standings',
  text: `select a.id, a.version, a.enabled, a.priority, a.weight, nullif(a.max_concurrency, 0) as places,
      coalesce(s.in_use, 0) as "inUse",
      coalesce(extract(epoch from s.last_used) * 1000, '-Infinity')::float8 as "usedAt",
      case when s.lean is not null then array(
        select e.key from jsonb_each_text(s.lean) e where e.value::bigint > extract(epoch from now()) * 1000000)
      end as lean, d.rests
    from accounts a
    left join account_state s on s.id = a.id
    left join (
      select d.account_id, jsonb_agg(jsonb_build_object(
          'family', d.model_family, 'probing', d.until <= now(),
          'until', case when isfinite(d.until) then extract(epoch from d.until) * 1000 end)) as rests
        from cooldowns d
        where (d.until > now() and (d.credentials_version is null or not exists (
                 select from account_credentials x
                   where x.account_id = d.account_id and x.version > d.credentials_version)))
           or (d.proven_at is null and d.until <= now() and d.probe_until > now())
        group by d.account_id) d on d.account_id = a.id
    where a.deleted_at is null`,
};

/** All that are not deleted. Nothing is locked, so that it may have changed by the time of the answer. */
export async function accountStandings(db: Queryable): Promise<AccountStanding[]> {
  const rows = await db.run<Row>(STANDINGS, []);
  return rows.map((row) => ({ ...row, version: BigInt(row.version) }));
}
