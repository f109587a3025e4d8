import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { LOGGER } from '../telemetry/logger.ts';

/** True: able to serve. False, or a short reason: not. Must be cheap and must not throw. */
export type ReadinessCheck = () => boolean | string;

export type ReadinessState = 'ready' | 'degraded' | 'draining' | 'unavailable';

const OTHERS = 'the other workers';
const FEWER = 'the number of workers';

/**
 * Whether a load balancer should send calls here. States: `ready` while every check says so; `degraded` while one says
 * no that costs only safety: calls are served; `unavailable` while any other does not (back by itself); `draining` from
 * the first SIGTERM to the end, whatever the checks say.
 */
@Injectable()
export class Readiness {
  private leaving = false;
  private readonly checks = new Map<string, ReadinessCheck>();
  private readonly lesser = new Set<string>();
  private told = '';

  constructor(@Inject(LOGGER) private readonly log: Logger) {}

  get draining(): boolean {
    return this.leaving;
  }

  /** Called by shutdown, once and for good. */
  startDraining(): void {
    this.leaving = true;
  }

  /** For example the scheduler: admission is possible. */
  addCheck(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  /** A check whose failure does not keep calls away. */
  addLesserCheck(name: string, check: ReadinessCheck): void {
    this.addCheck(name, check);
    this.lesser.add(name);
  }

  /**
   * Checks of what other workers say, which are left out of what this one tells them; the second is a lesser one.
   */
  addSharedChecks(strict: ReadinessCheck, lesser: ReadinessCheck): void {
    this.addCheck(OTHERS, strict);
    this.addLesserCheck(FEWER, lesser);
  }

  /** Whether calls that come to this very process can be served. */
  get able(): boolean {
    return (
      !this.leaving &&
      [...this.checks].every(([name, check]) => name === OTHERS || this.lesser.has(name) || check() === true)
    );
  }

  /** Reasons go to the log when they change, not to whoever asks. */
  state(): ReadinessState {
    if (this.leaving) return 'draining';
    const failing = [...this.checks]
      .map(([name, check]) => ({ name, answer: check() }))
      .filter(({ answer }) => answer !== true);
    const reasons = failing.map(({ name, answer }) =>
      typeof answer === 'string' ? `${name}: ${answer}` : name,
    );
    const now = reasons.join('; ');
    if (now !== this.told) {
      if (now === '') this.log.info('ready again');
      else this.log.warn({ failing: reasons }, 'not ready');
      this.told = now;
    }
    if (now === '') return 'ready';
    return failing.every(({ name }) => this.lesser.has(name)) ? 'degraded' : 'unavailable';
  }
}
