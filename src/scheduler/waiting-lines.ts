import type { Refusal } from './admission.ts';
import { Pace } from './pace.ts';
import type { Wish } from './wish.ts';

/** One who stands in a line. */
export interface Waiter {
  /** The line's name: one for each key and lane. */
  readonly line: string;
  /** The line is in this order, by a clock of the process. */
  readonly arrivedAt: number;
  readonly wish: Wish;
  /** False: the call is open and has its key's place already; only an account is missing. */
  readonly needsKey: boolean;
}

/** Refusals that another call's end may undo, so that it makes sense to wait. */
export const FULL: ReadonlySet<Refusal> = new Set(['key-full', 'team-full', 'accounts-full']);

/**
 * What has been learnt since a round of asking began: who was asked in vain, which lines' keys (or their teams) have no place left, and
 * which places of accounts are taken. Nobody is asked whose answer is known by that.
 */
export class Round<W extends Waiter> {
  private readonly asked = new Set<W>();
  private readonly fullKeys = new Set<string>();
  private readonly fullPlaces = new Set<string>();
  private readonly fullWishes = new Map<string, boolean>();

  /** @param concerns whom this round is for; the others are passed over */
  constructor(private readonly concerns: (waiter: W) => boolean = () => true) {}

  learn(waiter: W, refusal: Refusal): void {
    this.asked.add(waiter);
    if (refusal !== 'accounts-full') {
      this.fullKeys.add(waiter.line);
      return;
    }
    for (const place of waiter.wish.places) this.fullPlaces.add(place);
    this.fullWishes.clear();
  }

  mayAsk(waiter: W): boolean {
    if (this.asked.has(waiter) || !this.concerns(waiter)) return false;
    if (waiter.needsKey && this.fullKeys.has(waiter.line)) return false;
    return !this.isFull(waiter.wish);
  }

  private isFull({ name, places }: Wish): boolean {
    let full = this.fullWishes.get(name);
    if (full === undefined) {
      full = [...places].every((place) => this.fullPlaces.has(place));
      this.fullWishes.set(name, full);
    }
    return full;
  }
}

/** Where a line was looked at, and what of it may not be overtaken. */
interface Cursor<W> {
  readonly waiters: readonly W[];
  at: number;
  readonly heldWishes: Set<string>;
  readonly heldAccounts: Set<string>;
}

interface Line<W> {
  readonly waiters: W[];
  /** Of those who want the same, by their wish's name; others may be let in faster, or not at all. */
  readonly paces: Map<string, Pace>;
}

/**
 * Who waits, one line for each key and lane, each first in, first out; between lines the turn goes round, so that a
 * long one does not keep a short one waiting.
 *
 * Within a line nobody is asked before somebody earlier who wants one of the same accounts and is still to be asked.
 * Whose places are known to be taken does not stand in the way of those who want others.
 */
export class WaitingLines<W extends Waiter> {
  /** In the order of turns: the one that was served last is last. */
  private readonly lines = new Map<string, Line<W>>();
  private count = 0;

  /** @param waitMs how long one waits at most */
  constructor(private readonly waitMs: number) {}

  get size(): number {
    return this.count;
  }

  lengthOf(line: string): number {
    return this.lines.get(line)?.waiters.length ?? 0;
  }

  first(line: string): W | undefined {
    return this.lines.get(line)?.waiters[0];
  }

  /** Whether somebody came to this line before. */
  isBehind(line: string, arrivedAt: number): boolean {
    const first = this.first(line);
    return first !== undefined && first.arrivedAt < arrivedAt;
  }

  /** How many of the line who want the same come before one who came at that time. */
  ahead(line: string, arrivedAt: number, { name }: Wish): number {
    let ahead = 0;
    for (const waiter of this.lines.get(line)?.waiters ?? []) {
      if (waiter.arrivedAt > arrivedAt) break;
      if (waiter.wish.name === name) ahead += 1;
    }
    return ahead;
  }

  /** How many who want this may be let in while one waits; undefined where none has been waiting for it for so long. */
  reach(line: string, { name }: Wish): number | undefined {
    return this.lines.get(line)?.paces.get(name)?.lately();
  }

  /** Whether one of these places is waited for by none of those in the line who count, so that nothing is known of it. */
  hasNews(line: string, { name, places }: Wish, counts: (waiter: W) => boolean): boolean {
    const wishes = new Map<string, Wish>();
    for (const waiter of this.lines.get(line)?.waiters ?? [])
      if (counts(waiter)) wishes.set(waiter.wish.name, waiter.wish);
    if (wishes.has(name)) return false;
    const others = [...wishes.values()];
    return [...places].some((place) => !others.some((wish) => wish.places.has(place)));
  }

  *all(): Iterable<readonly W[]> {
    for (const { waiters } of this.lines.values()) yield waiters;
  }

  /** @returns whether nobody in the line wants the same yet, so that nothing is known of it */
  enter(waiter: W): boolean {
    let line = this.lines.get(waiter.line);
    if (line === undefined) this.lines.set(waiter.line, (line = { waiters: [], paces: new Map() }));
    const { waiters, paces } = line;
    const isNews = !paces.has(waiter.wish.name);
    if (isNews) paces.set(waiter.wish.name, new Pace(this.waitMs));
    let at = waiters.length;
    while (at > 0 && (waiters[at - 1]?.arrivedAt ?? 0) > waiter.arrivedAt) at -= 1;
    waiters.splice(at, 0, waiter);
    this.count += 1;
    return isNews;
  }

  leave(waiter: W): void {
    const line = this.lines.get(waiter.line);
    const at = line?.waiters.indexOf(waiter) ?? -1;
    if (line === undefined || at < 0) return;
    const { waiters, paces } = line;
    waiters.splice(at, 1);
    this.count -= 1;
    if (!waiters.some(({ wish }) => wish.name === waiter.wish.name)) paces.delete(waiter.wish.name);
    if (waiters.length === 0) this.lines.delete(waiter.line);
  }

  /** One who stands in its line got its place: the turn goes to the others. */
  served({ line: name, wish }: W): void {
    const line = this.lines.get(name);
    if (line === undefined) return;
    line.paces.get(wish.name)?.letIn();
    this.lines.delete(name);
    this.lines.set(name, line);
  }

  /**
   * Whom to ask next, in the order to be kept: one of each line after the other, and so on, at most `width` of those
   * who want the same and `most` in all.
   */
  pick(round: Round<W>, width: number, most: number): W[] {
    const picks: W[] = [];
    const byWish = new Map<string, number>();
    const isFree = (waiter: W): boolean => picks.length < most && (byWish.get(waiter.wish.name) ?? 0) < width;
    let cursors = [...this.lines.values()].map(({ waiters }) => cursorOf(waiters));
    while (cursors.length > 0 && picks.length < most) {
      cursors = cursors.filter((cursor) => {
        const waiter = next(cursor, round, isFree);
        if (waiter === undefined) return false;
        picks.push(waiter);
        byWish.set(waiter.wish.name, (byWish.get(waiter.wish.name) ?? 0) + 1);
        return true;
      });
    }
    return picks;
  }
}

function cursorOf<W>(waiters: readonly W[]): Cursor<W> {
  return { waiters, at: 0, heldWishes: new Set(), heldAccounts: new Set() };
}

/** The next one of a line who may be asked; whoever could be, but not now, holds back those who want the same. */
function next<W extends Waiter>(
  cursor: Cursor<W>,
  round: Round<W>,
  isFree: (waiter: W) => boolean,
): W | undefined {
  const { waiters, heldWishes, heldAccounts } = cursor;
  for (; cursor.at < waiters.length; cursor.at += 1) {
    const waiter = waiters[cursor.at] as W;
    if (!round.mayAsk(waiter) || heldWishes.has(waiter.wish.name)) continue;
    const accounts = [...waiter.wish.accounts];
    if (isFree(waiter) && !accounts.some((id) => heldAccounts.has(id))) {
      cursor.at += 1;
      return waiter;
    }
    heldWishes.add(waiter.wish.name);
    for (const id of accounts) heldAccounts.add(id);
  }
  return undefined;
}
