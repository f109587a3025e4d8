import type { Load } from './driver.ts';
import type { Wish } from './messages.ts';

export interface Phase {
  readonly name: 'json' | 'sse-burst' | 'sse-paced';
  readonly title: string;
  readonly wish: Wish;
  readonly connections: number;
  /** Answers before the first sample: Node's cost of a request falls to less than half over the first thousands. */
  readonly warmUp: number;
  /** Of one sample. */
  readonly enough: Load['enough'];
  readonly rounds: number;
}

export function phasesOf(quick: boolean): Phase[] {
  const burst = { deltas: 200, paceMs: 0 };
  const paced = quick ? { deltas: 60, paceMs: 5 } : { deltas: 200, paceMs: 10 };
  return [
    {
      name: 'json',
      title: 'JSON: 1 KB in, 1 KB out, 64 connections',
      wish: 'json',
      connections: 64,
      warmUp: quick ? 5_000 : 10_000,
      enough: { ms: quick ? 700 : 5_000 },
      rounds: quick ? 3 : 5,
    },
    {
      name: 'sse-burst',
      title: `SSE: 16 streams at once, ${burst.deltas} deltas each, as fast as they go`,
      wish: burst,
      connections: 16,
      warmUp: quick ? 150 : 1_000,
      enough: { ms: quick ? 600 : 4_000 },
      rounds: quick ? 3 : 5,
    },
    {
      name: 'sse-paced',
      title: `SSE: 16 streams at once, ${paced.deltas} deltas each, one every ${paced.paceMs} ms`,
      wish: paced,
      connections: 16,
      warmUp: 16,
      enough: { answers: quick ? 32 : 64 },
      rounds: 3,
    },
  ];
}
