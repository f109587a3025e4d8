import type { Usage } from '../dialects/dialect.ts';
import type { Settlement } from './settlement.ts';

/** What a checkpoint says otherwise than the attempt itself would at that moment. */
export type Stage = Pick<Settlement, 'final' | 'outcome' | 'reason' | 'estimated'>;

type Plain = string | number | boolean | null;

/**
 * A settlement as the spool keeps it: a JSON array without names, since a request's three texts are written while it is
 * served. It holds ids and figures, no credential and nothing of a body. New fields come last: a text of an older build
 * is shorter.
 */
export function textOfSettlement(s: Settlement, stage: Stage = s): string {
  const { usage } = s;
  const tools = usage.serverTools;
  const cost = stage.outcome === 'orphaned' ? (s.heldNanos ?? s.costNanos) : s.costNanos;
  return JSON.stringify([
    s.requestId,
    s.attempt,
    stage.final,
    s.epoch,
    s.keyId,
    s.accountId,
    s.lane,
    s.door,
    s.kind,
    s.model,
    s.upstreamModel,
    s.stream,
    s.admittedAt.getTime(),
    stage.outcome,
    s.status,
    stage.reason,
    stage.estimated,
    s.suspicious,
    cost === null ? null : String(cost),
    s.priceId,
    s.firstByteMs,
    s.durationMs,
    s.upstreamRequestId,
    s.clientRequestId,
    usage.inputTokens,
    usage.cacheReadTokens,
    usage.cacheWrite5mTokens,
    usage.cacheWrite1hTokens,
    usage.outputTokens,
    usage.reasoningTokens,
    hasNone(tools) ? null : tools,
    s.teams,
    s.decision,
    s.chargedNanos === null ? null : String(s.chargedNanos),
  ] satisfies (Plain | Usage['serverTools'] | Settlement['teams'] | Settlement['decision'])[]);
}

const FIELDS = 31;

/** Undefined: it is none, or lacks what every settlement has. */
export function settlementOfText(text: string): Settlement | undefined {
  try {
    const fields = JSON.parse(text) as unknown;
    return Array.isArray(fields) && fields.length >= FIELDS ? settlementOf(fields) : undefined;
  } catch {
    return undefined;
  }
}

/** What the record's sum has vouched for is of the types that were written. */
function settlementOf(fields: readonly unknown[]): Settlement | undefined {
  let at = 0;
  const next = <T>(): T => fields[at++] as T;
  const read = {
    requestId: next<string>(),
    attempt: next<number>(),
    final: next<boolean>(),
    epoch: next<string>(),
    keyId: next<string>(),
    accountId: next<string>(),
    lane: next<Settlement['lane']>(),
    door: next<string>(),
    kind: next<string>(),
    model: next<string>(),
    upstreamModel: next<string>(),
    stream: next<boolean>(),
    admittedAt: new Date(next<number>()),
    outcome: next<Settlement['outcome']>(),
    status: next<number | null>(),
    reason: next<string | null>(),
    estimated: next<boolean>(),
    suspicious: next<boolean>(),
    costNanos: nanosOf(next<string | null>()),
    priceId: next<string | null>(),
    firstByteMs: next<number | null>(),
    durationMs: next<number>(),
    upstreamRequestId: next<string | null>(),
    clientRequestId: next<string | null>(),
    usage: {
      inputTokens: next<number>(),
      cacheReadTokens: next<number>(),
      cacheWrite5mTokens: next<number>(),
      cacheWrite1hTokens: next<number>(),
      outputTokens: next<number>(),
      reasoningTokens: next<number>(),
      serverTools: next<Usage['serverTools'] | null>() ?? {},
    },
    teams: next<Settlement['teams'] | undefined>() ?? [],
    decision: next<Settlement['decision'] | undefined>() ?? null,
    chargedNanos: nanosOf(next<string | null | undefined>() ?? null),
  } satisfies Settlement;
  const whole = typeof read.requestId === 'string' && !Number.isNaN(read.admittedAt.getTime());
  return whole ? read : undefined;
}

function nanosOf(text: string | null): bigint | null {
  return text === null ? null : BigInt(text);
}

function hasNone(tools: Usage['serverTools']): boolean {
  for (const _ in tools) return false;
  return true;
}
