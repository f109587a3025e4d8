import { Agent, type IncomingMessage, request } from 'node:http';
import { loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { asking, type Way } from './asking.ts';
import { isWhole } from './steady-load.ts';

/** How one call ended for its client; the clock began when it was to be sent. */
export interface Answered {
  /** 0: no head came. */
  readonly status: number;
  readonly whole: boolean;
  readonly retryAfter: string | undefined;
  readonly endedAt: number;
  readonly ms: number;
  /** What was said instead of an answer, its beginning. */
  readonly said: string;
}

/** Connections kept alive and Node's plain client: what is measured should be the relay, not who asks. */
export class LeanClient {
  private readonly agent = new Agent({
    keepAlive: true,
    maxSockets: Infinity,
    maxFreeSockets: 4_096,
    // Idle ones are closed from here, long before the relay closes them: it could be as the next call is sent.
    timeout: 10_000,
  });

  constructor(
    private readonly url: string,
    private readonly way: Way,
  ) {}

  /** Never rejects. @param directives of the simulator */
  ask(key: string, directives: string): Promise<Answered> {
    const { path, headers, body } = asking(this.way, key, `[[sim: ${directives}]]`);
    const began = performance.now();
    return new Promise((resolve) => {
      const end = (answer: IncomingMessage | undefined, said: string): void => {
        const endedAt = performance.now();
        const status = answer?.statusCode ?? 0;
        const whole = status === 200 && answer?.complete === true && isWhole(this.way, said);
        const retryAfter = answer?.headers['retry-after'];
        resolve({
          status,
          whole,
          retryAfter,
          endedAt,
          ms: endedAt - began,
          said: whole ? '' : said.slice(0, 300),
        });
      };
      const length = String(Buffer.byteLength(body));
      const sent = { 'content-length': length, ...headers };
      request(this.url + path, { method: 'POST', headers: sent, agent: this.agent }, (answer) => {
        const pieces: Buffer[] = [];
        answer.on('data', (piece: Buffer) => pieces.push(piece));
        answer.on('error', (error) => end(answer, String(error)));
        answer.on('end', () => end(answer, Buffer.concat(pieces).toString()));
      })
        .on('error', (error) => end(undefined, String(error)))
        .end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

/** So many clients, each with its next call as soon as it has its answer. Resolves with the last answer. */
export async function closedLoop(
  clients: number,
  goesOn: () => boolean,
  ask: (client: number) => Promise<Answered>,
): Promise<Answered[]> {
  const told: Answered[] = [];
  const run = async (client: number): Promise<void> => {
    while (goesOn()) told.push(await ask(client));
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => run(client)));
  return told;
}

/** Calls that come by chance at this rate, nobody waiting for anybody. Resolves with the last answer. */
export async function openLoop(
  callsPerSecond: number,
  ms: number,
  random: () => number,
  ask: () => Promise<Answered>,
): Promise<Answered[]> {
  const calls: Promise<Answered>[] = [];
  const began = performance.now();
  for (let due = 0; due < ms; due += (-Math.log(1 - random()) * 1_000) / callsPerSecond) {
    const early = began + due - performance.now();
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
    calls.push(ask());
  }
  return Promise.all(calls);
}

/** @param share 0.99 = the 99th percentile; NaN of nothing */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

/** What the driver, this process, took of the machine: its share of a core, how late its own loop was; and who else ran. */
export function driverCost(): () => string {
  const cpu = process.cpuUsage();
  const began = performance.now();
  const resolution = 5;
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  return () => {
    delay.disable();
    const { user, system } = process.cpuUsage(cpu);
    const share = (user + system) / 10 / (performance.now() - began);
    const late = delay.percentile(99) / 1e6 - resolution;
    return `driver ${share.toFixed(0)} % of a core, its loop late by ${late.toFixed(1)} ms at p99; load average ${loadavg()[0]?.toFixed(1)}`;
  };
}
