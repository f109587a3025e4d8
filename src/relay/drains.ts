import { Injectable } from '@nestjs/common';

/** More than so many at once would take the connections of clients that are still there. */
const MOST_AT_ONCE = 32;

/**
 * Answers that are read to their end though their client has left, on accounts that bill an aborted one in full: what
 * they used is then known. States of one: begun (within the bound) → ended, once.
 */
@Injectable()
export class Drains {
  private readonly open = new Set<() => void>();

  get count(): number {
    return this.open.size;
  }

  /** Answers how to end it, or undefined when there is no room: the answer is to be cut. @param cut cuts the answer */
  begin(cut: () => void): (() => void) | undefined {
    if (this.open.size >= MOST_AT_ONCE) return undefined;
    this.open.add(cut);
    return () => this.open.delete(cut);
  }

  /** The relay leaves, and nobody waits for these. */
  cutAll(): void {
    for (const cut of [...this.open]) cut();
  }
}
