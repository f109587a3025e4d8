import { formatUsd } from '../database/money.ts';
import type { SupersededRow } from './ledger-row.ts';
import type { SupersededDto } from './superseded.dto.ts';

/** Adds to each attempt what was booked of it before, the oldest first. */
export function withSuperseded<Attempt extends { readonly attempt: number }>(
  attempts: readonly Attempt[],
  rows: readonly SupersededRow[],
): (Attempt & { superseded: SupersededDto[] })[] {
  return attempts.map((one) => ({
    ...one,
    superseded: rows.filter(({ attempt }) => attempt === one.attempt).map(view),
  }));
}

function view({ revision, supersededAt, booked }: SupersededRow): SupersededDto {
  return {
    revision,
    settledAt: new Date(booked.settled_at).toISOString(),
    supersededAt: supersededAt.toISOString(),
    outcome: booked.outcome,
    reason: booked.reason,
    estimated: booked.estimated,
    inputTokens: booked.input_tokens,
    cacheReadTokens: booked.cache_read_tokens,
    cacheWrite5mTokens: booked.cache_write_5m_tokens,
    cacheWrite1hTokens: booked.cache_write_1h_tokens,
    outputTokens: booked.output_tokens,
    reasoningTokens: booked.reasoning_tokens,
    costUsd: booked.cost_nanos === null ? null : formatUsd(BigInt(booked.cost_nanos)),
    chargedUsd: formatUsd(BigInt(booked.charged_nanos)),
  };
}
