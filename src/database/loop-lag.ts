const TICK_MS = 20;
/** A busy loop is a little late with every tick, and reads all the same what has arrived: only more is a standstill. */
const STANDSTILL_MS = 20;

/**
 * For how much of a wait this process' own event loop stood still. Clocks of ours that ran out meanwhile say nothing of the
 * other side: after a standstill they go off before what has long arrived is read.
 *
 * States: idle → ticking while anybody watches → idle.
 */
export class LoopLag {
  private watchers = 0;
  private timer: NodeJS.Timeout | undefined;
  private tickedAt = 0;
  private lateMs = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** @returns to be called once, at the end of the wait: the milliseconds for which the loop stood still */
  watch(): () => number {
    this.watchers += 1;
    if (this.watchers === 1) {
      this.tickedAt = this.now();
      this.timer = setInterval(() => this.tick(), TICK_MS).unref();
    }
    const before = this.lateMs;
    return () => {
      this.tick();
      this.watchers -= 1;
      if (this.watchers === 0) clearInterval(this.timer);
      return this.lateMs - before;
    };
  }

  private tick(): void {
    const now = this.now();
    const late = now - this.tickedAt - TICK_MS;
    if (late > STANDSTILL_MS) this.lateMs += late;
    this.tickedAt = now;
  }
}
