import { Injectable } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { Scheduler } from '../scheduler/scheduler.ts';

/** An answer that ends so soon behind another one is in a crowd. */
const CROWD_MS = 1;

/**
 * Ends answers: one that comes alone at once; those of a crowd together at the end of this turn of the event loop, when
 * what they came to stands in the spool. A client that went to sleep between two answers had to be woken for each,
 * which costs as much as sending it (docs/decisions/022).
 */
@Injectable()
export class LastBytes {
  private crowd: ServerResponse[] = [];
  private lastAt = -Infinity;

  constructor(private readonly scheduler: Scheduler) {}

  /** What was told of the answer in this turn goes with its end. */
  end(response: ServerResponse): void {
    const now = performance.now();
    const isAlone = now - this.lastAt > CROWD_MS;
    this.lastAt = now;
    if (isAlone) {
      response.end();
      // Its settlement is made before the loop goes on.
      process.nextTick(() => this.scheduler.writeDown());
      return;
    }
    // An answer to a pipelined request has no socket before its turn. Its end uncorks it.
    response.socket?.cork();
    if (this.crowd.length === 0) setImmediate(() => this.send());
    this.crowd.push(response);
  }

  private send(): void {
    const { crowd } = this;
    this.crowd = [];
    this.scheduler.writeDown();
    for (const response of crowd) response.end();
  }
}
