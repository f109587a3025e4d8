/** A limit of calls and tokens a minute, of a key or of a team above it; null = none. */
export interface Rate {
  /** Of the key or the team. */
  readonly id: string;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

const MINUTE_MS = 60_000;
/** Longer than calls wait for a database that does not answer, for all that came meanwhile are decided at once. */
const BURST_MS = 10_000;

/**
 * Rates by this process's own clock, for as long as the database's stamps cannot be moved. Nobody knows here what is
 * left of a minute's burst, so ten seconds of it are given, whatever was let in before: one replica lets in what flows
 * off in the time that it lasts and in those ten seconds, and one call more.
 *
 * State: the moment, by the monotonic clock, at which what each holder was let in has flowed off.
 */
export class RateStamps {
  private readonly emptyAt = new Map<string, number>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Milliseconds until all of them have room. */
  waitMs(rates: readonly Rate[]): number {
    const now = this.now();
    return Math.max(0, ...rates.map(({ id }) => (this.emptyAt.get(id) ?? 0) - now - BURST_MS));
  }

  take(rates: readonly Rate[], tokens: number): void {
    const now = this.now();
    for (const rate of rates) {
      const from = Math.max(now, this.emptyAt.get(rate.id) ?? 0);
      this.emptyAt.set(rate.id, from + timeFor(rate, tokens));
    }
  }

  /** Stamps that are over say nothing. */
  tidy(): void {
    const now = this.now();
    for (const [id, at] of this.emptyAt) if (at <= now) this.emptyAt.delete(id);
  }
}

function timeFor({ requestsPerMinute, tokensPerMinute }: Rate, tokens: number): number {
  const requests = requestsPerMinute === null ? 0 : MINUTE_MS / requestsPerMinute;
  // A call that asks for more than a minute's tokens takes a minute's, as at admission.
  const used =
    tokensPerMinute === null ? 0 : (MINUTE_MS * Math.min(tokens, tokensPerMinute)) / tokensPerMinute;
  return Math.max(requests, used);
}
