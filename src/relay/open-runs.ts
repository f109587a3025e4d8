import { Injectable } from '@nestjs/common';
import { Drains } from './drains.ts';
import type { Flow, LeaveReason } from './flow.ts';

/** Every run that has not settled yet, so that shutdown can wait for them and, in the end, cut them. */
@Injectable()
export class OpenRuns {
  private readonly runs = new Map<Promise<void>, Flow>();

  constructor(private readonly drains: Drains) {}

  get count(): number {
    return this.runs.size;
  }

  track(flow: Flow, run: Promise<void>): void {
    const ended = (): void => void this.runs.delete(entry);
    const entry = run.then(ended, ended);
    this.runs.set(entry, flow);
  }

  leaveAll(reason: LeaveReason): void {
    for (const flow of this.runs.values()) flow.leave(reason);
    this.drains.cutAll();
  }

  /** True when every run has ended within `ms`. */
  async ended(ms: number): Promise<boolean> {
    if (this.runs.size === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, ms, false);
    });
    const all = Promise.allSettled(this.runs.keys()).then(() => true);
    try {
      return await Promise.race([all, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
