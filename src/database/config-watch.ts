import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Logger } from 'pino';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { ConfigHint } from './config-hint.ts';
import { CONFIG_CHANNEL, READ_VERSION } from './config.repository.ts';
import { HOT_POOL } from './hot-pool.ts';
import type { Queryable } from './statement.ts';

interface Listener {
  /** What it has taken in; it is asked again from here until it succeeds. */
  seen: bigint;
  readonly run: (fromVersion: bigint) => Promise<void>;
}

/**
 * Tells the rooms when settings changed: by a hint as soon as a change commits, by a poll if the hint is lost.
 *
 * States: idle → looking (version read, listeners behind it run one after another) → idle. A look asked for while
 * another goes on is one more look after it, shared by all who asked: the one going on may have read the version too
 * early. Looks never overlap.
 */
@Injectable()
export class ConfigWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly listeners: Listener[] = [];
  private readonly hint: ConfigHint | undefined;
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    @Inject(ENV) private readonly env: Env,
    @Inject(HOT_POOL) private readonly database: Queryable,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    if (env.configHint && env.databaseUrl !== undefined) {
      this.hint = new ConfigHint(env.databaseUrl, CONFIG_CHANNEL, () => void this.refresh());
    }
  }

  /**
   * `listener` gets the version it has taken in so far; the first time 0, that is: load everything. When it fails it is
   * called again, from the same version, at the next look.
   */
  onChange(listener: (fromVersion: bigint) => Promise<void>): void {
    this.listeners.push({ seen: 0n, run: listener });
  }

  /**
   * Looks now, and waits until every listener that was behind has run. Does not throw: what failed is logged and tried
   * again at the next poll.
   */
  refresh(): Promise<void> {
    if (this.closed) return Promise.resolve();
    if (this.next !== undefined) return this.next;
    if (this.running === undefined) return this.begin();
    return (this.next = this.running.then(() => {
      this.next = undefined;
      return this.begin();
    }));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.timer = setInterval(() => {
      // A look that takes longer than a period must not pile up others.
      if (this.running === undefined) void this.refresh();
    }, this.env.configPollMs).unref();
    this.hint?.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    await this.hint?.close();
    await this.next;
    await this.running;
  }

  private begin(): Promise<void> {
    this.running = this.look().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async look(): Promise<void> {
    let version: bigint;
    try {
      const [row] = await this.database.run<{ version: string }>(READ_VERSION, []);
      version = BigInt(row?.version ?? 0);
    } catch (error) {
      this.log.warn({ err: error }, 'the version of the settings could not be read');
      return;
    }
    for (const listener of this.listeners) {
      if (listener.seen === version) continue;
      try {
        // Behind what was seen: another copy of the database took over.
        await listener.run(listener.seen > version ? 0n : listener.seen);
        listener.seen = version;
      } catch (error) {
        this.log.error({ err: error }, 'changed settings could not be taken in');
      }
    }
  }
}
