import type { Queryable } from '../../database/statement.ts';

/**
 * What keeps rows that are dead from being removed: a snapshot, or an id of its own (PostgreSQL, "Routine Vacuuming").
 * Of other roles' sessions a role without `pg_read_all_stats` sees nothing; prepared transactions everybody sees.
 */
const OLDEST = {
  name: 'oldest-transaction',
  text: `select coalesce(max(extract(epoch from clock_timestamp() - since)), 0)::float8 as seconds from (
    select xact_start as since from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_type <> 'autovacuum worker'
        and (backend_xmin is not null or backend_xid is not null)
    union all select prepared from pg_prepared_xacts where database = current_database()) held`,
};

/** Age in seconds of the oldest transaction of this database, of any session; 0: there is none. */
export async function oldestTransaction(db: Queryable): Promise<number> {
  const [row] = await db.run<{ seconds: number }>(OLDEST, []);
  return row?.seconds ?? 0;
}
