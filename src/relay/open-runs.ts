import { Injectable } from '@nestjs/common';
import { Drains } from './drains.ts';
import type { Flow, LeaveReason } from './flow.ts';

interface Run {
  /** Undefined once it has ended: a table that V8 has left behind still holds the run, and must not hold its call. */
  flow: Flow | undefined;
  readonly ended: Promise<void>;
}

/**
 * Every run that has not settled yet, so that shutdown can wait for them and, in the end, cut them.
 * On what a set keeps alive: docs/decisions/015.
 */
@Injectable()
export class OpenRuns {
  private readonly runs = new Set<Run>();

  constructor(private readonly drains: Drains) {}

  get count(): number {
    return this.runs.size;
  }

  track(flow: Flow, run: Promise<void>): void {
    const over = (): void => {
      entry.flow = undefined;
      this.runs.delete(entry);
    };
    const entry: Run = { flow, ended: run.then(over, over) };
    this.runs.add(entry);
  }

  leaveAll(reason: LeaveReason): void {
    for (const { flow } of this.runs) flow?.leave(reason);
    this.drains.cutAll();
  }

  /** True when every run has ended within `ms`. */
  async ended(ms: number): Promise<boolean> {
    if (this.runs.size === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, ms, false);
    });
    const all = Promise.all([...this.runs].map(({ ended }) => ended)).then(() => true);
    try {
      return await Promise.race([all, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
