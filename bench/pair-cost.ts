import { readFileSync } from 'node:fs';
import { v7 } from 'uuid';
import type { Queryable } from '../src/database/statement.ts';
import { NO_USAGE } from '../src/dialects/dialect.ts';
import type { AdmissionRequest, Lease } from '../src/scheduler/admission.ts';
import type { Settlement } from '../src/scheduler/settlement.ts';
import { admitBatch } from '../src/scheduler/sql/admit-batch.ts';
import { settleBatch } from '../src/scheduler/sql/settle-batch.ts';

/** What pairs run on, and with what. */
export interface Shape {
  readonly name: string;
  readonly hot: Queryable;
  readonly ledger: Queryable;
  /** Processes of the server that carry out the one and the other. */
  readonly admitting: number;
  readonly settling: number;
  readonly epoch: string;
  readonly keys: readonly string[];
  readonly candidates: AdmissionRequest['candidates'];
  /** Each key has one session, and that is bound to an account. */
  readonly bound: boolean;
}

/** Microseconds a pair: on the wall, and of the processors that the server's two processes used. */
export interface Cost {
  readonly wall: number;
  readonly admit: number;
  readonly settle: number;
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
    const decisions = (await admitBatch(shape.hot, shape.epoch, 86_400_000, requests)) ?? [];
    const leases = decisions.map((one) => {
      if (!one.admitted) throw new Error(`refused: ${one.refusal}`);
      return one.lease;
    });
    const { released } = await settleBatch(shape.ledger, leases.map(settlement));
    if (released !== batch) throw new Error(`${batch} pairs, but ${released} places came back`);
    done += batch;
  }
  return {
    wall: ((performance.now() - started) * 1_000) / done,
    admit: (onCpu(shape.admitting) - before[0]) / done,
    settle: (onCpu(shape.settling) - before[1]) / done,
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
