import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import type { Figures, FiguresByTarget } from './figures.ts';
import type { Stream } from './messages.ts';
import type { LoadPhase } from './phases.ts';
import { NO_PROXY } from './targets.ts';

/** A first row and a first column of names, and figures. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

type Column = readonly [title: string, value: (figures: Figures) => string];

export const number = (value: number, digits: number): string =>
  Number.isNaN(value)
    ? '–'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Where the rate is given, what is added to the latency says something; at saturation it does not. */
const jsonColumns = (direct: Figures | undefined, byRate: boolean): readonly Column[] => [
  ['requests/s', (figures) => number(figures.perSecond, 0)],
  ['p50 ms', (figures) => number(figures.p50, 2)],
  ['p99 ms', (figures) => number(figures.p99, 2)],
  ...(byRate ? addedColumns(direct) : []),
  ['server CPU µs/request', (figures) => number(figures.serverMicros, 0)],
  ['× bare', (figures) => number(figures.ratio, 2)],
  ['Postgres CPU µs/request', (figures) => number(figures.postgresMicros, 0)],
  ['with it × bare', (figures) => number(figures.wholeRatio, 2)],
  ['driver CPU µs/request', (figures) => number(figures.driverMicros, 0)],
];

const addedColumns = (direct: Figures | undefined): readonly Column[] => [
  ['added p50', (figures) => number(figures.p50 - (direct?.p50 ?? NaN), 2)],
  ['added p99', (figures) => number(figures.p99 - (direct?.p99 ?? NaN), 2)],
];

const sseColumns = ({ deltas, paceMs }: Stream, direct: Figures | undefined): readonly Column[] => [
  ['streams/s', (figures) => number(figures.perSecond, 1)],
  ['first byte p50 ms', (figures) => number(figures.firstByteP50, 1)],
  ['added ms', (figures) => number(figures.firstByteP50 - (direct?.firstByteP50 ?? NaN), 1)],
  ...(paceMs === 0 ? [] : deltaColumns(direct)),
  ['server CPU µs/delta', (figures) => number(figures.serverMicros / deltas, 1)],
  ['× bare', (figures) => number(figures.ratio, 2)],
  ['Postgres CPU µs/stream', (figures) => number(figures.postgresMicros, 0)],
  ['driver CPU µs/delta', (figures) => number(figures.driverMicros / deltas, 1)],
];

const deltaColumns = (direct: Figures | undefined): readonly Column[] => [
  ['delay of a delta p50 ms', (figures) => number(figures.deltaP50, 3)],
  ['added ms', (figures) => number(figures.deltaP50 - (direct?.deltaP50 ?? NaN), 3)],
];

/** A row for each target. */
export function tableOf({ title, question, load }: LoadPhase, figures: FiguresByTarget): Table {
  const direct = figures.get(NO_PROXY);
  const { wish } = question;
  const columns = wish === 'json' ? jsonColumns(direct, 'perSecond' in load) : sseColumns(wish, direct);
  return {
    title,
    head: ['', ...columns.map(([name]) => name)],
    rows: [...figures].map(([name, found]) => [name, ...columns.map(([, value]) => value(found))]),
  };
}

export function markdownOf({ title, head, rows }: Table): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(Math.max(1, width - 1))}:`)).join(' | ')} |`;
  return [`### ${title}`, '', line(head), rule, ...rows.map(line)].join('\n');
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
    // Of a machine that has other work, only the ratios within a round say something, and not much of them.
    `- load before the run: ${loadavg()[0]?.toFixed(1)}`,
    `- Node ${process.versions.node}, llm-relay ${version}, ${named.join(', ')}`,
    `- Postgres ${Object.values(optionalDependencies ?? {})[0]?.split('-')[0]}, embedded, its default settings here`,
  ].join('\n');
}
