import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { requestIdBounds } from '../database/request-id.ts';
import type { UnpricedRow } from './ledger-row.ts';
import type { TimeRange } from './time-range.ts';

/** Where a reading of unpriced rows goes on: behind this row. */
export interface LedgerPosition {
  readonly requestId: string;
  readonly attempt: number;
}

export interface PricedRow extends LedgerPosition {
  readonly costNanos: bigint;
  readonly priceId: string | null;
}

/** The only writes to settled rows: a cost where there was none. */
@Injectable()
export class UnpricedRepository {
  constructor(private readonly database: DataSource) {}

  read(range: TimeRange, behind: LedgerPosition | undefined, limit: number): Promise<UnpricedRow[]> {
    const ids = requestIdBounds(range.from, range.to);
    return this.database.query<UnpricedRow[]>(
      `select request_id as "requestId", attempt, admitted_at as "admittedAt", kind,
         upstream_model as "upstreamModel", input_tokens as "inputTokens", cache_read_tokens as "cacheReadTokens",
         cache_write_5m_tokens as "cacheWrite5mTokens", cache_write_1h_tokens as "cacheWrite1hTokens",
         output_tokens as "outputTokens", reasoning_tokens as "reasoningTokens", server_tools as "serverTools"
       from ledger
       where cost_nanos is null and request_id >= $1 and request_id < $2 and admitted_at >= $3 and admitted_at < $4
         and ($5::uuid is null or (request_id, attempt) > ($5, $6))
       order by request_id, attempt limit $7`,
      [ids.from, ids.to, range.from, range.to, behind?.requestId ?? null, behind?.attempt ?? 0, limit],
    );
  }

  /**
   * Answers how many were still without a cost; their keys and teams are charged what they cost now in place of
   * what was charged meanwhile. Rows must
   * be in the order they were read in. They are locked first, by their ids, as settlements lock those that they correct:
   * an update by itself takes them in whatever order its plan reads them.
   */
  async price(tx: EntityManager, rows: readonly PricedRow[]): Promise<number> {
    const ids = [rows.map((row) => row.requestId), rows.map((row) => row.attempt)];
    const bounds = [rows[0]?.requestId, rows.at(-1)?.requestId];
    await tx.query(
      `select from ledger l join unnest($1::uuid[], $2::smallint[]) x (id, attempt)
           on l.request_id = x.id and l.attempt = x.attempt
         where l.request_id >= $3 and l.request_id <= $4
         order by l.request_id, l.attempt for no key update of l`,
      [...ids, ...bounds],
    );
    const [done] = await tx.query<{ readonly priced: number }[]>(
      `with priced as (
         update ledger l set cost_nanos = x.cost, price_id = x.price
         from unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[]) x (id, attempt, cost, price)
         where l.request_id = x.id and l.attempt = x.attempt and l.cost_nanos is null
           and l.request_id >= $5 and l.request_id <= $6
         returning l.key_id as key, (l.admitted_at at time zone 'UTC')::date as day,
           least(l.cost_nanos, 1000000000000000) - least(coalesce(l.charged_nanos, 0), 1000000000000000) as nanos, l.teams::text as teams
       )
       select count(*)::integer as priced,
         case when count(*) > 0 then release_calls(null, null, null, null, null, null, null,
           array_agg(key), array_agg(day), array_agg(nanos), array_agg(0::bigint), array_agg(teams)) end
       from priced`,
      [...ids, rows.map((row) => String(row.costNanos)), rows.map((row) => row.priceId), ...bounds],
    );
    return done?.priced ?? 0;
  }
}
