import type { AttemptDecision, ConsideredAccount } from '../scheduler/decision.ts';
import type { NotTaken } from './decision.dto.ts';

/** What a ledger report can be grouped by. */
export const DIMENSIONS = ['key', 'account', 'model', 'kind', 'day', 'hour', 'outcome'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** Sums as Postgres sends them: numeric and bigint are digit strings. */
export interface UsageRow {
  readonly keyId?: string;
  readonly keyName?: string | null;
  readonly accountId?: string;
  readonly accountName?: string | null;
  readonly model?: string;
  readonly kind?: string;
  readonly day?: string;
  readonly hour?: string;
  readonly outcome?: string;
  readonly requests: string;
  readonly attempts: string;
  readonly inputTokens: string;
  readonly cacheReadTokens: string;
  readonly cacheWrite5mTokens: string;
  readonly cacheWrite1hTokens: string;
  readonly outputTokens: string;
  readonly reasoningTokens: string;
  readonly costNanos: string;
  readonly unpriced: string;
  readonly estimated: string;
  readonly spilled: string;
  readonly spillCostNanos: string;
}

/** One attempt, settled or still open; of an open one only what admission wrote is known. */
export interface AttemptRow {
  readonly requestId: string;
  readonly attempt: number;
  readonly admittedAt: Date;
  readonly settledAt: Date | null;
  readonly keyId: string;
  readonly keyName: string | null;
  readonly accountId: string;
  readonly accountName: string | null;
  readonly lane: string;
  readonly door: string;
  readonly kind: string;
  readonly model: string;
  readonly upstreamModel: string | null;
  readonly stream: boolean | null;
  readonly outcome: string;
  readonly status: number | null;
  readonly reason: string | null;
  readonly inputTokens: string;
  readonly cacheReadTokens: string;
  readonly cacheWrite5mTokens: string;
  readonly cacheWrite1hTokens: string;
  readonly outputTokens: string;
  readonly reasoningTokens: string;
  readonly serverTools: Readonly<Record<string, number>> | null;
  readonly estimated: boolean;
  readonly suspicious: boolean;
  readonly costNanos: string | null;
  readonly priceId: string | null;
  readonly firstByteMs: number | null;
  readonly durationMs: number | null;
  readonly upstreamRequestId: string | null;
  readonly clientRequestId: string | null;
  /** How often it was corrected. */
  readonly revision: number;
  /** Null while open. */
  readonly chargedNanos: string | null;
}

/** How an attempt's account was chosen, as the relay wrote it; older builds wrote less. */
export interface DecisionRow {
  readonly attempt: number;
  readonly decision: StoredDecision | null;
}

export interface StoredDecision extends Omit<AttemptDecision, 'beside'> {
  readonly considered?: {
    readonly accounts: readonly StoredAccount[];
    /** Model family of the candidates that name none of their own. */
    readonly family?: string;
    readonly omitted: number;
  };
  readonly beside?: readonly StoredAccount[];
}

export interface StoredAccount extends ConsideredAccount {
  readonly not?: NotTaken;
}

/** Whether an account rested when the account of an attempt was chosen. */
export interface RestRow {
  readonly attempt: number;
  readonly accountId: string;
  /** Null: no rest of that time is known. */
  readonly rest: 'cooling' | 'parked' | null;
  /** No rest of that time can have been forgotten. */
  readonly whole: boolean;
}

/** What an attempt was booked with until a correction took its place; the row as it stood, with its columns' names. */
export interface SupersededRow {
  readonly attempt: number;
  readonly revision: number;
  readonly supersededAt: Date;
  readonly booked: {
    readonly settled_at: string;
    readonly outcome: string;
    readonly reason: string | null;
    readonly estimated: boolean;
    readonly input_tokens: number;
    readonly cache_read_tokens: number;
    readonly cache_write_5m_tokens: number;
    readonly cache_write_1h_tokens: number;
    readonly output_tokens: number;
    readonly reasoning_tokens: number;
    /** Digits: money may be more than a number of JavaScript holds. */
    readonly cost_nanos: string | null;
    /** What was charged, by the cost or without one. */
    readonly charged_nanos: string;
  };
}

/** A settled attempt without a cost. */
export interface UnpricedRow {
  readonly requestId: string;
  readonly attempt: number;
  readonly admittedAt: Date;
  readonly kind: string;
  readonly upstreamModel: string;
  readonly inputTokens: string;
  readonly cacheReadTokens: string;
  readonly cacheWrite5mTokens: string;
  readonly cacheWrite1hTokens: string;
  readonly outputTokens: string;
  readonly reasoningTokens: string;
  readonly serverTools: Readonly<Record<string, number>> | null;
}
