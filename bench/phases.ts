import type { Question } from './doors.ts';
import type { Load } from './driver.ts';

/** Asked over and over on every target in turn. */
export interface LoadPhase {
  readonly name: string;
  readonly title: string;
  readonly question: Question;
  /** A closed loop of so many connections, or an open one of so many requests a second. */
  readonly load: { readonly connections: number } | { readonly perSecond: number };
  /** Answers before the first sample: Node's cost of a request falls to less than half over the first thousands. */
  readonly warmUp: number;
  /** Of one sample. */
  readonly enough: Load['enough'];
  readonly rounds: number;
}

const BURST = { deltas: 200, paceMs: 0 };

/** @param quick one after the other they end within a minute and a half; Node is not wholly warm by then */
export function loadPhases(quick: boolean): readonly LoadPhase[] {
  const rounds = quick ? 3 : 5;
  const paced = quick ? { deltas: 100, paceMs: 5 } : { deltas: 200, paceMs: 10 };
  const sample = (ms: number): Load['enough'] => ({ ms: quick ? ms / 6 : ms });
  const json = { question: { wish: 'json' }, load: { connections: 64 }, rounds } as const;
  const body = (kilobytes: number, warmUp: number): LoadPhase => ({
    name: `body-${kilobytes}k`,
    title: `JSON: ${kilobytes} KB in, 1 KB out, 16 connections`,
    question: { wish: 'json', bodyBytes: kilobytes * 1024 },
    load: { connections: 16 },
    warmUp: quick ? warmUp / 10 : warmUp,
    enough: sample(3_000),
    rounds,
  });
  const rate = (perSecond: number): LoadPhase => ({
    name: `rate-${perSecond}`,
    title: `JSON: 1 KB in, 1 KB out, ${perSecond} requests begun a second`,
    question: { wish: 'json' },
    load: { perSecond },
    warmUp: quick ? 20 : 200,
    enough: { answers: perSecond * (quick ? 1 : 8) },
    rounds: quick ? 2 : rounds,
  });
  const door = (name: NonNullable<Question['door']>): LoadPhase => ({
    name: `door-${name}`,
    title: `SSE: as the burst above, but llm-relay ${name === 'bedrock' ? 'asks Bedrock' : `is asked in ${name}'s form`}`,
    question: { wish: BURST, door: name },
    load: { connections: 16 },
    warmUp: quick ? 100 : 1_000,
    enough: sample(3_000),
    rounds: quick ? 2 : rounds,
  });
  return [
    {
      ...json,
      name: 'json',
      title: 'JSON: 1 KB in, 1 KB out, 64 connections',
      // V8 compiles for the first 8,000 or so; what is measured before that is compiling.
      warmUp: quick ? 10_000 : 20_000,
      enough: sample(5_000),
      rounds: 5,
    },
    body(64, 2_000),
    body(512, 500),
    rate(40),
    rate(300),
    {
      name: 'sse-burst',
      title: `SSE: 16 streams at once, ${BURST.deltas} deltas each, as fast as they go`,
      question: { wish: BURST },
      load: { connections: 16 },
      warmUp: quick ? 150 : 1_000,
      enough: sample(4_000),
      rounds,
    },
    {
      name: 'sse-paced',
      title: `SSE: 16 streams at once, ${paced.deltas} deltas each, one every ${paced.paceMs} ms`,
      question: { wish: paced },
      load: { connections: 16 },
      warmUp: 32,
      enough: { answers: quick ? 32 : 64 },
      rounds: 3,
    },
    door('openai'),
    door('gemini'),
    door('bedrock'),
  ];
}
