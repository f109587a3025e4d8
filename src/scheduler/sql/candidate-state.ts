import type { Queryable } from '../../database/statement.ts';
import type { Candidate } from '../admission.ts';

/** An account that may serve a call, at this moment. */
export interface CandidateState {
  readonly accountId: string;
  readonly tier: number;
  readonly priority: number;
  readonly weight: number;
  /** Attempts that run there, over all replicas. */
  readonly inUse: number;
  /** Null: without limit. */
  readonly places: number | null;
  /** It is near a limit of its own, and taken after those of its tier that are not. */
  readonly lean: boolean;
  /** Its rest is over, and a call that runs is to prove it: nobody else is let in. */
  readonly probing: boolean;
  /** The rest of it that ends last and that the call's model is meant by. */
  readonly rest: {
    readonly reason: string;
    readonly evidence: string;
    /** Null: until a person acts. */
    readonly until: Date | null;
  } | null;
}

interface Row extends Omit<CandidateState, 'rest'> {
  readonly reason: string | null;
  readonly evidence: string;
  readonly until: Date | null;
}

/**
 * The order is that of the function `admit`: the preferred one that is not near a limit, tier, near a limit, preferred,
 * priority, load by weight, the longest unused.
 */
const STATE = {
  name: 'candidate-state',
  text: `select c.id as "accountId", c.tier, q.priority, q.weight, coalesce(s.in_use, 0) as "inUse",
      nullif(q.max_concurrency, 0) as places, d.reason, d.evidence, d.until, exists (
        select from cooldowns d
          where d.account_id = c.id and d.proven_at is null and d.until <= clock_timestamp()
            and d.probe_until > clock_timestamp()
            and (d.model_family is null or d.model_family = c.family)) as probing, n.lean
    from unnest($1::uuid[], $2::integer[], $3::text[]) with ordinality c (id, tier, family, pos)
    join accounts q on q.id = c.id and q.deleted_at is null and q.enabled
    left join account_state s on s.id = c.id
    cross join lateral (select coalesce((s.lean ->> c.family)::bigint
      > floor(extract(epoch from clock_timestamp()) * 1000000)::bigint, false) as lean) n
    left join lateral (
      select d.reason, d.evidence, case when isfinite(d.until) then d.until end as until from cooldowns d
        where d.account_id = c.id and d.until > clock_timestamp()
          and (d.model_family is null or d.model_family = c.family)
          and (d.credentials_version is null or not exists (
            select from account_credentials x
              where x.account_id = d.account_id and x.version > d.credentials_version))
        order by d.until desc limit 1) d on true
    order by (c.id is not distinct from $4::uuid and not n.lean) desc, c.tier, n.lean,
      (c.id is not distinct from $4::uuid) desc, q.priority, coalesce(s.in_use, 0)::float8 / q.weight, coalesce(s.last_used, '-infinity'), c.pos`,
};

export async function stateOfCandidates(
  db: Queryable,
  candidates: readonly Candidate[],
  preferredAccountId: string | undefined,
): Promise<CandidateState[]> {
  const rows = await db.run<Row>(STATE, [
    candidates.map(({ accountId }) => accountId),
    candidates.map(({ tier }) => tier),
    candidates.map(({ modelFamily }) => modelFamily),
    preferredAccountId ?? null,
  ]);
  return rows.map(({ reason, evidence, until, ...row }) => ({
    ...row,
    rest: reason === null ? null : { reason, evidence, until },
  }));
}
