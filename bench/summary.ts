import type { Figures, FiguresByTarget } from './figures.ts';
import { number, type Table } from './report.ts';

/** All load phases in one table: what an answer costs each target, and against the bare proxy; Postgres apart. */
export function summaryOf(phases: ReadonlyMap<string, FiguresByTarget>): Table {
  const names = [...new Set([...phases.values()].flatMap((figures) => [...figures.keys()]))];
  return {
    title: 'All of these: server CPU µs per answer (× bare) + that of Postgres',
    head: ['', ...names],
    rows: [...phases].map(([phase, figures]) => [phase, ...names.map((name) => costOf(figures.get(name)))]),
  };
}

function costOf(figures: Figures | undefined): string {
  if (figures === undefined) return '–';
  const { serverMicros, ratio, postgresMicros } = figures;
  const server = `${number(serverMicros, 0)} (${number(ratio, 2)})`;
  return postgresMicros > 0 ? `${server} + ${number(postgresMicros, 0)}` : server;
}
