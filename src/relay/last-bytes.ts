import { Injectable } from '@nestjs/common';
import type { ServerResponse } from 'node:http';

/** An answer that ends so soon behind another one is in a crowd. */
const CROWD_MS = 1;

/**
 * Ends answers: one that comes alone at once; those of a crowd together at the end of this turn of the event loop, when
 * the spool has what they came to. A client that went to sleep between two answers had to be woken for each, which
 * costs as much as sending it (docs/decisions/022).
 */
@Injectable()
export class LastBytes {
  private crowd: ServerResponse[] = [];
  private lastAt = -Infinity;

  /** What was told of the answer in this turn goes with its end. */
  end(response: ServerResponse): void {
    const now = performance.now();
    const isAlone = now - this.lastAt > CROWD_MS;
    this.lastAt = now;
    if (isAlone) {
      response.end();
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
    for (const response of crowd) {
      try {
        response.end();
      } catch {
        response.destroy();
      }
    }
  }
}
