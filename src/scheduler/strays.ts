import type { Queryable } from '../database/statement.ts';
import { releaseStrays } from './sql/release-strays.ts';

const MOST = 10_000;
const WATCHED_MS = 60_000;

/**
 * Admissions whose answer never came and whose callers were told no. Each may stand as an open row that nobody will
 * settle, now or when a stalled statement goes through at last.
 *
 * States of one: noted → (deleted and its places given back | not there for a minute in which the database answered).
 * Whatever this misses is written off with the epoch. A call that waits on is asked for again by the same id: it is
 * forgotten here before, and noted anew unless it is admitted.
 */
export class Strays {
  /** First time the database was asked in vain, by the process's own clock; undefined: not asked yet. */
  private readonly noted = new Map<string, number | undefined>();

  /** The release that is under way, and whom it names. */
  private releasing: { readonly ids: ReadonlySet<string>; readonly done: Promise<unknown> } | undefined;

  get size(): number {
    return this.noted.size;
  }

  note(requestId: string): void {
    if (this.noted.size < MOST) this.noted.set(requestId, undefined);
  }

  has(requestId: string): boolean {
    return this.noted.has(requestId) || this.releasing?.ids.has(requestId) === true;
  }

  /** They are asked for again: from when this resolves, no release takes away what they are given. */
  async forget(requestIds: readonly string[]): Promise<void> {
    for (const id of requestIds) this.noted.delete(id);
    const { releasing } = this;
    if (requestIds.some((id) => releasing?.ids.has(id))) await releasing?.done.catch(() => undefined);
  }

  async release(db: Queryable): Promise<void> {
    if (this.noted.size === 0) return;
    const ids = [...this.noted.keys()];
    const done = releaseStrays(db, ids);
    this.releasing = { ids: new Set(ids), done };
    try {
      for (const id of await done) this.noted.delete(id);
    } finally {
      this.releasing = undefined;
    }
    const now = performance.now();
    for (const [id, since] of this.noted) {
      if (since === undefined) this.noted.set(id, now);
      else if (now - since > WATCHED_MS) this.noted.delete(id);
    }
  }
}
