import type { Settlement } from './settlement.ts';

const KEPT_MS = 10_000;
const MOST = 2_000;

interface Kept {
  readonly settlement: Settlement;
  readonly at: number;
}

/**
 * Settlements that the ledger took in the last seconds. A standby that takes over may miss what the primary committed
 * last: then rows of the ledger are gone, and calls that are over stand open for as long as this process lives. So what
 * was settled before the database went away is sent again when it answers; where nothing is missing that changes
 * nothing, for a settlement is idempotent. An outage in which nothing was asked, not even a heartbeat, is not noticed.
 *
 * States: there (what was settled more than ten seconds before the last one goes) → away (what was kept by then stays,
 * though settlements may come through before the outage is known to be over) → there, with everything taken.
 */
export class LatelySettled {
  private readonly kept: Kept[] = [];
  /** From before the outage that is under way. */
  private held: Kept[] = [];
  /**
   * Sent again once is enough: a database that goes away and comes back by the second would never be rid of them. What
   * the ledger could not hold, it cannot hold the next time.
   */
  private readonly over = new WeakSet<Settlement>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  add(settlement: Settlement): void {
    if (this.over.has(settlement)) return;
    const now = this.now();
    this.kept.push({ settlement, at: now });
    while (this.isOver(this.kept[0], now)) this.kept.shift();
  }

  /** The ledger will never have it. */
  giveUp(settlement: Settlement): void {
    this.over.add(settlement);
  }

  /** The database went away. */
  hold(): void {
    this.held = this.kept.splice(0);
  }

  /**
   * Those of the seconds before the outage, and of the seconds before the last one that was added since; oldest first,
   * and no more of them afterwards.
   */
  take(): readonly Settlement[] {
    return [...this.held.splice(0), ...this.kept.splice(0)].map(({ settlement }) => {
      this.over.add(settlement);
      return settlement;
    });
  }

  private isOver(oldest: Kept | undefined, now: number): boolean {
    return oldest !== undefined && (now - oldest.at >= KEPT_MS || this.kept.length > MOST);
  }
}
