import pg from 'pg';
import { v7 } from 'uuid';
import { withSessionSettings } from '../src/database/session-settings.ts';

export interface LedgerSize {
  readonly rows: number;
  /** Up to this month, with it. */
  readonly months: number;
  readonly keys: number;
  readonly accounts: number;
}

/** What was made, each in the order of its ids. The first keys and accounts have the most attempts. */
export interface Filled {
  readonly keys: readonly string[];
  readonly accounts: readonly string[];
}

const TEAMS = 20;

/** An attempt's row in its number `n`; one call in a hundred has two, and few keys and accounts have most of them. */
const ROWS = `
  insert into %TABLE% (request_id, attempt, admitted_at, settled_at, epoch, key_id, account_id, lane, door, kind, model,
      upstream_model, stream, outcome, status, input_tokens, cache_read_tokens, cache_write_5m_tokens, output_tokens,
      cost_nanos, price_id, first_byte_ms, duration_ms, upstream_request_id, client_request_id, teams, decision)
    select (lpad(to_hex(floor(r.ms)::bigint), 12, '0') || '7' || left(r.hash, 3) || '8' || substr(r.hash, 4, 15))::uuid,
           1 + r.again, to_timestamp(r.ms / 1000), to_timestamp(r.ms / 1000 + 9), $4, k.id, a.id, 'generate', 'claude',
           'claude', 'claude-' || r.call % 3, 'claude-' || r.call % 3, true,
           case when g.n % 100 = 98 then 'failed' when g.n % 1000 < 20 then 'client-left' else 'completed' end,
           200, 900 + g.n % 997, 40000, 2000, 300 + g.n % 1009, 30000000 + g.n % 10007 * 1000, 1, 800, 9000,
           'req_' || r.hash, r.hash, k.teams,
           '{"affinity":{"source":"claude-code","result":"hit"},"waitedMs":0}'
      from generate_series($1::bigint, $2::bigint - 1) g (n)
      cross join lateral (select g.n - (g.n % 100 = 99)::integer as call, (g.n % 100 = 99)::integer as again) c
      cross join lateral (
        select c.call, c.again, md5(c.call::text) as hash,
               $3::float8 + $5::float8 * (c.call - $1::bigint) / ($2::bigint - $1::bigint) as ms,
               floor(power(hashint8(c.call)::float8 / 4294967296 + 0.5, 3) * $6)::integer as key) r
      join bench_keys k on k.n = r.key
      join bench_accounts a on a.n = (r.key * 7 + (g.n % 5 = 4)::integer) % $7`;

/**
 * An empty, migrated database becomes one that has served for months: partitions as the relay makes them, indexes, sums
 * and counters of keys and teams, so that the proof finds nothing.
 */
export async function fillLedger(
  url: string,
  size: LedgerSize,
  tell: (sentence: string) => void,
): Promise<Filled> {
  const settings = {
    statement_timeout: '0',
    synchronous_commit: 'off',
    work_mem: '512MB',
    hash_mem_multiplier: '2',
    maintenance_work_mem: '512MB',
  };
  const sql = new pg.Client(withSessionSettings(url, settings));
  await sql.connect();
  const started = Date.now();
  const say = (what: string): void => tell(`${((Date.now() - started) / 1_000).toFixed(0)} s: ${what}`);
  try {
    const filled = await fillSettings(sql, size);
    if (size.rows > 0) {
      for (let month = size.months - 1; month >= 0; month -= 1) await fillMonth(sql, size, month);
      say(`${size.rows} rows in ${size.months} months`);
      await sql.query('analyze ledger');
      await sum(sql);
      say('summed');
    }
    await sql.query(COUNTERS);
    await sql.query('vacuum analyze');
    say('counters and statistics');
    return filled;
  } finally {
    await sql.end();
  }
}

async function fillSettings(sql: pg.Client, { keys, accounts }: LedgerSize): Promise<Filled> {
  const ids = (length: number): string[] => Array.from({ length }, () => v7()).sort();
  const made = { keys: ids(keys), accounts: ids(accounts), teams: ids(TEAMS) };
  await sql.query(
    `insert into accounts (id, version, name, kind, max_concurrency)
       select id, 1, id::text, 'claude', 100000 from unnest($1::uuid[]) id`,
    [made.accounts],
  );
  await sql.query(
    `insert into teams (id, version, name, path) select id, 1, id::text, array[id] from unnest($1::uuid[]) id`,
    [made.teams],
  );
  await sql.query(
    `insert into api_keys (id, version, name, scopes, models)
       select id, 1, 'key ' || n, '{claude}', '{*}' from unnest($1::uuid[]) with ordinality k (id, n)`,
    [made.keys],
  );
  await sql.query(
    `insert into api_key_secrets (digest, key_id, prefix) select sha256(id::text::bytea), id, 'rk_bench' from api_keys`,
  );
  await sql.query(
    `create temporary table bench_keys as
       select (n - 1)::integer as n, id,
              case when n % 2 = 0 then array[($2::uuid[])[1 + n % cardinality($2::uuid[])]] else '{}' end as teams
         from unnest($1::uuid[]) with ordinality k (id, n)`,
    [made.keys, made.teams],
  );
  await sql.query(
    `create temporary table bench_accounts as
       select (n - 1)::integer as n, id from unnest($1::uuid[]) with ordinality a (id, n)`,
    [made.accounts],
  );
  return made;
}

/** A month's partition, made and filled apart and attached with its indexes; the last one ends now. */
async function fillMonth(sql: pg.Client, size: LedgerSize, ago: number): Promise<void> {
  const now = new Date();
  const from = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - ago);
  const end = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - ago + 1);
  const until = Math.min(end, now.getTime() - 60_000);
  const name = `ledger_${new Date(from).toISOString().slice(0, 7).replace('-', '_')}`;
  const share = (at: number): number => Math.round((size.rows * at) / size.months);
  const [first, last] = [share(size.months - 1 - ago), share(size.months - ago)];
  await sql.query(`drop table if exists ${name}`);
  await sql.query(`create table ${name} (like ledger including defaults including constraints)`);
  await sql.query(ROWS.replace('%TABLE%', name), [
    first,
    last,
    from,
    v7(),
    until - from,
    size.keys,
    size.accounts,
  ]);
  await sql.query(`alter table ${name} add primary key (request_id, attempt)`);
  await sql.query(`create index on ${name} (admitted_at)`);
  await sql.query(`create index on ${name} (key_id, admitted_at)`);
  await sql.query(`create index on ${name} (kind, model) where cost_nanos is null`);
  const bounds = await sql.query<{ low: string; high: string }>(
    'select uuidv7_floor(to_timestamp($1)) as low, uuidv7_floor(to_timestamp($2)) as high',
    [from / 1_000, end / 1_000],
  );
  const { low, high } = bounds.rows[0] ?? { low: '', high: '' };
  await sql.query(`alter table ledger attach partition ${name} for values from ('${low}') to ('${high}')`);
}

/** What folding would make of it in the end; hour by hour it would take hours. */
async function sum(sql: pg.Client): Promise<void> {
  const { rows } = await sql.query<{ name: string }>(
    `select column_name as name from information_schema.columns where table_name = 'usage_hours'
       and data_type in ('bigint', 'numeric') order by 1`,
  );
  const names = rows.map(({ name }) => name);
  const sums = names.map((name) => `sum(${name})`).join(', ');
  const group = 'key_id, account_id, kind, model, outcome';
  const usage = `hour, ${group}, ${names.join(', ')}`;
  await sql.query(`
    insert into usage_hours (${usage}) select hour, ${group}, ${sums} from counted_attempts group by hour, ${group};
    insert into usage_days (${usage})
      select date_trunc('day', hour, 'UTC'), ${group}, ${sums} from usage_hours group by 1, ${group};
    insert into charged_hours (hour, holder, nanos)
      select date_trunc('hour', admitted_at, 'UTC'), holder, sum(nanos) from charged_attempts group by 1, 2;
    insert into charged_days (day, holder, nanos)
      select (hour at time zone 'UTC')::date, holder, sum(nanos) from charged_hours group by 1, 2;
    insert into charged_months (month, holder, nanos)
      select date_trunc('month', day::timestamp)::date, holder, sum(nanos) from charged_days group by 1, 2;
  `);
}

/** Rows of state are there for whoever was ever admitted; what was used is what the ledger says. */
const COUNTERS = `
  insert into account_state (id) select id from accounts on conflict do nothing;
  insert into key_state (id) select id from api_keys order by id on conflict do nothing;
  insert into team_state (id) select id from teams order by id on conflict do nothing;
  create temporary table bench_used as
    with today as (select (now() at time zone 'UTC')::date as day,
                          date_trunc('month', now() at time zone 'UTC')::date as month)
    select p.holder, t.day, t.month, sum(p.nanos) as total,
           coalesce(sum(p.nanos) filter (where p.day = t.day), 0) as on_day,
           coalesce(sum(p.nanos) filter (where p.day >= t.month), 0) as in_month
      from charged_parts p, today t group by 1, 2, 3;
  ${['key', 'team']
    .map(
      (holder) => `
    update ${holder}_state s
      set day = u.day, day_used = u.on_day, month = u.month, month_used = u.in_month, total_used = u.total
      from bench_used u where u.holder = s.id;`,
    )
    .join('')}`;
