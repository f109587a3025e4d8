import cluster, { type Worker } from 'node:cluster';
import type { Env } from '../config/env.ts';
import type { TakenMetrics } from '../telemetry/merged-metrics.ts';
import type { FromWorker, ToWorker } from './message.ts';
import { ABLE_EVERY_MS } from './worker-link.ts';

/** Who served for so long and ends is replaced at once; who ends sooner, after a pause that doubles. */
const LASTING_MS = 60_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
const MEASURE_WITHIN_MS = 2_000;
/** A worker that has not said for so long that it can serve is not counted on. */
const SILENT_MS = 5 * ABLE_EVERY_MS;
/** Looks in a row at one that says nothing: it hangs, and as long as it does no balancer comes to the others. */
const MOST_SILENT_LOOKS = 30;
/** More looks than seconds of the drain's own limits: for last words, the settlements left, and the pools to close. */
const LOOKS_BEYOND_DRAIN = 30;
const LEFT = 'ended with code 0';

export interface SlotEvents {
  serving(slot: Slot, told: Extract<FromWorker, { act: 'serving' }>): void;
  /** It serves or does not, or is able or is not. */
  changed(): void;
  scrape(slot: Slot, id: number): void;
  /** Its process ended without being asked to, and is replaced unless the slot is closed now; or before it had drained. */
  died(slot: Slot, reason: string): void;
}

/**
 * One place among the workers, filled by one process after the other. Its number stays, so that the series of its
 * metrics do.
 *
 * States: empty → starting (a process boots) → serving → gone (a pause, longer each time) → starting … → closing (asked
 * to leave) → closed.
 */
export class Slot {
  state: 'empty' | 'starting' | 'serving' | 'gone' | 'closing' | 'closed' = 'empty';
  /** Processes in a row that ended before they had served for a minute. */
  deaths = 0;

  private worker: Worker | undefined;
  private servingSince = Infinity;
  private ableAt = -Infinity;
  private silentLooks = 0;
  private looksAtDrain = 0;
  private reason: string | undefined;
  private pause: NodeJS.Timeout | undefined;
  private over: () => void = () => undefined;
  private readonly measuring = new Map<number, (metrics: TakenMetrics) => void>();
  private asked = 0;

  constructor(
    readonly number: number,
    private readonly env: Env,
    private readonly events: SlotEvents,
  ) {}

  start(): void {
    const worker = cluster.fork();
    this.worker = worker;
    this.state = 'starting';
    this.reason = undefined;
    worker.on('message', (message: FromWorker) => this.take(message));
    worker.on('error', (error) => {
      // A process that could not be made has no exit: of anything else that fails, the exit or the silence tells.
      if (worker.process.pid === undefined && this.worker === worker) this.ended(error.message);
    });
    // Not before its channel is closed: what it said last has arrived by then.
    const silent = new Promise<void>((resolve) => worker.once('disconnect', resolve));
    worker.once('exit', (code: number, signal: string | null) => {
      void silent.then(() => this.ended(code === 0 ? LEFT : `ended with ${signal ?? `code ${code}`}`));
    });
  }

  get able(): boolean {
    return this.state === 'serving' && performance.now() - this.ableAt < SILENT_MS;
  }

  /**
   * Asked every second, also while it drains. One that hangs, or has not done with its drain long after the time for it,
   * is ended; it is replaced as any other unless it was to leave. Looks are counted and not the time, which goes on while
   * this process itself stands still.
   */
  look(): void {
    if (this.state !== 'serving' && this.state !== 'closing') return;
    this.silentLooks += 1;
    if (this.state === 'closing') this.looksAtDrain += 1;
    const { drainAcceptSeconds, drainSeconds } = this.env;
    const hangs = this.silentLooks >= MOST_SILENT_LOOKS;
    if (!hangs && this.looksAtDrain < drainAcceptSeconds + drainSeconds + LOOKS_BEYOND_DRAIN) return;
    this.reason = hangs ? `it said nothing for ${MOST_SILENT_LOOKS} s` : 'it did not leave in time';
    this.kill();
  }

  tell(message: ToWorker): void {
    // One that is ending has closed its end.
    if (this.worker?.isConnected() === true) this.worker.send(message, () => undefined);
  }

  /** Undefined: it did not answer in time. */
  measure(): Promise<TakenMetrics | undefined> {
    const id = (this.asked += 1);
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(undefined), MEASURE_WITHIN_MS);
      const done = (metrics: TakenMetrics | undefined): void => {
        clearTimeout(timer);
        this.measuring.delete(id);
        resolve(metrics);
      };
      this.measuring.set(id, done);
      this.tell({ act: 'measure', id });
    });
  }

  /** Drains its process, and no other one follows. */
  async close(): Promise<void> {
    clearTimeout(this.pause);
    const lives = this.state === 'starting' || this.state === 'serving';
    this.state = lives ? 'closing' : 'closed';
    if (!lives) return;
    const over = new Promise<void>((resolve) => (this.over = resolve));
    this.tell({ act: 'leave' });
    await over;
  }

  /** At once, whatever it does. */
  kill(): void {
    if (this.state !== 'closed') this.worker?.process.kill('SIGKILL');
  }

  private take(message: FromWorker): void {
    this.silentLooks = 0;
    switch (message.act) {
      case 'hello':
        // Asked to leave before it could hear that: it need not boot first.
        if (this.state === 'closing') this.tell({ act: 'leave' });
        else this.tell({ act: 'begin', env: { ...this.env, worker: this.number } });
        break;
      case 'serving':
        if (this.state !== 'starting') return;
        this.state = 'serving';
        this.servingSince = this.ableAt = performance.now();
        this.events.serving(this, message);
        break;
      case 'failed':
        this.reason = message.reason;
        break;
      case 'able':
        this.ableAt = message.able ? performance.now() : -Infinity;
        this.events.changed();
        break;
      case 'measured':
        this.measuring.get(message.id)?.(message.metrics);
        break;
      case 'scrape':
        this.events.scrape(this, message.id);
        break;
    }
  }

  private ended(how: string): void {
    const { state } = this;
    this.worker = undefined;
    const lasted = performance.now() - this.servingSince > LASTING_MS;
    this.servingSince = Infinity;
    this.ableAt = -Infinity;
    if (state === 'closing') {
      this.state = 'closed';
      if (how !== LEFT) this.events.died(this, this.reason ?? how);
      this.over();
      return;
    }
    this.state = 'gone';
    this.deaths = lasted ? 1 : this.deaths + 1;
    this.events.died(this, this.reason ?? how);
    this.events.changed();
    // Whoever hears of it may have closed this slot.
    if ((this.state as string) !== 'gone') return;
    this.pause = setTimeout(() => this.start(), pauseAfter(this.deaths));
  }
}

function pauseAfter(deaths: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (deaths - 1));
}
