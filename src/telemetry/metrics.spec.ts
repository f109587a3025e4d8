import { NO_USAGE } from '../dialects/dialect.ts';
import { Metrics } from './metrics.ts';

describe('metrics', () => {
  it('tell what events moved, in the Prometheus text format', async () => {
    const metrics = new Metrics();
    metrics.placeTaken('generate');
    metrics.placeTaken('generate');
    metrics.placeGiven('generate');
    metrics.attemptEnded({
      kind: 'claude',
      lane: 'generate',
      outcome: 'completed',
      status: 200,
      usage: { ...NO_USAGE, inputTokens: 12, cacheReadTokens: 30, cacheWrite1hTokens: 5, outputTokens: 7 },
      costNanos: 1_500_000_000n,
      accountId: 'a-1',
      decision: { affinity: { source: 'metadata', result: 'spill' } },
    });
    metrics.attemptEnded({
      kind: 'gemini',
      lane: 'generate',
      outcome: 'failed',
      status: null,
      usage: NO_USAGE,
      costNanos: null,
      accountId: 'a-2',
      decision: null,
    });
    metrics.callEnded({
      door: 'claude',
      lane: 'generate',
      outcome: 'completed',
      status: 200,
      firstByteMs: 3,
      durationMs: 40,
    });
    metrics.refused('key-missing', 'gemini');
    metrics.batch('admit', 3, 1.2);
    metrics.credentialRefreshed('claude', 'renewed');
    metrics.pendingSettles(4);
    metrics.watchPool('hot', () => ({
      connections: 3,
      idle: 1,
      waiting: 2,
      waits: 9,
      poolTimeouts: 1,
      queryTimeouts: 0,
      failures: 1,
    }));
    await metrics.registry.metrics();
    const text = await metrics.registry.metrics();
    for (const line of [
      'relay_places_in_use{lane="generate"} 1',
      'relay_affinity_total{source="metadata",result="spill"} 1',
      'relay_account_input_tokens_total{account="a-1",cache="read"} 30',
      'relay_account_input_tokens_total{account="a-1",cache="missed"} 17',
      'relay_spilled_attempts_total{account="a-1"} 1',
      'relay_spilled_cost_usd_total{account="a-1"} 1.5',
      'relay_places_in_use{lane="count"} 0',
      'relay_attempts_total{kind="claude",lane="generate",outcome="completed",status="2xx"} 1',
      'relay_attempts_total{kind="gemini",lane="generate",outcome="failed",status="none"} 1',
      'relay_tokens_total{kind="claude",class="cache_write_1h"} 5',
      'relay_cost_usd_total{kind="claude"} 1.5',
      'relay_unpriced_total{kind="gemini"} 1',
      'relay_requests_total{door="claude",lane="generate",outcome="completed",status="2xx"} 1',
      'relay_refusals_total{code="key-missing",door="gemini"} 1',
      'relay_batch_size_sum{statement="admit"} 3',
      'relay_credential_refreshes_total{kind="claude",result="renewed"} 1',
      'relay_settles_pending 4',
      'relay_pool_connections{pool="hot",state="waiting"} 2',
      'relay_pool_waits_total{pool="hot"} 9',
      'relay_pool_acquire_timeouts_total{pool="hot"} 1',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
  });
});
