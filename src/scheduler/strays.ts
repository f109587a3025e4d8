import type { Queryable } from '../database/statement.ts';
import { releaseStrays } from './sql/release-strays.ts';

const MOST = 10_000;
const WATCHED_MS = 60_000;

/**
 * Admissions whose answer never came and whose callers were told no. Each may stand as an open row that nobody will
 * settle, now or when a stalled statement goes through at last.
 *
 * States of one: noted → (deleted and its places given back | not there for a minute in which the database answered).
 * Whatever this misses is written off with the epoch.
 */
export class Strays {
  /** First time the database was asked in vain, by the process's own clock; undefined: not asked yet. */
  private readonly noted = new Map<string, number | undefined>();

  get size(): number {
    return this.noted.size;
  }

  note(requestId: string): void {
    if (this.noted.size < MOST) this.noted.set(requestId, undefined);
  }

  async release(db: Queryable): Promise<void> {
    if (this.noted.size === 0) return;
    for (const id of await releaseStrays(db, [...this.noted.keys()])) this.noted.delete(id);
    const now = performance.now();
    for (const [id, since] of this.noted) {
      if (since === undefined) this.noted.set(id, now);
      else if (now - since > WATCHED_MS) this.noted.delete(id);
    }
  }
}
