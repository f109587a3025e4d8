import type { AttemptRow } from './ledger-row.ts';
import { formatUsd } from '../database/money.ts';
import type { AttemptDto, RequestDto } from './requests.dto.ts';

/** Calls with their attempts, in the order of the rows, which have a call's attempts together and in order. */
export function viewRequests(rows: readonly AttemptRow[]): RequestDto[] {
  const calls = new Map<string, AttemptRow[]>();
  for (const row of rows) {
    const attempts = calls.get(row.requestId);
    if (attempts === undefined) calls.set(row.requestId, [row]);
    else attempts.push(row);
  }
  return [...calls.values()].map(viewRequest);
}

function viewRequest(rows: readonly AttemptRow[]): RequestDto {
  const first = rows[0]!;
  const last = rows.at(-1)!;
  const cost = rows.reduce((sum, row) => sum + BigInt(row.costNanos ?? 0), 0n);
  return {
    id: first.requestId,
    clientRequestId: first.clientRequestId,
    key: { id: first.keyId, name: first.keyName },
    door: first.door,
    lane: first.lane,
    model: first.model,
    stream: first.stream,
    admittedAt: first.admittedAt.toISOString(),
    outcome: last.outcome,
    costUsd: formatUsd(cost),
    unpriced: rows.some((row) => row.costNanos === null && row.settledAt !== null),
    attempts: rows.map(viewAttempt),
  };
}

function viewAttempt(row: AttemptRow): AttemptDto {
  return {
    attempt: row.attempt,
    account: { id: row.accountId, name: row.accountName },
    kind: row.kind,
    upstreamModel: row.upstreamModel,
    outcome: row.outcome,
    status: row.status,
    reason: row.reason,
    admittedAt: row.admittedAt.toISOString(),
    settledAt: row.settledAt?.toISOString() ?? null,
    inputTokens: Number(row.inputTokens),
    cacheReadTokens: Number(row.cacheReadTokens),
    cacheWrite5mTokens: Number(row.cacheWrite5mTokens),
    cacheWrite1hTokens: Number(row.cacheWrite1hTokens),
    outputTokens: Number(row.outputTokens),
    reasoningTokens: Number(row.reasoningTokens),
    serverTools: row.serverTools ?? {},
    estimated: row.estimated,
    suspicious: row.suspicious,
    costUsd: row.costNanos === null ? null : formatUsd(BigInt(row.costNanos)),
    chargedUsd: row.chargedNanos === null ? null : formatUsd(BigInt(row.chargedNanos)),
    priceId: row.priceId,
    firstByteMs: row.firstByteMs,
    durationMs: row.durationMs,
    upstreamRequestId: row.upstreamRequestId,
    revision: row.revision,
  };
}
