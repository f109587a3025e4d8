import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { UsageSumsRepository } from './usage-sums.repository.ts';

/** Hours in one transaction, which is to be short. */
const HOURS_AT_ONCE = 24;

/**
 * Keeps the sums of the ledger, by the clock. States: made → started (a timer, one folding at a time) → stopped. A
 * folding that fails is logged once and tried again at the next turn; until then reports read the rows themselves.
 */
@Injectable()
export class UsageFolding implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  private failing = false;

  constructor(
    private readonly sums: UsageSumsRepository,
    @Inject(ENV) private readonly env: Pick<Env, 'foldMs'>,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.later();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  /** Until no mark is left. */
  async fold(): Promise<void> {
    while (!this.stopped && (await this.sums.fold(HOURS_AT_ONCE)) === HOURS_AT_ONCE);
  }

  private later(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.running = this.attempt().finally(() => this.later());
    }, this.env.foldMs).unref();
  }

  private async attempt(): Promise<void> {
    try {
      await this.fold();
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.log.warn({ err: error }, 'usage could not be summed; it is tried again');
      this.failing = true;
    }
  }
}
