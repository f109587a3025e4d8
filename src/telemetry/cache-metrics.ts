import type { Usage } from '../dialects/dialect.ts';
import type { Families, Family } from './family.ts';
import type { Count } from './series.ts';

/** What of a settled attempt says whether sessions find their vendor's cache again. */
export interface CacheEvent {
  readonly accountId: string;
  readonly usage: Usage;
  /** Null = unpriced. */
  readonly costNanos: bigint | null;
  /** What the binding of the call's session meant; null: nobody knows. */
  readonly decision: { readonly affinity: { readonly source: string; readonly result: string } } | null;
}

/** Whether sessions find their cache, and what it costs where they do not. Labels are words of our own and ids of accounts. */
export class CacheMetrics {
  private readonly affinity: Family<['source', 'result'], Count>;
  private readonly input: Family<['account', 'cache'], Count>;
  private readonly spilled: Family<['account'], Count>;
  private readonly spillCost: Family<['account'], Count>;

  constructor(families: Families) {
    this.affinity = families.counter(
      'affinity_total',
      'Attempts settled, by where their session was told and what its binding meant',
      ['source', 'result'],
    );
    this.input = families.counter(
      'account_input_tokens_total',
      "Input tokens by account: read from its vendor's cache, or missed; the share of the first is the cache hit rate",
      ['account', 'cache'],
    );
    this.spilled = families.counter(
      'spilled_attempts_total',
      'Attempts on this account whose session has its cache on another one',
      ['account'],
    );
    this.spillCost = families.counter(
      'spilled_cost_usd_total',
      'Cost of attempts on this account whose session has its cache on another one',
      ['account'],
    );
  }

  attemptEnded({ accountId, usage, costNanos, decision }: CacheEvent): void {
    const missed = usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
    if (usage.cacheReadTokens > 0) this.input.of(accountId, 'read').add(usage.cacheReadTokens);
    if (missed > 0) this.input.of(accountId, 'missed').add(missed);
    if (decision === null) return;
    const { source, result } = decision.affinity;
    this.affinity.of(source, result).add();
    if (result !== 'spill') return;
    this.spilled.of(accountId).add();
    this.spillCost.of(accountId).add(Number(costNanos ?? 0n) / 1e9);
  }
}
