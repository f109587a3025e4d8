import type { Readiness } from '../health/readiness.ts';
import type { Scrape } from '../health/scrape.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { FromWorker, ToWorker } from './message.ts';

/** How often a worker says that it can serve; who says nothing is not counted on. */
export const ABLE_EVERY_MS = 1_000;
/** Longer than the process above waits for the slowest worker. */
const SCRAPE_WITHIN_MS = 5_000;

/**
 * A worker's side of what it and the process above tell each other while it serves: whether it can, how the others are,
 * and the metrics of all.
 *
 * States: made → joined (before it listens) → parted.
 */
export class WorkerLink {
  /** Until the process above says otherwise: not before all serve. */
  private unable: string | undefined = 'the other workers have not started yet';
  private fewer: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly scrapes = new Map<number, (text: string) => void>();
  private asked = 0;

  constructor(private readonly tell: (message: FromWorker) => void) {}

  join(readiness: Readiness, scrape: Scrape, metrics: Metrics): void {
    readiness.addSharedChecks(
      () => this.unable ?? true,
      () => this.fewer ?? true,
    );
    scrape.readFrom(() => this.scrapeAll());
    this.measure = () => metrics.registry.getMetricsAsJSON();
    this.timer = setInterval(() => this.tell({ act: 'able', able: readiness.able }), ABLE_EVERY_MS);
    this.timer.unref();
  }

  part(): void {
    clearInterval(this.timer);
  }

  take(message: Extract<ToWorker, { act: 'others' | 'measure' | 'scraped' }>): void {
    switch (message.act) {
      case 'others':
        this.unable = message.unable;
        this.fewer = message.fewer;
        break;
      case 'measure': {
        const { id } = message;
        // Before it serves there is nothing to tell; whoever asks does not wait for ever.
        void this.measure?.().then((metrics) => this.tell({ act: 'measured', id, metrics }));
        break;
      }
      case 'scraped':
        this.scrapes.get(message.id)?.(message.text);
        break;
    }
  }

  private measure: (() => ReturnType<Metrics['registry']['getMetricsAsJSON']>) | undefined;

  private async scrapeAll(): Promise<string> {
    const id = (this.asked += 1);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<string>((resolve, reject) => {
        this.scrapes.set(id, resolve);
        timer = setTimeout(
          () => reject(new Error('The workers do not tell their metrics')),
          SCRAPE_WITHIN_MS,
        );
        this.tell({ act: 'scrape', id });
      });
    } finally {
      clearTimeout(timer);
      this.scrapes.delete(id);
    }
  }
}
