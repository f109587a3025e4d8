/** A limit of calls and tokens a minute, of a key or of a team above it; null = none. */
export interface Rate {
  /** Of the key or the team. */
  readonly id: string;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

const MINUTE_MS = 60_000;

/**
 * Rates by this process's own clock, for as long as the database's stamps cannot be moved. Nobody knows here what is
 * left of a minute's burst, so none is given: one call in each 1/rate, and the next one when what the last one may use
 * has flowed off. One replica so lets in no more than the rate itself while it lasts, whatever was let in before.
 *
 * State: the moment, by the monotonic clock, from which each holder may be asked again.
 */
export class RateStamps {
  private readonly next = new Map<string, number>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Milliseconds until all of them have room. */
  waitMs(rates: readonly Rate[]): number {
    const now = this.now();
    return Math.max(0, ...rates.map(({ id }) => (this.next.get(id) ?? 0) - now));
  }

  take(rates: readonly Rate[], tokens: number): void {
    const now = this.now();
    for (const rate of rates) this.next.set(rate.id, now + timeFor(rate, tokens));
  }

  /** Stamps that are over say nothing. */
  tidy(): void {
    const now = this.now();
    for (const [id, next] of this.next) if (next <= now) this.next.delete(id);
  }
}

function timeFor({ requestsPerMinute, tokensPerMinute }: Rate, tokens: number): number {
  const requests = requestsPerMinute === null ? 0 : MINUTE_MS / requestsPerMinute;
  // A call that asks for more than a minute's tokens takes a minute's, as at admission.
  const used =
    tokensPerMinute === null ? 0 : (MINUTE_MS * Math.min(tokens, tokensPerMinute)) / tokensPerMinute;
  return Math.max(requests, used);
}
