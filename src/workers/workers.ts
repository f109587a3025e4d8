import cluster from 'node:cluster';
import type { Logger } from 'pino';
import type { Env } from '../config/env.ts';
import { WorkerMetrics } from '../telemetry/worker-metrics.ts';
import type { FromWorker } from './message.ts';
import { Slot } from './slot.ts';

/** Where nobody serves and a worker ended so often in a row, whoever started all this is to decide. */
const MOST_DEATHS = 10;
/** How often the workers are looked at, and told of one that fell silent. */
const LOOK_MS = 1_000;

/**
 * The process above the workers: it starts them, replaces those that end, tells each how the others are, and drains all.
 * It takes no connection itself: the workers accept from one listening socket, so that a connection waits in the kernel
 * for whoever is free, and the death of a worker costs only those that it had accepted.
 *
 * States: starting (until all serve) → serving (with however many there are) → leaving → left.
 */
export class Workers {
  private readonly metrics = new WorkerMetrics();
  private readonly slots: readonly Slot[];
  private state: 'starting' | 'serving' | 'leaving' = 'starting';
  private closing: Promise<void> | undefined;
  private told = '';
  private looking: NodeJS.Timeout | undefined;
  private allServe: () => void = () => undefined;
  private fail: (error: Error) => void = () => undefined;

  url = '';
  /** Of the worker that was the first on a database without administrators. */
  firstAdminToken: string | undefined;
  /** Rejects when no worker serves any more and none can be had. */
  readonly lost: Promise<never>;

  private constructor(
    env: Env,
    private readonly log: Logger,
  ) {
    this.lost = new Promise((_resolve, reject) => (this.fail = reject));
    this.lost.catch(() => undefined);
    const events = {
      serving: (slot: Slot, told: Extract<FromWorker, { act: 'serving' }>) => this.serving(slot, told),
      changed: () => this.tellOthers(),
      scrape: (slot: Slot, id: number) => void this.scrape(slot, id),
      died: (slot: Slot, reason: string) => this.died(slot, reason),
    };
    this.slots = Array.from({ length: env.workers }, (_, index) => new Slot(index + 1, env, events));
  }

  /**
   * Resolves when all serve.
   *
   * @param entry the script that a worker runs
   * @throws Error with the reason of the first worker that cannot start
   */
  static async start(env: Env, entry: string, log: Logger): Promise<Workers> {
    // Each worker accepts for itself: a connection that this process had handed to a worker would hang if that one died
    // before it took it.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({ exec: entry, args: [], serialization: 'advanced' });
    const workers = new Workers(env, log);
    process.once('exit', () => workers.kill());
    const all = new Promise<void>((resolve) => (workers.allServe = resolve));
    for (const slot of workers.slots) slot.start();
    try {
      await Promise.race([all, workers.lost]);
    } catch (error) {
      workers.kill();
      // It stands in the database by now, and is shown nowhere else.
      const token = workers.firstAdminToken;
      if (token !== undefined)
        process.stdout.write(`The first administrator's token, shown only now: ${token}\n`);
      throw error;
    }
    return workers;
  }

  /** Drains all at the same time. Idempotent. */
  close(): Promise<void> {
    return (this.closing ??= this.closeOnce());
  }

  hurry(): void {
    for (const slot of this.slots) slot.tell({ act: 'hurry' });
  }

  private async closeOnce(): Promise<void> {
    this.state = 'leaving';
    await Promise.all(this.slots.map((slot) => slot.close()));
    clearInterval(this.looking);
  }

  private kill(): void {
    for (const slot of this.slots) slot.kill();
  }

  private serving(slot: Slot, { url, firstAdminToken }: Extract<FromWorker, { act: 'serving' }>): void {
    this.url = url;
    this.firstAdminToken ??= firstAdminToken;
    this.log.info({ worker: slot.number }, 'a worker serves');
    if (this.state === 'starting' && this.slots.every(({ state }) => state === 'serving')) {
      this.state = 'serving';
      this.looking = setInterval(() => this.look(), LOOK_MS);
      this.looking.unref();
      this.allServe();
    }
    this.told = '';
    this.tellOthers();
  }

  private died(slot: Slot, reason: string): void {
    const { number: worker, deaths } = slot;
    if (this.state === 'starting') {
      this.fail(new Error(`A worker did not start: ${reason}`));
      return;
    }
    this.metrics.died();
    if (this.state === 'leaving') {
      this.log.error({ worker, reason }, 'a worker ended before it had drained');
      return;
    }
    this.log.error({ worker, reason, deaths }, 'a worker ended and is replaced');
    const none = this.slots.every(({ state }) => state !== 'serving');
    if (none && deaths >= MOST_DEATHS) {
      this.fail(
        new Error(`No worker serves, and worker ${worker} ended ${deaths} times in a row: ${reason}`),
      );
    }
  }

  private look(): void {
    for (const slot of this.slots) slot.look();
    this.tellOthers();
  }

  /**
   * A worker that takes connections and cannot serve them makes all unable: whoever comes to this port may come to it.
   * One that is gone takes none.
   */
  private tellOthers(): void {
    if (this.state === 'leaving') return;
    const names = (these: readonly Slot[]): string => these.map(({ number }) => number).join(', ');
    const missing = this.slots.filter(({ state }) => state !== 'serving');
    const unable = this.slots.filter((slot) => slot.state === 'serving' && !slot.able);
    const told = {
      unable:
        this.state === 'starting'
          ? `not started yet: ${names(missing)}`
          : unable.length > 0
            ? `cannot serve: ${names(unable)}`
            : undefined,
      fewer: missing.length > 0 ? `missing: ${names(missing)}` : undefined,
    };
    const text = JSON.stringify(told);
    if (text === this.told) return;
    this.told = text;
    for (const slot of this.slots) slot.tell({ act: 'others', ...told });
  }

  private async scrape(asking: Slot, id: number): Promise<void> {
    const serving = this.slots.filter(({ state }) => state === 'serving' || state === 'closing');
    const taken = await Promise.all(
      serving.map(async (slot) => [slot.number, await slot.measure()] as const),
    );
    asking.tell({ act: 'scraped', id, text: await this.metrics.text(new Map(taken)) });
  }
}
