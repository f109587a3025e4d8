/**
 * Slow is worse than down: after some failures in a row nobody waits any more.
 *
 * States: closed (all pass) → open after `failures` in a row (all are told no at once, one probe in each `probeMs`
 * passes) → closed by the first success.
 */
export class Breaker {
  private failed = 0;
  private nextProbe = 0;

  constructor(
    private readonly failures = 5,
    private readonly probeMs = 1_000,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get isOpen(): boolean {
    return this.failed >= this.failures;
  }

  /** May the caller go on? True for a probe, too. */
  admits(): boolean {
    if (!this.isOpen) return true;
    if (this.now() < this.nextProbe) return false;
    this.nextProbe = this.now() + this.probeMs;
    return true;
  }

  succeeded(): void {
    this.failed = 0;
  }

  didFail(): void {
    this.failed += 1;
    if (this.failed === this.failures) this.nextProbe = this.now() + this.probeMs;
  }
}
