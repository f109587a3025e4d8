import { BARE, NO_PROXY, RELAY } from './targets.ts';
import type { Figures, FiguresByTarget } from './figures.ts';
import { number, type Table } from './report.ts';

/** What a run found of llm-relay, of all that it is to reach; absent where it was not measured. */
export type Findings = Partial<Record<Measure, number>>;
type Measure = keyof typeof GOALS;

interface Goal {
  readonly says: string;
  readonly unit: '×' | 'µs' | 'ms' | 's' | 'KB' | 'MB' | '';
  /** No more than this. */
  readonly must: number;
  readonly aim: number;
}

/** In the order of the table. Ratios are to the bare Node proxy of the same rounds unless they say otherwise. */
const GOALS = {
  json: { says: 'JSON at saturation, server CPU', unit: '×', must: 4, aim: 3 },
  jsonWhole: { says: 'JSON at saturation, with the CPU of Postgres', unit: '×', must: 6, aim: 4 },
  postgres: { says: 'Postgres CPU per request at saturation', unit: 'µs', must: 120, aim: 50 },
  statementsAlone: { says: 'statements before the first byte, at 40/s', unit: '', must: 1, aim: 1 },
  statements: { says: 'statements before the first byte, at saturation', unit: '', must: 1, aim: 1 },
  addedAt40: { says: 'added p50 at 40/s', unit: 'ms', must: 3, aim: 1.5 },
  addedAt300: { says: 'added p50 at 300/s', unit: 'ms', must: 2, aim: 1 },
  body64: { says: '64 KB body, server CPU', unit: '×', must: 5, aim: 3 },
  body512: { says: '512 KB body, server CPU', unit: '×', must: 5, aim: 3 },
  delta: { says: 'paced streams, CPU per delta', unit: '×', must: 1.8, aim: 1.3 },
  addedToDelta: { says: 'paced streams, added delay per delta p50', unit: 'ms', must: 0.3, aim: 0.1 },
  addedToFirstByte: { says: 'paced streams, added time to first byte p50', unit: 'ms', must: 4, aim: 2 },
  burst: { says: 'burst streams, CPU per MB', unit: '×', must: 2, aim: 1.3 },
  openStream: { says: 'memory per open stream', unit: 'KB', must: 64, aim: 40 },
  stalled: { says: 'growth with 100 stalled readers of 10 MB', unit: 'MB', must: 60, aim: 40 },
  left: { says: 'upstream streams left 1 s after all clients hung up', unit: '', must: 0, aim: 0 },
  startPresent: { says: 'start, schema present', unit: 's', must: 2, aim: 1 },
  startEmpty: { says: 'start, empty embedded database', unit: 's', must: 6, aim: 4 },
  workers: { says: 'two workers, server + Postgres CPU, × one worker', unit: '×', must: 1.15, aim: 1.05 },
  admission: {
    says: 'admission, 100,000 keys, 1,000 accounts, 10 M rows, × empty',
    unit: '×',
    must: 1.3,
    aim: 1.1,
  },
} as const satisfies Record<string, Goal>;

export type Mark = 'met aim' | 'met must' | 'missed' | 'not measured';

export function markOf({ must, aim }: Pick<Goal, 'must' | 'aim'>, reached: number | undefined): Mark {
  if (reached === undefined || Number.isNaN(reached)) return 'not measured';
  if (reached <= aim) return 'met aim';
  return reached <= must ? 'met must' : 'missed';
}

/** What one of the load phases says of the goals. */
export function findingsOf(phase: string, figures: FiguresByTarget): Findings {
  const [relay, bare, direct] = [figures.get(RELAY), figures.get(BARE), figures.get(NO_PROXY)];
  if (relay === undefined || bare === undefined) return {};
  const added = (of: keyof Figures): number => relay[of] - (direct?.[of] ?? NaN);
  switch (phase) {
    case 'json':
      return { json: relay.ratio, jsonWhole: relay.wholeRatio, postgres: relay.postgresMicros };
    case 'rate-40':
      return { addedAt40: added('p50') };
    case 'rate-300':
      return { addedAt300: added('p50') };
    case 'body-64k':
      return { body64: relay.ratio };
    case 'body-512k':
      return { body512: relay.ratio };
    case 'sse-paced':
      return {
        delta: relay.ratio,
        addedToDelta: added('deltaP50'),
        addedToFirstByte: added('firstByteP50'),
      };
    case 'sse-burst':
      return { burst: relay.ratio };
    default:
      return {};
  }
}

/** @param quick whether samples were too short for Node to be warm @param partial whether to leave out what was not measured */
export function reachOf(findings: Findings, quick: boolean, partial: boolean): Table {
  const goals = Object.entries(GOALS).filter(([measure]) => !partial || measure in findings);
  const rows = goals.map(([measure, goal]) => {
    const reached = findings[measure as Measure];
    return [
      goal.says,
      `≤ ${told(goal.must, goal.unit)}`,
      `≤ ${told(goal.aim, goal.unit)}`,
      told(reached ?? NaN, goal.unit),
      markOf(goal, reached),
    ];
  });
  const how = quick ? ' (a quick run: ratios are too high, and fewer streams were open)' : '';
  return { title: `Reach${how}`, head: ['', 'must', 'aim', 'reached', ''], rows };
}

function told(value: number, unit: Goal['unit']): string {
  const digits = Number.isInteger(value) ? 0 : value < 10 ? 2 : 1;
  return `${number(value, digits)} ${Number.isNaN(value) ? '' : unit}`.trimEnd();
}
