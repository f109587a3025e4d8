import { readFileSync } from 'node:fs';
import { v7 } from 'uuid';
import type { Queryable } from '../src/database/statement.ts';
import { NO_USAGE } from '../src/dialects/dialect.ts';
import type { AdmissionRequest, Lease } from '../src/scheduler/admission.ts';
import { AdmissionQueue } from '../src/scheduler/admission-queue.ts';
import { KnownSessions } from '../src/scheduler/known-sessions.ts';
import type { Settlement } from '../src/scheduler/settlement.ts';
import { ShortLists } from '../src/scheduler/short-lists.ts';
import { settleBatch } from '../src/scheduler/sql/settle-batch.ts';
import { Standings } from '../src/scheduler/standings.ts';
import { Strays } from '../src/scheduler/strays.ts';

/** What pairs run on, and with what. */
export interface Shape {
  readonly name: string;
  readonly admissions: Admissions;
  readonly ledger: Queryable;
  /** Processes of the server that carry out the one and the other. */
  readonly admitting: number;
  readonly settling: number;
  readonly keys: readonly string[];
  readonly candidates: AdmissionRequest['candidates'];
  /** Each key has one session, and that is bound to an account. */
  readonly bound: boolean;
}

/** Microseconds a pair: on the wall, and of the processors that the server's two processes and this one used. */
export interface Cost {
  readonly wall: number;
  readonly admit: number;
  readonly settle: number;
  readonly node: number;
}

/** Admission as a replica has it, and what it is told of places that come back. */
export interface Admissions {
  readonly queue: AdmissionQueue;
  readonly standings: Standings;
}

/** Of a replica with an epoch of its own, which needs no heartbeat. */
export async function admissionsOf(hot: Queryable, epoch: string): Promise<Admissions> {
  await hot.run({ name: 'bench-epoch', text: 'insert into replicas (epoch) values ($1)' }, [epoch]);
  const replica = { current: () => epoch, aliveMs: 86_400_000, beat: () => Promise.resolve() };
  const standings = new Standings(hot);
  const [lists, strays] = [new ShortLists(standings, new KnownSessions()), new Strays()];
  const queue = new AdmissionQueue(
    hot,
    replica,
    strays,
    lists,
    () => undefined,
    () => undefined,
    1,
    0,
  );
  return { queue, standings };
}

/** The process of the server that carries out what a pool of one connection asks. */
export async function pidOf(db: Queryable): Promise<number> {
  const [row] = await db.run<{ pid: number }>({ name: 'pid', text: 'select pg_backend_pid() as pid' }, []);
  return row?.pid ?? 0;
}

let turn = 0;

/** Admits and settles, one pair of statements after another, for so long. */
export async function pairs(shape: Shape, batch: number, ms: number): Promise<Cost> {
  const before = [onCpu(shape.admitting), onCpu(shape.settling)] as const;
  const own = process.cpuUsage();
  const started = performance.now();
  let done = 0;
  while (performance.now() - started < ms) {
    const asking = Array.from({ length: batch }, () => shape.keys[(turn += 7) % shape.keys.length] ?? '');
    const requests = asking.map((keyId): AdmissionRequest => ({
      requestId: v7(),
      keyId,
      session: shape.bound ? keyId : undefined,
      keyVersion: 1n,
      lane: 'generate',
      door: 'claude',
      model: 'model',
      candidates: shape.candidates,
      kindOf: () => 'claude',
      hold: { nanos: 1_000_000n, tokens: 2_000, unpriced: new Set() },
    }));
    const { queue, standings } = shape.admissions;
    const decisions = await Promise.all(requests.map((request) => queue.ask(request)));
    const leases = decisions.map((one) => {
      if (!one.admitted) throw new Error(`refused: ${one.refusal}`);
      return one.lease;
    });
    const { released } = await settleBatch(shape.ledger, leases.map(settlement));
    for (const { accountId } of leases) standings.released(accountId);
    if (released !== batch) throw new Error(`${batch} pairs, but ${released} places came back`);
    done += batch;
  }
  const { user, system } = process.cpuUsage(own);
  return {
    wall: ((performance.now() - started) * 1_000) / done,
    admit: (onCpu(shape.admitting) - before[0]) / done,
    settle: (onCpu(shape.settling) - before[1]) / done,
    node: (user + system) / done,
  };
}

/** Microseconds that a process has run so far. */
function onCpu(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000;
}

function settlement(lease: Lease): Settlement {
  return {
    ...lease,
    final: true,
    lane: 'generate',
    door: 'claude',
    kind: 'claude',
    model: 'model',
    upstreamModel: 'model',
    stream: true,
    outcome: 'completed',
    status: 200,
    reason: null,
    usage: { ...NO_USAGE, inputTokens: 900, outputTokens: 100 },
    estimated: false,
    suspicious: false,
    costNanos: 400_000n,
    priceId: '1',
    chargedNanos: null,
    firstByteMs: 100,
    durationMs: 900,
    upstreamRequestId: 'req_1',
    clientRequestId: null,
    decision: { affinity: { source: 'claude-code', result: 'hit' } },
  };
}

/** The lowest of one figure over the rounds: whatever else the machine does only adds to it. */
export function least(costs: readonly Cost[], of: (cost: Cost) => number): number {
  return Math.min(...costs.map(of));
}
