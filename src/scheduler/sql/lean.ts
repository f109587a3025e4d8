import type { Queryable } from '../../database/statement.ts';

/** Ends by family in µs of the database's clock; those that are over are left out, and so are all when they are too many. */
const MARK = {
  name: 'mark-lean',
  text: `update account_state s
    set lean = case when (select count(*) from jsonb_object_keys(x.kept)) < 50 then x.kept else '{}' end
      || jsonb_build_object($2::text, greatest((x.kept ->> $2::text)::bigint, x.now + $3::bigint * 1000))
    from (select t.id, t.now, coalesce(jsonb_object_agg(e.key, e.value) filter (where e.value::bigint > t.now), '{}') as kept
            from (select id, lean, floor(extract(epoch from clock_timestamp()) * 1000000)::bigint as now
                    from account_state where id = $1 for no key update) t
            left join lateral jsonb_each_text(t.lean) e on true group by t.id, t.now) x
    where s.id = x.id`,
};

/** The account is near a limit of this model family: for so long, others are chosen before it. */
export async function markLean(
  db: Queryable,
  accountId: string,
  family: string,
  forMs: number,
): Promise<void> {
  await db.run(MARK, [accountId, family, Math.ceil(forMs)]);
}
