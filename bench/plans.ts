import pg from 'pg';
import type { DataSource } from 'typeorm';
import type { Queryable } from '../src/database/statement.ts';
import { checkCounters } from '../src/scheduler/sql/counters.ts';
import type { Dimension } from '../src/usage/ledger-row.ts';
import { LedgerRepository, type RequestFilter } from '../src/usage/ledger.repository.ts';
import type { TimeRange } from '../src/usage/time-range.ts';
import { UnpricedRepository } from '../src/usage/unpriced.repository.ts';
import { UsageSumsRepository } from '../src/usage/usage-sums.repository.ts';
import type { Filled } from './full-ledger.ts';

/** A question to the ledger, and how Postgres answered it. */
interface Plan {
  readonly lines: readonly string[];
  readonly ms: number;
  /** Pages of 8 KiB that were looked at. */
  readonly pages: number;
  /** How a relation was read and how often, where it was. */
  readonly scans: ReadonlyMap<string, number>;
}

const DAY_MS = 86_400_000;
const PAGE = 51;
const MOST_ROWS = 10_001;

/** Takes a repository's statements and answers none of them: what is wanted is how they are carried out. */
class Explained {
  readonly plans: Plan[] = [];

  constructor(private readonly sql: pg.Client) {}

  async query(text: string, values: readonly unknown[] = []): Promise<never[]> {
    const { rows } = await this.sql.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers) ${text}`, [
      ...values,
    ]);
    this.plans.push(planOf(rows.map((row) => row['QUERY PLAN'])));
    return [];
  }
}

function planOf(lines: readonly string[]): Plan {
  const ms = lines
    .map((line) => /^(?:Planning|Execution) Time: ([\d.]+) ms/.exec(line)?.[1] ?? 0)
    .map(Number);
  const buffers = lines.find((line) => /^\s*Buffers: /.test(line)) ?? '';
  const pages = [...buffers.matchAll(/(?:hit|read)=(\d+)/g)].map(([, count]) => Number(count));
  const scans = new Map<string, number>();
  for (const line of lines) {
    const [, how, relation = ''] =
      /-> *(?:Parallel )?((?:Seq|Index|Index Only|Bitmap Heap) Scan)(?: Backward)?(?: using \S+)? on (\S+)/.exec(
        line,
      ) ?? [];
    if (how === undefined || line.includes('never executed')) continue;
    const scan = `${how.toLowerCase()} on ${relation.replace(/_\d{4}_\d\d\S*|_default\S*/, ' (each month)')}`;
    scans.set(scan, (scans.get(scan) ?? 0) + 1);
  }
  const sum = (figures: readonly number[]): number => figures.reduce((total, figure) => total + figure, 0);
  return { lines, ms: sum(ms), pages: sum(pages), scans };
}

/** Everything people ask of the ledger over REST, as the relay asks it. Tells each plan in short, or whole. */
export async function tellPlans(
  url: string,
  filled: Filled,
  whole: boolean,
  tell: (line: string) => void,
): Promise<void> {
  const sql = new pg.Client(url);
  await sql.connect();
  try {
    for (const [name, ask] of questions(filled)) {
      const explained = new Explained(sql);
      await ask(explained);
      for (const { ms, pages, scans, lines } of explained.plans) {
        tell(`${name.padEnd(44)} ${ms.toFixed(0).padStart(7)} ms ${String(pages).padStart(9)} pages`);
        for (const line of whole ? lines : [...scans].map(([scan, times]) => `${times} × ${scan}`))
          tell(`    ${line}`);
      }
    }
  } finally {
    await sql.end();
  }
}

function questions({
  keys,
  accounts,
}: Filled): readonly (readonly [string, (on: Explained) => Promise<unknown>])[] {
  const now = Date.now();
  const last = (days: number): TimeRange => ({ from: new Date(now - days * DAY_MS), to: new Date(now) });
  const [busy, idle, account] = [keys[0], keys.at(-1), accounts[0]];
  const source = (on: Explained): DataSource => on as unknown as DataSource;
  const usage =
    (days: number, by: readonly Dimension[], key?: string) =>
    (on: Explained): Promise<unknown> =>
      new UsageSumsRepository(source(on)).usage(last(days), by, key, MOST_ROWS);
  const page =
    (days: number, filter: RequestFilter) =>
    (on: Explained): Promise<unknown> =>
      new LedgerRepository(source(on)).requestIds(last(days), filter, undefined, PAGE);
  const hot = (on: Explained): Queryable => ({
    run: async ({ text }, values) => on.query(text, values),
  });
  return [
    ['usage, a year', usage(365, [])],
    ['usage, a year by day', usage(365, ['day'])],
    ['usage, a year by account', usage(365, ['account'])],
    ['usage, a year by key', usage(365, ['key'])],
    ['usage, a year by day, one key', usage(365, ['day'], busy)],
    ['usage, 30 days by day and model', usage(30, ['day', 'model'])],
    ['usage, a day by hour', usage(1, ['hour'])],
    ['requests, 30 days', page(30, {})],
    ['requests, a year, a busy key', page(365, { keyId: busy })],
    ['requests, a year, an idle key', page(365, { keyId: idle })],
    ['requests, a year, an account', page(365, { accountId: account })],
    ['requests, a year, an outcome that is rare', page(365, { outcome: 'orphaned' })],
    ['requests, a year, a model nobody asked for', page(365, { model: 'none' })],
    ['unpriced, a year', (on) => new UnpricedRepository(source(on)).read(last(365), undefined, 1_000)],
    ['the proof', (on) => checkCounters(hot(on)).catch(() => undefined)],
  ];
}
