/**
 * Slows down guessing: each address may be wrong `burst` times, and once more for every `refillMs` that passes.
 * Remembers at most `most` addresses; the one wrong longest ago is forgotten first.
 */
export class GuessThrottle {
  private readonly wrongs = new Map<string, { count: number; at: number }>();

  constructor(
    private readonly burst = 100,
    private readonly refillMs = 1_000,
    private readonly most = 10_000,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Seconds until the address may guess again; 0 = now. */
  waitSeconds(address: string): number {
    const count = this.countOf(address);
    return count < this.burst ? 0 : Math.max(1, Math.ceil(((count - this.burst + 1) * this.refillMs) / 1000));
  }

  wasWrong(address: string): void {
    const count = this.countOf(address) + 1;
    this.wrongs.delete(address);
    this.wrongs.set(address, { count, at: this.now() });
    if (this.wrongs.size > this.most) {
      const [oldest] = this.wrongs.keys();
      if (oldest !== undefined) this.wrongs.delete(oldest);
    }
  }

  private countOf(address: string): number {
    const wrong = this.wrongs.get(address);
    return wrong === undefined ? 0 : Math.max(0, wrong.count - (this.now() - wrong.at) / this.refillMs);
  }
}
