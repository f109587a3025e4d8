import { Counter, type Registry } from 'prom-client';
import type { Usage } from '../dialects/dialect.ts';

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
  private readonly affinity: Counter<'source' | 'result'>;
  private readonly input: Counter<'account' | 'cache'>;
  private readonly spilled: Counter<'account'>;
  private readonly spillCost: Counter<'account'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.affinity = new Counter({
      name: 'relay_affinity_total',
      help: 'Attempts settled, by where their session was told and what its binding meant',
      labelNames: ['source', 'result'],
      registers,
    });
    this.input = new Counter({
      name: 'relay_account_input_tokens_total',
      help: "Input tokens by account: read from its vendor's cache, or missed; the share of the first is the cache hit rate",
      labelNames: ['account', 'cache'],
      registers,
    });
    this.spilled = new Counter({
      name: 'relay_spilled_attempts_total',
      help: 'Attempts on this account whose session has its cache on another one',
      labelNames: ['account'],
      registers,
    });
    this.spillCost = new Counter({
      name: 'relay_spilled_cost_usd_total',
      help: 'Cost of attempts on this account whose session has its cache on another one',
      labelNames: ['account'],
      registers,
    });
  }

  attemptEnded({ accountId: account, usage, costNanos, decision }: CacheEvent): void {
    const missed = usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
    if (usage.cacheReadTokens > 0) this.input.inc({ account, cache: 'read' }, usage.cacheReadTokens);
    if (missed > 0) this.input.inc({ account, cache: 'missed' }, missed);
    if (decision === null) return;
    const { source, result } = decision.affinity;
    this.affinity.inc({ source, result });
    if (result !== 'spill') return;
    this.spilled.inc({ account });
    this.spillCost.inc({ account }, Number(costNanos ?? 0n) / 1e9);
  }
}
