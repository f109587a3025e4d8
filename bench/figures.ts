/** One round, or the medians of several. Times in ms, processor time in microseconds; NaN where there is no such figure. */
export interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly firstByteP50: number;
  /** From the upstream's write of a delta to its arrival; only of paced streams. */
  readonly deltaP50: number;
  /** For each answer. */
  readonly serverMicros: number;
  readonly postgresMicros: number;
  readonly driverMicros: number;
  /** Server time against the bare proxy's of the same round. */
  readonly ratio: number;
  /** The same with Postgres' time added. */
  readonly wholeRatio: number;
}

/** By the name of the target. */
export type FiguresByTarget = ReadonlyMap<string, Figures>;

/** A round with its ratios, which are only taken within it. */
export function withRatios(round: FiguresByTarget, basis: string): FiguresByTarget {
  const base = round.get(basis)?.serverMicros ?? NaN;
  const rated = [...round].map(([name, one]): [string, Figures] => [
    name,
    {
      ...one,
      ratio: one.serverMicros / base,
      wholeRatio: (one.serverMicros + one.postgresMicros) / base,
    },
  ]);
  return new Map(rated);
}

export function mediansOf(rounds: readonly Figures[]): Figures {
  const median = (name: keyof Figures): number =>
    quantile(
      rounds.map((round) => round[name]),
      0.5,
    );
  return {
    perSecond: median('perSecond'),
    p50: median('p50'),
    p99: median('p99'),
    firstByteP50: median('firstByteP50'),
    deltaP50: median('deltaP50'),
    serverMicros: median('serverMicros'),
    postgresMicros: median('postgresMicros'),
    driverMicros: median('driverMicros'),
    ratio: median('ratio'),
    wholeRatio: median('wholeRatio'),
  };
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}
