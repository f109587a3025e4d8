import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { requestIdBounds } from '../database/request-id.ts';
import type { RestQuestion } from './choice-moments.ts';
import type { AttemptRow, DecisionRow, RestRow, SupersededRow } from './ledger-row.ts';
import type { TimeRange } from './time-range.ts';

export interface RequestFilter {
  readonly keyId?: string;
  readonly accountId?: string;
  readonly model?: string;
  readonly outcome?: string;
}

export interface KnownAccount {
  readonly name: string;
  readonly kind: string;
}

const TOKENS = `
  input_tokens as "inputTokens", cache_read_tokens as "cacheReadTokens",
  cache_write_5m_tokens as "cacheWrite5mTokens", cache_write_1h_tokens as "cacheWrite1hTokens",
  output_tokens as "outputTokens", reasoning_tokens as "reasoningTokens", server_tools as "serverTools"`;

/** Reads of the ledger for people. Every range is asked for twice: of the ids, which lets partitions be skipped, and of the time. */
@Injectable()
export class LedgerRepository {
  constructor(private readonly database: DataSource) {}

  /** Ids of calls with an attempt that matches, newest first, below `before`. An open attempt's outcome is `open`. */
  async requestIds(
    range: TimeRange,
    filter: RequestFilter,
    before: string | undefined,
    limit: number,
  ): Promise<string[]> {
    const ids = requestIdBounds(range.from, range.to);
    const rows = await this.database.query<{ id: string }[]>(
      `select request_id as id from (
         (select request_id from ledger
            where request_id >= $1 and request_id < least($2, $5::uuid)
              and admitted_at >= $3 and admitted_at < $4
              and ($6::uuid is null or key_id = $6) and ($7::uuid is null or account_id = $7)
              and ($8::text is null or model = $8) and ($9::text is null or outcome = $9)
            group by request_id order by request_id desc limit $10)
         union
         (select request_id from open_calls
            where request_id >= $1 and request_id < least($2, $5::uuid) and at >= $3 and at < $4
              and ($6::uuid is null or key_id = $6) and ($7::uuid is null or account_id = $7)
              and ($8::text is null or model = $8) and ($9::text is null or $9 = 'open')
            order by request_id desc limit $10)
       ) found order by request_id desc limit $10`,
      [
        ids.from,
        ids.to,
        range.from,
        range.to,
        before ?? null,
        filter.keyId ?? null,
        filter.accountId ?? null,
        filter.model ?? null,
        filter.outcome ?? null,
        limit,
      ],
    );
    return rows.map((row) => row.id);
  }

  /** All attempts of these calls in one reading, so that one settled meanwhile is not seen twice or never. */
  attempts(requestIds: readonly string[]): Promise<AttemptRow[]> {
    return this.database.query<AttemptRow[]>(
      `select l.*, k.name as "keyName", a.name as "accountName" from (
         select request_id as "requestId", attempt, admitted_at as "admittedAt", settled_at as "settledAt",
           key_id as "keyId", account_id as "accountId", lane, door, kind, model, upstream_model as "upstreamModel",
           stream, outcome, status, reason, ${TOKENS}, estimated, suspicious, cost_nanos as "costNanos",
           price_id as "priceId", first_byte_ms as "firstByteMs", duration_ms as "durationMs",
           upstream_request_id as "upstreamRequestId", client_request_id as "clientRequestId", revision,
           least(coalesce(cost_nanos, charged_nanos, 0), 1000000000000000) as "chargedNanos"
         from ledger where request_id = any ($1::uuid[])
         union all
         select request_id, attempt, at, null, key_id, account_id, lane, door, kind, model, null,
           null, 'open', null, null, 0, 0, 0, 0, 0, 0, null, false, false, null,
           null, null, null, null, client_request_id, 0, null
         from open_calls where request_id = any ($1::uuid[])
       ) l
       left join api_keys k on k.id = l."keyId"
       left join accounts a on a.id = l."accountId"
       order by l."requestId" desc, l.attempt`,
      [requestIds],
    );
  }

  /** Of the settled attempts of one call. */
  decisions(requestId: string): Promise<DecisionRow[]> {
    return this.database.query<DecisionRow[]>('select attempt, decision from ledger where request_id = $1', [
      requestId,
    ]);
  }

  /** What the attempts of one call were booked with before they were corrected, oldest first. */
  superseded(requestId: string): Promise<SupersededRow[]> {
    return this.database.query<SupersededRow[]>(
      `select attempt, revision, superseded_at as "supersededAt",
         booked || jsonb_build_object('cost_nanos', booked ->> 'cost_nanos', 'charged_nanos',
           least(coalesce(booked ->> 'cost_nanos', booked ->> 'charged_nanos', '0')::bigint,
             1000000000000000)::text) as booked
       from ledger_superseded where request_id = $1 order by attempt, revision`,
      [requestId],
    );
  }

  /**
   * Cooldowns are kept for a day after their end, unless somebody clears them or edits the account, which is in the
   * audit log. One that waits for newer credentials ended when these came.
   */
  rests(questions: readonly RestQuestion[]): Promise<RestRow[]> {
    return this.database.query<RestRow[]>(
      `select x.attempt, x.account as "accountId", d.rest,
         x.family is not null and x.at > clock_timestamp() - interval '1 day' and not exists (
           select from audit_log l where l.at > x.at and l.resource_id = x.account::text) as whole
         from unnest($1::integer[], $2::uuid[], $3::text[], $4::timestamptz[]) x (attempt, account, family, at)
         cross join lateral (
           select case when bool_or(d.until = 'infinity') then 'parked' when count(*) > 0 then 'cooling' end as rest
             from cooldowns d left join account_credentials c using (account_id)
             where d.account_id = x.account and (d.model_family is null or d.model_family = x.family)
               and d.created_at < x.at + interval '1 millisecond' and d.until > x.at
               and (d.credentials_version is null or c.version <= d.credentials_version
                 or (c.version = d.credentials_version + 1 and c.updated_at > x.at))) d`,
      [
        questions.map(({ attempt }) => attempt),
        questions.map(({ accountId }) => accountId),
        questions.map(({ family }) => family),
        questions.map(({ at }) => at),
      ],
    );
  }

  /** Deleted ones have theirs, too. */
  async accountNames(ids: readonly string[]): Promise<ReadonlyMap<string, KnownAccount>> {
    const rows = await this.database.query<(KnownAccount & { readonly id: string })[]>(
      'select id, name, kind from accounts where id = any ($1::uuid[])',
      [ids],
    );
    return new Map(rows.map(({ id, ...account }) => [id, account]));
  }
}
