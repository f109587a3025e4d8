import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { requestIdBounds } from '../database/request-id.ts';
import type { Dimension, UsageRow } from './ledger-row.ts';
import type { TimeRange } from './time-range.ts';

/** How each dimension is selected; fixed text, never a caller's. */
const SELECTED: Readonly<Record<Dimension, string>> = {
  key: 'key_id as "keyId"',
  account: 'account_id as "accountId"',
  model: 'model',
  kind: 'kind',
  day: `to_char(hour at time zone 'utc', 'YYYY-MM-DD') as day`,
  hour: `to_char(hour at time zone 'utc', 'YYYY-MM-DD"T"HH24":00:00Z"') as hour`,
  outcome: 'outcome',
};

const SUMS = [
  'attempts',
  'unpriced',
  'estimated',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_5m_tokens',
  'cache_write_1h_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_nanos',
  'spilled',
  'spill_cost_nanos',
];
const GROUP = 'key_id, account_id, kind, model, outcome';
const CALLS = [
  'calls',
  'calls_by_account',
  'calls_by_kind',
  'calls_by_outcome',
  'calls_by_account_outcome',
  'calls_by_kind_outcome',
];

/** Which count of calls fits these dimensions; an account has one kind. */
function callsOf(by: readonly Dimension[]): string {
  const place = by.includes('account') ? '_account' : by.includes('kind') ? '_kind' : '';
  const outcome = by.includes('outcome') ? '_outcome' : '';
  return place + outcome === '' ? 'calls' : `calls_by${place}${outcome}`;
}

/** Sums of the ledger for people and their keeping: by day and hour where they are folded, from the rows elsewhere. */
@Injectable()
export class UsageSumsRepository {
  constructor(private readonly database: DataSource) {}

  /**
   * One row for each combination that occurs, in the order of `by`; without dimensions one row of sums. Whole days are
   * read from the days, whole hours from the hours, and what is touched or cut from the ledger; of months whose rows
   * were dropped, every hour that begins in the range.
   */
  usage(
    range: TimeRange,
    by: readonly Dimension[],
    keyId: string | undefined,
    limit: number,
  ): Promise<UsageRow[]> {
    const places = by.map((_, index) => index + 1).join(', ');
    const columns = `hour, ${GROUP}, ${callsOf(by)} as requests, ${SUMS.join(', ')}`;
    const byDay = by.includes('hour') ? 'false' : 'true';
    return this.database.query<UsageRow[]>(
      `with bounds as (
         select $1::timestamptz as since, $2::timestamptz as until,
                coalesce((select value::timestamptz from settings where name = 'ledger-dropped-until'),
                         '-infinity') as dropped
       ), raw_hours as materialized (
         select distinct t.hour from usage_touched t, bounds b
           where t.hour > b.since - interval '1 hour' and t.hour < b.until and t.hour >= b.dropped
         union select date_trunc('hour', edge, 'UTC') from bounds b cross join lateral (values (b.since), (b.until)) e (edge)
           where edge > date_trunc('hour', edge, 'UTC') and date_trunc('hour', edge, 'UTC') >= b.dropped
       ), days as materialized (
         select day, ${byDay} and day >= b.since and day + interval '24 hours' <= b.until and not exists (
                  select from raw_hours r where r.hour >= day and r.hour < day + interval '24 hours') as whole
           from bounds b cross join lateral
             generate_series(date_trunc('day', b.since, 'UTC'), b.until, interval '24 hours') day
       ), parts as (
         select ${columns} from usage_days where hour in (select day from days where whole)
           and hour >= $1 and hour < $2 and ($3::uuid is null or key_id = $3)
         union all
         select x.* from days d cross join lateral (
           select ${columns} from usage_hours where hour >= d.day and hour < d.day + interval '24 hours'
             and hour >= $1 and hour < $2 and ($3::uuid is null or key_id = $3)
             and hour not in (select hour from raw_hours)) x
           where not d.whole
         union all
         select x.* from raw_hours r cross join lateral (
           select ${columns} from counted_attempts c
             where c.admitted_at >= greatest(r.hour, $1) and c.admitted_at < least(r.hour + interval '1 hour', $2)
               and c.request_id >= uuidv7_floor(r.hour - interval '1 hour')
               and c.request_id < uuidv7_floor(r.hour + interval '2 hours')
               and ($3::uuid is null or c.key_id = $3)) x
         union all
         select ${columns} from counted_attempts
           where request_id < uuidv7_floor(greatest((select dropped from bounds), '1970-01-01Z'))
             and admitted_at >= $1 and admitted_at < least($2, (select dropped from bounds))
             and ($3::uuid is null or key_id = $3)
       ), sums as (
         select ${by.map((dimension) => `${SELECTED[dimension]},`).join(' ')}
           coalesce(sum(requests), 0) as requests, coalesce(sum(attempts), 0) as attempts,
           coalesce(sum(input_tokens), 0) as "inputTokens",
           coalesce(sum(cache_read_tokens), 0) as "cacheReadTokens",
           coalesce(sum(cache_write_5m_tokens), 0) as "cacheWrite5mTokens",
           coalesce(sum(cache_write_1h_tokens), 0) as "cacheWrite1hTokens",
           coalesce(sum(output_tokens), 0) as "outputTokens",
           coalesce(sum(reasoning_tokens), 0) as "reasoningTokens",
           coalesce(sum(cost_nanos), 0) as "costNanos",
           coalesce(sum(unpriced), 0) as unpriced, coalesce(sum(estimated), 0) as estimated,
           coalesce(sum(spilled), 0) as spilled, coalesce(sum(spill_cost_nanos), 0) as "spillCostNanos"
         from parts
         ${places === '' ? '' : `group by ${places} order by ${places}`}
         limit $4)
       select sums.* ${by.includes('key') ? ', k.name as "keyName"' : ''}
         ${by.includes('account') ? ', a.name as "accountName"' : ''}
       from sums
         ${by.includes('key') ? 'left join api_keys k on k.id = sums."keyId"' : ''}
         ${by.includes('account') ? 'left join accounts a on a.id = sums."accountId"' : ''}
       ${places === '' ? '' : `order by ${places}`}`,
      [range.from, range.to, keyId ?? null, limit],
    );
  }

  /**
   * Takes the marks of up to `most` hours, newest first, and sums these hours and their days anew, in one snapshot: what
   * is committed meanwhile leaves a mark that stays. Answers how many hours; 0 also while another replica folds.
   */
  fold(most: number): Promise<number> {
    return this.database.transaction('REPEATABLE READ', async (tx) => {
      const [lock] = await tx.query<{ mine: boolean }[]>(
        `select pg_try_advisory_xact_lock(hashtextextended('llm-relay usage rollups', 0)) as mine`,
      );
      if (lock?.mine !== true) return 0;
      const hours = await tx.query<{ hour: Date; kept: boolean }[]>(
        `select hour, hour >= coalesce((select value::timestamptz from settings
                                          where name = 'ledger-dropped-until'), '-infinity') as kept
           from usage_touched group by hour order by hour desc limit $1`,
        [most],
      );
      const days = new Map<number, Date>();
      for (const { hour, kept } of hours) {
        await tx.query('delete from usage_touched where hour = $1', [hour]);
        if (!kept) continue;
        await tx.query('delete from usage_hours where hour = $1', [hour]);
        const end = new Date(hour.getTime() + 3_600_000);
        const ids = requestIdBounds(hour, end);
        await tx.query(
          `insert into usage_hours (hour, ${GROUP}, ${[...CALLS, ...SUMS].join(', ')})
             select $1, ${GROUP}, ${[...CALLS, ...SUMS].map((sum) => `sum(${sum})`).join(', ')}
             from counted_attempts
             where admitted_at >= $1 and admitted_at < $2 and request_id >= $3 and request_id < $4
             group by ${GROUP}`,
          [hour, end, ids.from, ids.to],
        );
        const day = Math.floor(hour.getTime() / 86_400_000) * 86_400_000;
        days.set(day, new Date(day));
      }
      for (const day of days.values()) {
        await tx.query('delete from usage_days where hour = $1', [day]);
        await tx.query(
          `insert into usage_days (hour, ${GROUP}, ${[...CALLS, ...SUMS].join(', ')})
             select $1, ${GROUP}, ${[...CALLS, ...SUMS].map((sum) => `sum(${sum})`).join(', ')}
             from usage_hours where hour >= $1 and hour < $2 group by ${GROUP}`,
          [day, new Date(day.getTime() + 86_400_000)],
        );
      }
      return hours.length;
    });
  }
}
