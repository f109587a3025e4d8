import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { mergeMetrics, type TakenMetrics } from './merged-metrics.ts';

async function taken(calls: number, seconds: readonly number[]): Promise<TakenMetrics> {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'calls_total', help: 'Calls', labelNames: ['door'], registers }).inc(
    { door: 'claude' },
    calls,
  );
  // Left out by prom-client's own aggregation over a cluster.
  new Gauge({ name: 'start_seconds', help: 'Start', aggregator: 'omit', registers }).set(calls);
  const histogram = new Histogram({ name: 'wait_seconds', help: 'Wait', buckets: [1], registers });
  for (const value of seconds) histogram.observe(value);
  // As it arrives from another process.
  return structuredClone(await registry.getMetricsAsJSON());
}

describe('metrics of several workers', () => {
  it('are one text, each family told once and each series with its worker', async () => {
    const own = new Registry();
    new Gauge({ name: 'workers', help: 'Workers', registers: [own] }).set(2);
    const text = await mergeMetrics(
      await own.getMetricsAsJSON(),
      new Map([
        [1, await taken(3, [0.5])],
        [2, await taken(4, [0.5, 2])],
      ]),
    );
    const lines = text.split('\n').filter((line) => line !== '');
    expect(lines.sort()).toEqual(
      [
        '# HELP workers Workers',
        '# TYPE workers gauge',
        'workers 2',
        '# HELP calls_total Calls',
        '# TYPE calls_total counter',
        'calls_total{door="claude",worker="1"} 3',
        'calls_total{door="claude",worker="2"} 4',
        '# HELP start_seconds Start',
        '# TYPE start_seconds gauge',
        'start_seconds{worker="1"} 3',
        'start_seconds{worker="2"} 4',
        '# HELP wait_seconds Wait',
        '# TYPE wait_seconds histogram',
        'wait_seconds_bucket{le="1",worker="1"} 1',
        'wait_seconds_bucket{le="+Inf",worker="1"} 1',
        'wait_seconds_sum{worker="1"} 0.5',
        'wait_seconds_count{worker="1"} 1',
        'wait_seconds_bucket{le="1",worker="2"} 1',
        'wait_seconds_bucket{le="+Inf",worker="2"} 2',
        'wait_seconds_sum{worker="2"} 2.5',
        'wait_seconds_count{worker="2"} 2',
      ].sort(),
    );
  });
});
