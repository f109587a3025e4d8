import { AggregatorRegistry, type Registry } from 'prom-client';

/** What `Registry.getMetricsAsJSON()` answers: it may come from another process. */
export type TakenMetrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/**
 * One Prometheus text of the metrics of several processes, each series with its worker's number as a label.
 *
 * Sums over the workers would not be true: a counter that ends with its process would make the sum fall, and Prometheus
 * takes whatever falls for a start from zero. Whoever wants the sum asks for it (`sum without (worker)`).
 *
 * @param own of the process that serves nothing itself: without the label
 */
export function mergeMetrics(own: TakenMetrics, workers: ReadonlyMap<number, TakenMetrics>): Promise<string> {
  const labelled = [...workers].map(([worker, metrics]) =>
    metrics.map((metric) => ({
      ...metric,
      // No two series have the same labels now: nothing is left to be aggregated, and nothing to be left out.
      aggregator: 'sum',
      values: metric.values.map((one) => ({ ...one, labels: { ...one.labels, worker: String(worker) } })),
    })),
  );
  return AggregatorRegistry.aggregate([own, ...labelled]).metrics();
}
