/** Of the calls of the last minute, or of those under way where they are more. */
const RATIO = 0.2;
/** So many always, or a process with few calls could never try a second account: of all, and of those in vain. */
const LEAST = 20;
const LEAST_IN_VAIN = 5;
const SECONDS = 60;

/**
 * Bounds what failover adds to the load of upstreams in trouble: repetitions are at most a fifth of this process's
 * calls. A process with few calls has some to begin with, but fewer of those that do not help: when everything fails,
 * each further try only makes it worse, and the client is told sooner.
 *
 * State: calls under way; calls, repetitions and those of them that have not helped (yet), begun in each of the last
 * sixty seconds.
 */
export class RetryRatio {
  private active = 0;
  private readonly calls = new Counts();
  private readonly retries = new Counts();
  private readonly vain = new Counts();

  constructor(private readonly now: () => number = () => performance.now()) {}

  began(): void {
    this.active += 1;
    this.calls.add(this.second(), 1);
  }

  ended(): void {
    this.active -= 1;
  }

  /** Takes one repetition. @param free it is counted, but not refused */
  take(free: boolean): boolean {
    const second = this.second();
    const share = Math.floor(Math.max(this.active, this.calls.sum(second)) * RATIO);
    const isOver =
      this.retries.sum(second) >= Math.max(LEAST, share) ||
      this.vain.sum(second) >= Math.max(LEAST_IN_VAIN, share);
    if (isOver && !free) return false;
    this.retries.add(second, 1);
    this.vain.add(second, 1);
    return true;
  }

  /** A repetition brought its call an answer. */
  helped(): void {
    this.vain.add(this.second(), -1);
  }

  private second(): number {
    return Math.floor(this.now() / 1000);
  }
}

/** A ring of counts by second. */
class Counts {
  private readonly counts = new Array<number>(SECONDS).fill(0);
  private newest = 0;
  private total = 0;

  add(second: number, count: number): void {
    this.turn(second);
    const at = second % SECONDS;
    this.counts[at] = (this.counts[at] ?? 0) + count;
    this.total += count;
  }

  sum(second: number): number {
    this.turn(second);
    return this.total;
  }

  private turn(second: number): void {
    if (second - this.newest >= SECONDS) {
      this.counts.fill(0);
      this.total = 0;
    } else {
      for (let passed = this.newest + 1; passed <= second; passed += 1) {
        this.total -= this.counts[passed % SECONDS] ?? 0;
        this.counts[passed % SECONDS] = 0;
      }
    }
    this.newest = Math.max(this.newest, second);
  }
}
