/** Results remembered of one account and model family, and how many of them must be failures. */
const REMEMBERED = 16;
const FAILURES = 5;
/** Older results say nothing of now. */
const RECENT_MS = 60_000;
const MOST = 10_000;

interface Result {
  readonly at: number;
  readonly ok: boolean;
}

/**
 * The last results of each account on this process: five failures among the last sixteen within a minute are too many,
 * whatever went well before. An account with half of its calls failing reaches that within ten failures; one with a
 * few per cent of bad luck does not.
 *
 * State: by name, the last results; an account that has had enough starts anew.
 */
export class FailureWindow {
  private readonly results = new Map<string, Result[]>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  succeeded(name: string): void {
    this.add(name, true);
  }

  /** How many of how many failed, once they are too many. */
  failed(name: string): { readonly failures: number; readonly of: number } | undefined {
    const results = this.add(name, false);
    const failures = results.filter(({ ok }) => !ok).length;
    if (failures < FAILURES) return undefined;
    this.results.delete(name);
    return { failures, of: results.length };
  }

  private add(name: string, ok: boolean): readonly Result[] {
    const at = this.now();
    const results = this.results.get(name) ?? [];
    results.push({ at, ok });
    const old = results.findIndex((result) => at - result.at < RECENT_MS);
    results.splice(0, Math.max(old, results.length - REMEMBERED));
    // The least recently used one goes first.
    this.results.delete(name);
    this.results.set(name, results);
    if (this.results.size > MOST) this.results.delete(this.results.keys().next().value ?? '');
    return results;
  }
}
