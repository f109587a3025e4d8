import { Counter, Gauge, Registry } from 'prom-client';
import { mergeMetrics, type TakenMetrics } from './merged-metrics.ts';

/** What the process above the workers knows of them, and the one text of all. */
export class WorkerMetrics {
  private readonly registry = new Registry();
  private readonly serving = new Gauge({
    name: 'relay_workers_serving',
    help: 'Workers that take connections',
    registers: [this.registry],
  });
  private readonly silent = new Gauge({
    name: 'relay_workers_silent',
    help: 'Workers that serve and did not answer this scrape: their series are missing in it',
    registers: [this.registry],
  });
  private readonly deaths = new Counter({
    name: 'relay_worker_deaths_total',
    help: 'Workers that ended without being asked to, and were replaced',
    registers: [this.registry],
  });

  died(): void {
    this.deaths.inc();
  }

  /** @param taken by the number of the worker; undefined: it did not answer */
  async text(taken: ReadonlyMap<number, TakenMetrics | undefined>): Promise<string> {
    const told = new Map<number, TakenMetrics>();
    for (const [worker, metrics] of taken) if (metrics !== undefined) told.set(worker, metrics);
    this.serving.set(taken.size);
    this.silent.set(taken.size - told.size);
    return mergeMetrics(await this.registry.getMetricsAsJSON(), told);
  }
}
