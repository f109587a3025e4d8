import type { Question } from './doors.ts';
import type { Load } from './driver.ts';
import { NGINX, NO_PROXY } from './targets.ts';

/** Asked over and over on every target in turn. */
export interface LoadPhase {
  readonly name: string;
  readonly title: string;
  readonly question: Question;
  /** A closed loop of so many connections, or an open one of so many requests a second. */
  readonly load: { readonly connections: number } | { readonly perSecond: number };
  /**
   * Answers before the first sample. V8 goes on compiling for the first 100,000 or so, which is half a minute at
   * saturation: llm-relay's cost of a request falls by a quarter after the first 20,000, and to a third in all.
   */
  readonly warmUp: number;
  /** Of one sample. */
  readonly enough: Load['enough'];
  readonly rounds: number;
  /** Targets that are not asked: their figures stand in another phase, or would take too long. */
  readonly without?: readonly string[];
}

const BURST = { deltas: 200, paceMs: 0 };

/** At saturation. The first phase: what it has V8 compile the others find compiled. */
export function jsonPhase(quick: boolean): LoadPhase {
  return {
    name: 'json',
    title: 'JSON: 1 KB in, 1 KB out, 64 connections',
    question: { wish: 'json' },
    load: { connections: 64 },
    warmUp: quick ? 6_000 : 100_000,
    enough: { ms: quick ? 600 : 3_000 },
    rounds: quick ? 3 : 5,
  };
}

/** @param quick one after the other they end within a minute; Node is not wholly warm by then */
export function loadPhases(quick: boolean): readonly LoadPhase[] {
  return [
    jsonPhase(quick),
    body(64, 10_000, quick),
    body(512, 2_000, quick),
    rate(40, quick),
    rate(300, quick),
    {
      name: 'sse-burst',
      title: `SSE: 16 streams at once, ${BURST.deltas} deltas each, as fast as they go`,
      question: { wish: BURST },
      load: { connections: 16 },
      warmUp: quick ? 150 : 15_000,
      enough: { ms: quick ? 500 : 3_000 },
      rounds: quick ? 3 : 5,
      without: quick ? [NGINX] : [],
    },
    paced(quick),
    door('openai', quick),
    door('gemini', quick),
    door('bedrock', quick),
  ];
}

function body(kilobytes: number, warmUp: number, quick: boolean): LoadPhase {
  return {
    name: `body-${kilobytes}k`,
    title: `JSON: ${kilobytes} KB in, 1 KB out, 16 connections`,
    question: { wish: 'json', bodyBytes: kilobytes * 1024 },
    load: { connections: 16 },
    warmUp: quick ? warmUp / 50 : warmUp,
    enough: { ms: quick ? 500 : 2_000 },
    rounds: quick ? 2 : 5,
    without: quick ? [NGINX] : [],
  };
}

function rate(perSecond: number, quick: boolean): LoadPhase {
  return {
    name: `rate-${perSecond}`,
    title: `JSON: 1 KB in, 1 KB out, ${perSecond} requests begun a second`,
    question: { wish: 'json' },
    load: { perSecond },
    warmUp: quick ? 20 : 100,
    enough: { answers: perSecond * (quick ? 0.75 : 4) },
    rounds: quick ? 2 : 5,
    without: [NGINX],
  };
}

function paced(quick: boolean): LoadPhase {
  const stream = quick ? { deltas: 60, paceMs: 5 } : { deltas: 100, paceMs: 10 };
  return {
    name: 'sse-paced',
    title: `SSE: 16 streams at once, ${stream.deltas} deltas each, one every ${stream.paceMs} ms`,
    question: { wish: stream },
    load: { connections: 16 },
    warmUp: quick ? 32 : 160,
    enough: { answers: quick ? 32 : 64 },
    rounds: quick ? 2 : 5,
    without: [NGINX],
  };
}

/** The bare proxy passes on what the upstream speaks, the same each time. */
function door(name: NonNullable<Question['door']>, quick: boolean): LoadPhase {
  return {
    name: `door-${name}`,
    title: `SSE: as the burst above, but llm-relay ${name === 'bedrock' ? 'asks Bedrock' : `is asked in ${name}'s form`}`,
    question: { wish: BURST, door: name },
    load: { connections: 16 },
    warmUp: quick ? 100 : 5_000,
    enough: { ms: quick ? 400 : 2_000 },
    rounds: quick ? 2 : 3,
    without: [NO_PROXY, NGINX],
  };
}
