import type { Candidate } from './admission.ts';
import type { AccountStanding } from './sql/account-standings.ts';

/** What keeps an account from the call, as far as is known, in the order in which they come. */
const BAR = { none: 0, full: 1, resting: 2, parked: 3, disabled: 4 } as const;

interface Bar {
  readonly bar: number;
  /** Milliseconds since 1970, of what rests. */
  readonly until: number;
}

const CLEAR: Bar = { bar: BAR.none, until: 0 };
const FULL: Bar = { bar: BAR.full, until: 0 };
const DISABLED: Bar = { bar: BAR.disabled, until: 0 };

interface Entry {
  readonly candidate: Candidate;
  bar: number;
  until: number;
  /** Its settings are newer than those the caller decided on, or nothing is known of it. */
  news: boolean;
  lean: boolean;
  priority: number;
  load: number;
  usedAt: number;
}

/** The best of a pool. */
export interface Best {
  readonly candidates: readonly Candidate[];
  /** None that could serve, as far as is known, was left out. */
  readonly complete: boolean;
}

/**
 * The candidates of a pool in the order of the function `admit`: tier, near a limit, priority, load by weight, the
 * longest unused; behind them, so that a refusal says the same as one of the whole pool, those that are full, those that
 * rest by the end of it, those that wait for a person. First come those of which admission may know more than we do.
 *
 * State: in order, as of the standings that it was told of last. One account that changes takes its new place by a
 * search; a whole pool is sorted.
 */
export class RankedPool {
  private order: Entry[];
  private readonly byId = new Map<string, Entry>();

  constructor(
    candidates: readonly Candidate[],
    /** Counting tokens takes no place, so that no account is full to it. */
    private readonly counting: boolean,
    private readonly standingOf: (accountId: string) => AccountStanding | undefined,
  ) {
    for (const candidate of candidates) this.byId.set(candidate.accountId, this.entryOf(candidate));
    this.order = [...this.byId.values()].sort(compare);
  }

  sort(): void {
    for (const entry of this.order) Object.assign(entry, this.entryOf(entry.candidate));
    this.order.sort(compare);
  }

  /** The account's standing is another one. */
  moved(accountId: string): void {
    const entry = this.byId.get(accountId);
    if (entry === undefined) return;
    this.order.splice(this.order.indexOf(entry), 1);
    Object.assign(entry, this.entryOf(entry.candidate));
    let [low, high] = [0, this.order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.order[middle] as Entry, entry) < 0) low = middle + 1;
      else high = middle;
    }
    this.order.splice(low, 0, entry);
  }

  find(accountId: string): Candidate | undefined {
    return this.byId.get(accountId)?.candidate;
  }

  /**
   * @param most that many; more where some of them are in `unpriced`, until so many others are among them: a call that
   * has a budget to keep is not placed there
   */
  best(most: number, unpriced: ReadonlySet<string> | undefined): Best {
    const candidates: Candidate[] = [];
    let priced = 0;
    for (const { candidate } of this.order) {
      const isPriced = unpriced?.has(candidate.accountId) !== true;
      if (priced >= most || (candidates.length >= most && !isPriced)) continue;
      if (isPriced) priced += 1;
      candidates.push(candidate);
      if (priced >= most) break;
    }
    const next = this.order.find(({ candidate }, at) => at >= most && !candidates.includes(candidate));
    return { candidates, complete: next === undefined || !(next.news || next.bar === BAR.none) };
  }

  private entryOf(candidate: Candidate): Entry {
    const standing = this.standingOf(candidate.accountId);
    const { modelFamily: family } = candidate;
    const { bar, until } = standing === undefined ? CLEAR : this.barOf(standing, family);
    return {
      candidate,
      bar,
      until,
      news: standing === undefined || standing.version > candidate.version,
      lean: standing?.lean?.includes(family) === true,
      priority: standing?.priority ?? 0,
      load: standing === undefined ? 0 : standing.inUse / standing.weight,
      usedAt: standing?.usedAt ?? -Infinity,
    };
  }

  private barOf(standing: AccountStanding, family: string): Bar {
    const { enabled, rests, places, inUse } = standing;
    if (!enabled) return DISABLED;
    const isTaken = places !== null && inUse >= places && !this.counting;
    if (rests === null) return isTaken ? FULL : CLEAR;
    const meant = rests.filter((rest) => rest.family === null || rest.family === family);
    const until = Math.max(
      0,
      ...meant.filter(({ probing }) => !probing).map((rest) => rest.until ?? Infinity),
    );
    if (until > 0) return { bar: until === Infinity ? BAR.parked : BAR.resting, until };
    const isProbed = !this.counting && meant.some(({ probing }) => probing);
    return isTaken || isProbed ? FULL : CLEAR;
  }
}

function compare(a: Entry, b: Entry): number {
  return (
    Number(b.news) - Number(a.news) ||
    a.bar - b.bar ||
    (a.bar === BAR.resting ? a.until - b.until : 0) ||
    a.candidate.tier - b.candidate.tier ||
    Number(a.lean) - Number(b.lean) ||
    a.priority - b.priority ||
    a.load - b.load ||
    // Two that were never used are as good as each other.
    (a.usedAt === b.usedAt ? 0 : a.usedAt - b.usedAt)
  );
}
