import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Settlement } from '../scheduler/settlement.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';
import type { AttemptRecord } from './attempt-record.ts';
import type { Exchange } from './exchange.ts';
import type { Try } from './try.ts';

/** Tells logs and metrics what happened: one line for each attempt. Never a body, a query string or a secret. */
@Injectable()
export class Journal {
  constructor(
    private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  upstreamHead(_one: Try, _record: AttemptRecord): void {}

  attemptEnded(exchange: Exchange, settlement: Settlement, _record: AttemptRecord): void {
    this.log.info(
      {
        requestId: settlement.requestId,
        attempt: settlement.attempt,
        key: settlement.keyId,
        account: settlement.accountId,
        door: exchange.door,
        kind: settlement.kind,
        model: settlement.model,
        outcome: settlement.outcome,
        status: settlement.status,
        reason: settlement.reason,
        durationMs: settlement.durationMs,
      },
      'attempt',
    );
  }
}
