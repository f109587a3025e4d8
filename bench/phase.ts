import type { FiguresByTarget } from './figures.ts';
import type { Findings } from './reach.ts';
import type { Table } from './report.ts';
import type { Bench } from './targets.ts';

/** What runs against the same servers. */
export interface Phase {
  readonly name: string;
  /** A quick run leaves it out unless it is asked for. */
  readonly long?: boolean;
  run(bench: Bench): Promise<Found>;
}

export interface Found {
  readonly tables: readonly Table[];
  readonly findings?: Findings | undefined;
  /** Of a load phase. */
  readonly figures?: FiguresByTarget;
  /** Rows that it leaves in llm-relay's ledger: answers that came to their end, and clients that left before. */
  readonly completed: number;
  readonly left: number;
}
