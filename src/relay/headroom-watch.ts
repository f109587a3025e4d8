import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import { Scheduler } from '../scheduler/scheduler.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { modelFamily } from './candidates.ts';
import { leanFor } from './lean.ts';
import type { Try } from './try.ts';

const BYTES_PER_TOKEN = 4;
/** A later end is news when it is later by more than this. */
const NEWS_MS = 2_000;
const MOST_KNOWN = 10_000;

/**
 * Reads what successful answers say is left of their account's limits, and tells all replicas of an account that is
 * nearly at one, so that others are chosen before it. It is advice: no call is refused or fails for it.
 *
 * State: until when accounts are known to be near a limit, by account and model family, so that it is written once.
 */
@Injectable()
export class HeadroomWatch {
  private readonly known = new Map<string, number>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** Before the call's body is let go. Counting tokens has limits of its own, which are nobody else's. */
  saw({ call, account, upstream, model }: Try, headers: Readonly<Record<string, string>>): void {
    const headroom = call.lane === 'count' ? undefined : upstream.headroom?.(headers);
    if (headroom === undefined || headroom.length === 0) return;
    const forMs = leanFor(headroom, Math.ceil(call.body.length / BYTES_PER_TOKEN));
    if (forMs === undefined) return;
    const family = modelFamily(model);
    const name = `${account.id} ${family}`;
    const until = performance.now() + forMs;
    if (until < (this.known.get(name) ?? 0) + NEWS_MS) return;
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(name, until);
    this.metrics.accountLean(account.kind);
    this.log.info({ account: account.id, family, forMs }, 'account is near a limit');
    this.scheduler.rests.lean(account.id, family, forMs).catch((error: unknown) => {
      this.known.delete(name);
      this.log.warn({ err: error, account: account.id }, 'a limit that is near could not be told');
    });
  }
}
