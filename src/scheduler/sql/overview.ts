import type { Queryable } from '../../database/statement.ts';

/** Open calls of one key on one account. */
export interface LeaseGroup {
  readonly keyId: string;
  readonly keyName: string | null;
  readonly accountId: string;
  readonly accountName: string | null;
  readonly lane: string;
  readonly calls: number;
  readonly oldestMs: number;
}

export interface OpenLeases {
  readonly calls: number;
  /** The largest, at most so many as were asked for. */
  readonly groups: readonly LeaseGroup[];
}

/**
 * `alive`; `silent`: without a beat for longer than a replica may be, and not yet marked; `dead`: marked so by another;
 * `closed`: it ended by itself.
 */
export interface ReplicaState {
  readonly epoch: string;
  readonly host: string | null;
  readonly state: 'alive' | 'silent' | 'dead' | 'closed';
  /** The replica that answers. */
  readonly self: boolean;
  readonly startedAt: Date;
  readonly lastBeatAt: Date;
  readonly endedAt: Date | null;
  /** Open calls; those of one that has ended are still to be swept. */
  readonly calls: number;
}

const LEASES = {
  name: 'open-leases',
  text: `with groups as (
      select key_id, account_id, lane, count(*)::integer as calls, min(at) as oldest from open_calls group by 1, 2, 3
    ), largest as (
      select * from groups order by calls desc, oldest limit $1
    )
    select (select coalesce(sum(calls), 0)::integer from groups) as calls, coalesce((
      select jsonb_agg(jsonb_build_object(
          'keyId', g.key_id, 'keyName', k.name, 'accountId', g.account_id, 'accountName', a.name, 'lane', g.lane,
          'calls', g.calls, 'oldestMs', greatest(0, floor(extract(epoch from clock_timestamp() - g.oldest) * 1000))
        ) order by g.calls desc, g.oldest)
        from largest g left join api_keys k on k.id = g.key_id left join accounts a on a.id = g.account_id
      ), '[]') as groups`,
};

const REPLICAS = {
  name: 'replica-states',
  text: `with open as (select epoch, count(*)::integer as calls from open_calls group by epoch)
    select r.epoch, r.host, r.started_at as "startedAt", r.beat as "lastBeatAt", coalesce(o.calls, 0) as calls,
        coalesce(r.closed_at, r.dead_at) as "endedAt", r.epoch is not distinct from $2::uuid as self,
        case when r.dead_at is not null then 'dead' when r.closed_at is not null then 'closed'
             when r.beat < clock_timestamp() - $1::integer * interval '1 millisecond' then 'silent'
             else 'alive' end as state
      from replicas r left join open o using (epoch)
      where coalesce(r.closed_at, r.dead_at) is null or o.epoch is not null
        or coalesce(r.closed_at, r.dead_at) > clock_timestamp() - interval '1 hour'
      order by "endedAt" desc nulls first, r.started_at desc limit 200`,
};

const KEY_NAMES = {
  name: 'key-names',
  text: 'select id, name from api_keys where id = any ($1::uuid[])',
};

export async function keyNames(db: Queryable, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows = await db.run<{ id: string; name: string }>(KEY_NAMES, [ids]);
  return new Map(rows.map(({ id, name }) => [id, name]));
}

export async function openLeases(db: Queryable, most: number): Promise<OpenLeases> {
  const [row] = await db.run<OpenLeases>(LEASES, [most]);
  return row ?? { calls: 0, groups: [] };
}

export function replicaStates(
  db: Queryable,
  ttlMs: number,
  self: string | undefined,
): Promise<ReplicaState[]> {
  return db.run<ReplicaState>(REPLICAS, [ttlMs, self ?? null]);
}
