import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

export interface AuditRow {
  readonly id: string;
  /** ISO 8601 UTC, to the microsecond. */
  readonly position: string;
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly resourceId: string;
  readonly before: Record<string, unknown> | null;
  readonly after: Record<string, unknown> | null;
}

@Injectable()
export class AuditRepository {
  constructor(private readonly database: DataSource) {}

  /** Newest first, behind (`at`, `id`) if given. */
  list(behind: readonly string[] | undefined, limit: number): Promise<AuditRow[]> {
    return this.database.query<AuditRow[]>(
      `select id, at, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as position,
              actor, action, resource, resource_id as "resourceId", before, after
         from audit_log
        where $1::timestamptz is null or (at, id) < ($1, $2::uuid)
        order by at desc, id desc limit $3`,
      [behind?.[0] ?? null, behind?.[1] ?? null, limit],
    );
  }
}
