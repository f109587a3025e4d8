import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Settlement } from '../scheduler/settlement.ts';
import { LOGGER } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';
import type { Exchange } from './exchange.ts';
import type { Blame } from './miss.ts';
import type { Try } from './try.ts';

/** Tells logs and metrics what happened to a call. Never a body, a query string or a secret. */
@Injectable()
export class Journal {
  constructor(
    private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  attemptBegun(exchange: Exchange, { call }: Try): void {
    this.metrics.placeTaken(call.lane);
    this.metrics.ownOverhead(exchange.door, performance.now() - exchange.receivedAt - exchange.waitedMs);
  }

  upstreamHead({ account }: Try, sentAt: number): void {
    this.metrics.upstreamHead(account.kind, performance.now() - sentAt);
  }

  /** A call missed, and was to go on. */
  failover(blame: Blame, result: 'moved' | 'refused' | 'over-ratio'): void {
    this.metrics.failover(blame, result);
  }

  /** One line for each attempt: with one attempt a call, the request's line. */
  attemptEnded(settlement: Settlement): void {
    this.metrics.placeGiven(settlement.lane);
    this.metrics.attemptEnded(settlement);
    this.log.info(
      {
        requestId: settlement.requestId,
        clientRequestId: settlement.clientRequestId ?? undefined,
        attempt: settlement.attempt,
        key: settlement.keyId,
        account: settlement.accountId,
        door: settlement.door,
        kind: settlement.kind,
        model: settlement.model,
        outcome: settlement.outcome,
        status: settlement.status,
        reason: settlement.reason ?? undefined,
        firstByteMs: settlement.firstByteMs ?? undefined,
        durationMs: settlement.durationMs,
      },
      'attempt ended',
    );
  }

  /** The client has its whole answer, or what there was of it. */
  callEnded(
    exchange: Exchange,
    outcome: string,
    status: number | null,
    firstByteAt: number | undefined,
  ): void {
    this.metrics.callEnded({
      door: exchange.door,
      lane: exchange.lane,
      outcome,
      status,
      firstByteMs: firstByteAt === undefined ? null : firstByteAt - exchange.receivedAt,
      durationMs: performance.now() - exchange.receivedAt,
    });
  }

  /** One line for each call that was read and refused: one that had no attempt is told of nowhere else. */
  refused(exchange: Exchange, code: Parameters<Metrics['refused']>[0]): void {
    const { requestId, clientRequestId, caller, door, attempts, waitedMs } = exchange;
    this.metrics.refused(code, door);
    this.log.info(
      {
        requestId,
        clientRequestId,
        key: caller.key.id,
        door,
        code,
        attempts,
        waitedMs: Math.round(waitedMs),
      },
      'call refused',
    );
  }

  internal(exchange: Exchange, error: unknown): void {
    this.log.error({ requestId: exchange.requestId, err: error }, 'a call failed in our own code');
  }
}
