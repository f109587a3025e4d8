import { setTimeout as sleep } from 'node:timers/promises';
import { readTreeCpu, type TreeCpu } from './cpu.ts';
import { type Door, type Question, requestOf } from './doors.ts';
import { askOnce, drive, driveAt, type Sample } from './driver.ts';
import { type Figures, type FiguresByTarget, mediansOf, quantile, withRatios } from './figures.ts';
import type { LoadPhase } from './phases.ts';
import { withoutStamps } from './stamp.ts';

export interface Target {
  readonly name: string;
  readonly port: number;
  /** The root of the processes whose time is counted. */
  readonly pid: number;
  /** API keys, where they are asked for: the one of the usual account, and one that is bound to an account at Bedrock. */
  readonly keys?: Readonly<Record<'usual' | 'bedrock', string>>;
  /** Other roots whose time is counted with it; those with a port are asked in turn with it. */
  readonly beside?: readonly { readonly pid: number; readonly port?: number }[];
  /** How many processes share its requests, each of which is to be as warm as one alone; default 1. */
  readonly processes?: number;
}

export interface Outcome {
  readonly figures: FiguresByTarget;
  /** All that the phase asked of each target, warm-up included. */
  readonly answers: ReadonlyMap<string, number>;
}

/** What is settled just behind an answer is a part of its cost. */
const SETTLING_MS = 100;

/** Runs a phase on every target in turn, round after round, so that a noisy moment falls on all of them. */
export async function runPhase(
  phase: LoadPhase,
  targets: readonly Target[],
  basis: Target,
): Promise<Outcome> {
  const answers = new Map<string, number>();
  const count = (target: Target, more: number): void => {
    answers.set(target.name, (answers.get(target.name) ?? 0) + more);
  };
  let expected: string | undefined;
  for (const target of targets) {
    const body = await bodyOnce(target, phase.question);
    expected ??= body;
    if (phase.question.door === undefined && body !== expected)
      throw new Error(`${target.name} changed the bytes of the answer`);
    const warmUp = phase.warmUp * (target.processes ?? 1);
    const warm = await sampleOf(target, { ...phase, enough: { answers: warmUp } });
    count(target, 1 + warm.answers);
  }
  const rounds: FiguresByTarget[] = [];
  for (let round = 0; round < phase.rounds; round += 1) {
    const found = new Map<string, Figures>();
    for (const target of targets) {
      const figures = await takeSample(target, phase, (more) => count(target, more));
      found.set(target.name, figures);
    }
    rounds.push(withRatios(found, basis.name));
  }
  const figures = new Map(
    targets.map(({ name }) => [name, mediansOf(rounds.flatMap((round) => round.get(name) ?? []))]),
  );
  return { figures, answers };
}

async function takeSample(target: Target, phase: LoadPhase, count: (more: number) => void): Promise<Figures> {
  const before = cpuOf(target);
  const ownBefore = process.cpuUsage();
  const sample = await sampleOf(target, phase);
  const own = process.cpuUsage(ownBefore);
  await sleep(SETTLING_MS);
  const after = cpuOf(target);
  count(sample.answers);
  const each = (end: number | undefined, begin: number | undefined): number =>
    ((end ?? NaN) - (begin ?? NaN)) / sample.answers;
  return {
    perSecond: sample.answers / sample.seconds,
    p50: quantile(sample.latency, 0.5),
    p99: quantile(sample.latency, 0.99),
    firstByteP50: quantile(sample.firstByte, 0.5),
    deltaP50: quantile(sample.delays, 0.5),
    serverMicros: each(after?.server, before?.server),
    postgresMicros: each(after?.postgres, before?.postgres),
    driverMicros: (own.user + own.system) / sample.answers,
    ratio: NaN,
    wholeRatio: NaN,
  };
}

function cpuOf({ pid, beside = [] }: Target): TreeCpu | undefined {
  const sum = { server: 0, postgres: 0 };
  for (const root of [pid, ...beside.map((one) => one.pid)]) {
    const used = readTreeCpu(root);
    if (used === undefined) return undefined;
    sum.server += used.server;
    sum.postgres += used.postgres;
  }
  return sum;
}

function sampleOf(target: Target, phase: LoadPhase): Promise<Sample> {
  const { load, enough, question } = phase;
  const { port } = target;
  const request = questionTo(target, question);
  if ('perSecond' in load) {
    const requests = 'answers' in enough ? enough.answers : (load.perSecond * enough.ms) / 1000;
    return driveAt({ port, request, perSecond: load.perSecond, requests });
  }
  // Paced streams that began together would all ask at once, again and again, and the first byte would wait in a queue.
  const spreadMs = question.wish === 'json' ? 0 : question.wish.deltas * question.wish.paceMs;
  const ports = [port, ...(target.beside ?? []).flatMap((one) => one.port ?? [])];
  return drive({ ports, request, connections: load.connections, enough, spreadMs });
}

/** Only llm-relay has doors; the others pass on what the upstream speaks. */
export function questionTo({ keys }: Pick<Target, 'keys'>, question: Question): Buffer {
  const door: Door = (keys && question.door) ?? 'claude';
  return requestOf(question, door, keys?.[door === 'bedrock' ? 'bedrock' : 'usual'] ?? 'none');
}

/** The body of one answer, without the framing of its transfer. */
async function bodyOnce(target: Target, question: Question): Promise<string> {
  const { head, body } = await askOnce(target.port, questionTo(target, question));
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`${target.name}: ${head}\n${body.toString()}`);
  if (!/transfer-encoding: *chunked/i.test(head)) return body.toString();
  let text = '';
  for (let at = 0; ;) {
    const lineEnd = body.indexOf('\r\n', at);
    const length = parseInt(body.toString('latin1', at, lineEnd), 16);
    if (!(length > 0)) return withoutStamps(text);
    text += body.toString('utf8', lineEnd + 2, lineEnd + 2 + length);
    at = lineEnd + 2 + length + 2;
  }
}
