/** Results remembered of one account and model family, and how many of them must be failures. */
const REMEMBERED = 16;
const FAILURES = 5;
/** Older results say nothing of now. */
const RECENT_MS = 60_000;
const MOST = 10_000;

/** The last results of one account in a ring: `count` of them, the next one is written at `next`. */
interface Results {
  readonly at: Float64Array;
  readonly failed: Uint8Array;
  next: number;
  count: number;
  lastAt: number;
}

/**
 * The last results of each account on this process: five failures among the last sixteen within a minute are too many,
 * whatever went well before. An account with half of its calls failing reaches that within ten failures; one with a
 * few per cent of bad luck does not.
 *
 * State: by name, the last results; an account that has had enough starts anew.
 */
export class FailureWindow {
  private readonly results = new Map<string, Results>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  succeeded(name: string): void {
    this.add(name, 0);
  }

  /** How many of how many failed, once they are too many. */
  failed(name: string): { readonly failures: number; readonly of: number } | undefined {
    const { at, failed, count, lastAt } = this.add(name, 1);
    let failures = 0;
    let recent = 0;
    for (let place = 0; place < count; place += 1) {
      if (lastAt - (at[place] ?? 0) >= RECENT_MS) continue;
      recent += 1;
      failures += failed[place] ?? 0;
    }
    if (failures < FAILURES) return undefined;
    this.results.delete(name);
    return { failures, of: recent };
  }

  private add(name: string, failed: 0 | 1): Results {
    const results = this.results.get(name) ?? this.begin(name);
    results.lastAt = this.now();
    results.at[results.next] = results.lastAt;
    results.failed[results.next] = failed;
    results.next = (results.next + 1) % REMEMBERED;
    if (results.count < REMEMBERED) results.count += 1;
    return results;
  }

  private begin(name: string): Results {
    if (this.results.size >= MOST) this.forgetOldest();
    const results = {
      at: new Float64Array(REMEMBERED),
      failed: new Uint8Array(REMEMBERED),
      next: 0,
      count: 0,
      lastAt: 0,
    };
    this.results.set(name, results);
    return results;
  }

  /** The least recently used one: looked for only where there is no room, since success comes with every call. */
  private forgetOldest(): void {
    let oldest = '';
    let oldestAt = Infinity;
    for (const [name, { lastAt }] of this.results) {
      if (lastAt >= oldestAt) continue;
      oldest = name;
      oldestAt = lastAt;
    }
    this.results.delete(oldest);
  }
}
