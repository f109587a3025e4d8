import { Inject, Injectable } from '@nestjs/common';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { type Call, type Dialect } from '../dialects/dialect.ts';
import { RelayError } from '../errors/relay-error.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Verdict } from '../upstream/upstream.ts';
import { PriceBook } from '../usage/price-book.ts';
import type { AnswerBody } from './answer-body.ts';
import { AttemptRecord } from './attempt-record.ts';
import { Cut, endingOf } from './cut.ts';
import type { Exchange } from './exchange.ts';
import { forwardedHeaders } from './forwarded-headers.ts';
import { Journal } from './journal.ts';
import { errorEventReason, outcomeOf, refusalOf, withoutWaits } from './refusal.ts';
import type { RelayEvent } from './relay-event.ts';
import type { Try } from './try.ts';
import { type SignedAnswer, UpstreamCall } from './upstream-call.ts';

/** A JSON answer up to this size is read whole before its head is sent, so that a broken one becomes a 502. */
const JSON_PEEK_BYTES = 1024 * 1024;

/** A vendor's ids are a few dozen characters; a ledger row is not the place for more. */
const REQUEST_ID_LENGTH = 128;

/** How an attempt ended before its head; undefined when the client has its answer. */
export interface Miss {
  readonly error: RelayError;
  /** Another account may do better: no byte was sent, and the caller is not at fault. */
  readonly elsewhere: boolean;
}

interface Progress {
  headSent: boolean;
  /** A stream's own end was seen, and the client's socket took every byte; a document has its length to keep, too. */
  handedOver: boolean;
}

/**
 * One attempt, from the lease to its one settle: send, judge, and hand the answer on while a copy is metered.
 * Every way out passes the `finally`.
 */
@Injectable()
export class Attempt {
  constructor(
    private readonly upstreamCall: UpstreamCall,
    private readonly scheduler: Scheduler,
    private readonly prices: PriceBook,
    private readonly journal: Journal,
    @Inject(ENV) private readonly env: Env,
  ) {}

  async *run(exchange: Exchange, one: Try): AsyncGenerator<RelayEvent, Miss | undefined> {
    const { call, lease, account } = one;
    const record = new AttemptRecord(exchange, call, lease, account, one.model);
    const cut = new Cut(exchange.flow, this.env.clocks.totalMs);
    const progress: Progress = { headSent: false, handedOver: false };
    let body: AnswerBody | undefined;
    try {
      this.journal.attemptBegun(exchange, one);
      const answer = await this.upstreamCall.send(exchange, one, cut.signal, (status, headers) => {
        record.status = status;
        record.upstreamRequestId = requestIdIn(headers);
      });
      body = answer.body;
      this.journal.upstreamHead(one, record.startedAt);
      if (answer.verdict === undefined) {
        yield* this.success(exchange, one, answer, record, progress);
        return undefined;
      }
      return yield* this.refusal(exchange, answer, answer.verdict, record, progress);
    } catch (thrown) {
      const ending = endingOf(thrown, cut.signal, progress.headSent);
      if (ending.reason === 'internal') this.journal.internal(exchange, thrown);
      record.outcome = ending.outcome;
      record.reason = ending.reason;
      if (!progress.headSent) return { error: ending.error, elsewhere: ending.outcome !== 'client-left' };
      yield this.brokenOff(record, progress, ending.error);
      return undefined;
    } finally {
      cut.release();
      body?.destroy();
      const settlement = record.settlement(this.prices);
      // Nobody waits for it: a refusal must not wait for the ledger, nor a request body for a database that is away.
      void this.scheduler.settle(settlement);
      this.journal.attemptEnded(settlement);
    }
  }

  /** A 2xx: checked as far as can be before the head, then every byte as it came. */
  private async *success(
    exchange: Exchange,
    { call }: Try,
    answer: SignedAnswer,
    record: AttemptRecord,
    progress: Progress,
  ): AsyncGenerator<RelayEvent, void> {
    const { body } = answer;
    const reader = exchange.dialect.reader(call.operation, call.framing);
    record.reader = reader;
    record.outcome = 'unknown';
    this.mustBeUsable(answer, exchange.dialect, call);
    let metered = 0;
    if (call.framing === 'json') {
      const { size, whole } = await body.look(JSON_PEEK_BYTES, (chunk) => reader.push(chunk));
      metered = size;
      if (whole) reader.finish();
      if (whole && !reader.complete)
        throw new RelayError('upstream-unusable', 'The upstream answered with a broken document');
    } else if (await body.arrives(this.env.clocks.keepAliveMs)) {
      const first = await body.peek(1);
      if (first.whole) throw new RelayError('upstream-unusable', 'The upstream answered with nothing');
    }

    progress.headSent = true;
    exchange.forgetBody();
    yield {
      type: 'head',
      status: answer.status,
      headers: forwardedHeaders(answer.headers, exchange.dialect, call.framing),
      framing: call.framing,
      reader,
    };
    for (let bytes = await body.next(); bytes !== undefined; bytes = await body.next()) {
      record.firstByte();
      if (metered > 0) metered -= bytes.length;
      else reader.push(bytes);
      yield { type: 'data', bytes };
      progress.handedOver = call.framing !== 'json' && reader.complete && !exchange.flow.signal.aborted;
    }
    // A document that ends too early is only short; `finish` would call it unreadable.
    const rubbish = call.framing !== 'sse' && reader.lost;
    reader.finish();
    const { outcome, reason, failure } = outcomeOf(reader, call, rubbish);
    record.outcome = outcome;
    record.reason = reason;
    yield {
      type: 'end',
      outcome,
      usage: record.usage().usage,
      ...(failure === undefined ? {} : { failure }),
    };
  }

  /** The end of an answer whose head is sent. What the vendor itself told before, its end or its error, stands. */
  private brokenOff(record: AttemptRecord, { handedOver }: Progress, failure: RelayError): RelayEvent {
    const { reader } = record;
    const failed = record.outcome === 'partial' ? reader?.failure : undefined;
    if (failed !== undefined) record.reason = errorEventReason(failed);
    if (handedOver) {
      record.outcome = 'completed';
      record.reason = null;
    }
    const { usage } = record.usage();
    const untold = !handedOver && failed === undefined;
    return { type: 'end', outcome: record.outcome, usage, ...(untold ? { failure } : {}) };
  }

  /** Anything but a 2xx: the caller's own mistake and the vendor's trouble pass as they came, the rest is ours to say. */
  private async *refusal(
    exchange: Exchange,
    answer: SignedAnswer,
    verdict: Verdict,
    record: AttemptRecord,
    progress: Progress,
  ): AsyncGenerator<RelayEvent, Miss | undefined> {
    const refusal = refusalOf(answer, verdict);
    record.outcome = refusal.outcome;
    record.reason = refusal.reason;
    if (refusal.error !== undefined) return { error: refusal.error, elsewhere: refusal.outcome === 'failed' };

    const forwarded = forwardedHeaders(answer.headers, exchange.dialect, 'json');
    const headers = { ...withoutWaits(forwarded, answer.status), ...refusal.headers };
    const reader = { atBoundary: false };
    progress.headSent = true;
    yield { type: 'head', status: answer.status, headers, framing: 'json', reader };
    for (let bytes = await answer.body.next(); bytes !== undefined; bytes = await answer.body.next()) {
      record.firstByte();
      yield { type: 'data', bytes };
    }
    yield { type: 'end', outcome: refusal.outcome, usage: record.usage().usage };
    return undefined;
  }

  private mustBeUsable(answer: SignedAnswer, dialect: Dialect, call: Call): void {
    const essence = (answer.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
    const encoding = answer.headers['content-encoding'] ?? 'identity';
    if (answer.status !== 200 || essence !== dialect.contentType(call.framing) || encoding !== 'identity') {
      throw new RelayError(
        'upstream-unusable',
        'The upstream answered with something that is not its own format',
      );
    }
  }
}

function requestIdIn(headers: Readonly<Record<string, string>>): string | null {
  const id = headers['request-id'] ?? headers['x-request-id'];
  return id?.slice(0, REQUEST_ID_LENGTH) ?? null;
}
