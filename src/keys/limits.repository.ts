import type { EntityManager } from 'typeorm';
import type { Limits } from './limits.ts';
import type { Holder } from './standing.ts';

type Database = Pick<EntityManager, 'query'>;

/** Columns that hold limits, in the order of {@link limitParameters}. */
export const LIMIT_COLUMNS = [
  'requests_per_minute',
  'tokens_per_minute',
  'max_concurrency',
  'budget_day_nanos',
  'budget_month_nanos',
  'budget_total_nanos',
] as const;

export function limitParameters({ budgets, ...limits }: Limits): unknown[] {
  const { requestsPerMinute, tokensPerMinute, concurrency } = limits;
  return [requestsPerMinute, tokensPerMinute, concurrency, budgets.day, budgets.month, budgets.total];
}

/** The limits of a row of `api_keys` or `teams`, as {@link Limits}. */
export function limitsOf(row: 'k' | 'm'): string {
  return `jsonb_build_object(
    'requestsPerMinute', ${row}.requests_per_minute, 'tokensPerMinute', ${row}.tokens_per_minute,
    'concurrency', ${row}.max_concurrency, 'budgets', jsonb_build_object(
      'day', ${row}.budget_day_nanos::text, 'month', ${row}.budget_month_nanos::text,
      'total', ${row}.budget_total_nanos::text)) as limits`;
}

const MOMENT = `(select now, (now at time zone 'UTC')::date as today,
    date_trunc('month', now at time zone 'UTC')::date as month from (select clock_timestamp() as now) c) t`;

const HOLDER = (row: 'k' | 'm'): string => `${row}.name, ${limitsOf(row)}, coalesce(s.in_use, 0) as "inUse",
  floor(extract(epoch from t.now) * 1000000)::bigint as now,
  coalesce(s.tat, 0) as tat, coalesce(s.tok_tat, 0) as "tokTat", coalesce(s.tok_held, 0) as "tokHeld",
  coalesce(s.held, 0) as held,
  jsonb_build_object(
    'day', (case when s.day >= t.today then s.day_used else 0 end)::text,
    'month', (case when s.month >= t.month then s.month_used else 0 end)::text,
    'total', coalesce(s.total_used, 0)::text) as used,
  (t.today + 1)::timestamp at time zone 'UTC' as "dayEnds",
  (t.month + interval '1 month') at time zone 'UTC' as "monthEnds"`;

interface HolderRow extends Omit<Holder, 'ends'> {
  readonly dayEnds: Date;
  readonly monthEnds: Date;
}

/** The key, its team, the team above that, and so on; empty when there is no such key. */
export async function holdersOfKey(database: Database, keyId: string): Promise<Holder[]> {
  const rows = await database.query<HolderRow[]>(
    `select 0 as pos, ${HOLDER('k')}
       from api_keys k left join key_state s on s.id = k.id cross join ${MOMENT}
       where k.id = $1
     union all
     select p.pos, ${HOLDER('m')}
       from api_keys k join teams own on own.id = k.team_id
         cross join lateral unnest(own.path) with ordinality p (id, pos)
         join teams m on m.id = p.id left join team_state s on s.id = m.id cross join ${MOMENT}
       where k.id = $1
     order by pos`,
    [keyId],
  );
  return rows.map(holder);
}

export async function holderOfTeam(database: Database, teamId: string): Promise<Holder | undefined> {
  const rows = await database.query<HolderRow[]>(
    `select ${HOLDER('m')} from teams m left join team_state s on s.id = m.id cross join ${MOMENT}
       where m.id = $1 and m.deleted_at is null`,
    [teamId],
  );
  return rows.map(holder)[0];
}

function holder({ dayEnds, monthEnds, ...row }: HolderRow): Holder {
  return { ...row, ends: { day: dayEnds, month: monthEnds } };
}
