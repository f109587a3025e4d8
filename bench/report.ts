import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import type { Figures } from './measure.ts';
import type { Phase } from './phases.ts';

type Column = readonly [title: string, value: (figures: Figures) => string];

const number = (value: number, digits: number): string =>
  Number.isNaN(value)
    ? '–'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

const JSON_COLUMNS: readonly Column[] = [
  ['requests/s', (figures) => number(figures.perSecond, 0)],
  ['p50 ms', (figures) => number(figures.p50, 1)],
  ['p99 ms', (figures) => number(figures.p99, 1)],
  ['server CPU µs/request', (figures) => number(figures.serverMicros, 0)],
  ['× bare', (figures) => number(figures.ratio, 2)],
  ['Postgres CPU µs/request', (figures) => number(figures.postgresMicros, 0)],
  ['driver CPU µs/request', (figures) => number(figures.driverMicros, 0)],
];

const sseColumns = (deltas: number, direct: Figures | undefined): readonly Column[] => [
  ['streams/s', (figures) => number(figures.perSecond, 1)],
  ['first byte p50 ms', (figures) => number(figures.firstByteP50, 1)],
  ['added ms', (figures) => number(figures.firstByteP50 - (direct?.firstByteP50 ?? NaN), 1)],
  ['server CPU µs/delta', (figures) => number(figures.serverMicros / deltas, 1)],
  ['× bare', (figures) => number(figures.ratio, 2)],
  ['Postgres CPU µs/stream', (figures) => number(figures.postgresMicros, 0)],
  ['driver CPU µs/delta', (figures) => number(figures.driverMicros / deltas, 1)],
];

/** A Markdown table, a row for each target; the first target is the upstream itself. */
export function tableOf(phase: Phase, figures: ReadonlyMap<string, Figures>): string {
  const [direct] = figures.values();
  const columns = phase.wish === 'json' ? JSON_COLUMNS : sseColumns(phase.wish.deltas, direct);
  const rows = [
    ['', ...columns.map(([title]) => title)],
    ...[...figures].map(([name, found]) => [name, ...columns.map(([, value]) => value(found))]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(Math.max(1, width - 1))}:`)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [`### ${phase.title}`, '', line(head), rule, ...body.map(line)].join('\n');
}

/** How to read the tables. */
export const LEGEND = [
  'Medians of interleaved rounds. "no proxy" is the driver straight at the upstream: what the instruments can do; its',
  "server is the upstream. Server CPU is that of the process and all below it, Postgres counted apart; Postgres' disk",
  'and its own background work are in its figure. Compare ratios, never the figures of two runs.',
].join('\n');

/** What was measured on, for whoever compares. */
export function describeMachine(): string {
  const { version, dependencies, optionalDependencies } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string } & Record<string, Record<string, string>>;
  const named = ['@nestjs/core', 'express', 'undici', 'pg'].map((name) => `${name} ${dependencies?.[name]}`);
  return [
    `- machine: ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, ${type()} ${release()}`,
    `- Node ${process.versions.node}, llm-relay ${version}, ${named.join(', ')}`,
    `- Postgres ${Object.values(optionalDependencies ?? {})[0]?.split('-')[0]}, embedded, its default settings here`,
  ].join('\n');
}
