import type { RequestListener, Server } from 'node:http';
import type { H2c } from './h2c/h2c.ts';
import type { Readiness } from './health/readiness.ts';
import { OpenAnswers } from './open-answers.ts';
import type { OpenRuns } from './relay/open-runs.ts';

/** How long cut runs get to write their error frame and settle. */
const LAST_WORDS_MS = 5_000;
/** The same when somebody asked twice. */
const HURRIED_MS = 1_500;

export interface DrainTimes {
  readonly acceptMs: number;
  readonly drainMs: number;
}

/**
 * Leaves without cutting what need not be cut.
 *
 * States: serving → draining (not ready; connections are still accepted, each told to close, while balancers notice)
 * → closed (no new connection; open requests and answers run on) → cut (after the drain limit: error frame, partial usage) → done.
 * `hurry` goes straight to cut.
 */
export class Shutdown {
  private readonly answers = new OpenAnswers();
  private draining = false;
  private hurried = false;
  private wake: (() => void) | undefined;

  constructor(
    private readonly readiness: Readiness,
    private readonly runs: OpenRuns,
    private readonly times: DrainTimes,
  ) {}

  /**
   * Stands before every route. Tells kept-alive clients to come back on another connection, so that none sends into a
   * closing socket.
   */
  before(listener: RequestListener): RequestListener {
    return (request, response) => {
      this.answers.add(response);
      if (this.draining) response.setHeader('connection', 'close');
      listener(request, response);
    };
  }

  async run(server: Server, h2c: H2c): Promise<void> {
    this.draining = true;
    this.readiness.startDraining();
    h2c.goAway();
    await this.wait(this.times.acceptMs);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    h2c.close();
    await Promise.race([this.ended(h2c, this.times.drainMs), this.askedTwice()]);
    this.runs.leaveAll('draining');
    await this.ended(h2c, this.hurried ? HURRIED_MS : LAST_WORDS_MS);
    server.closeAllConnections();
    h2c.cut();
    await closed;
  }

  hurry(): void {
    this.hurried = true;
    this.wake?.();
  }

  /** Runs alone are not enough: a body may still be on its way in, or the last bytes of an answer on their way out. */
  private async ended(h2c: H2c, ms: number): Promise<void> {
    await Promise.all([this.answers.ended(ms), h2c.ended(ms), this.runs.ended(ms)]);
  }

  private async wait(ms: number): Promise<void> {
    if (ms === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const time = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([time, this.askedTwice()]);
    clearTimeout(timer);
  }

  private askedTwice(): Promise<void> {
    if (this.hurried) return Promise.resolve();
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}
