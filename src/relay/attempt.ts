import { Inject, Injectable } from '@nestjs/common';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import type { AnswerReader, Call, Dialect } from '../dialects/dialect.ts';
import { dialectOf } from '../dialects/dialect-of.ts';
import { RelayError } from '../errors/relay-error.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Settlement } from '../scheduler/settlement.ts';
import type { Verdict } from '../upstream/upstream.ts';
import { PriceBook } from '../usage/price-book.ts';
import { bindingAfter } from './affinity.ts';
import { AccountHealth } from './account-health.ts';
import type { AnswerBody } from './answer-body.ts';
import { AttemptRecord } from './attempt-record.ts';
import { Cut, endingOf } from './cut.ts';
import { Drains } from './drains.ts';
import type { Exchange } from './exchange.ts';
import { foreignFailure } from './error-words.ts';
import { HeadroomWatch } from './headroom-watch.ts';
import { Journal } from './journal.ts';
import { isOurs, keptAnswer, refusedHeaders, tellKept } from './kept-answer.ts';
import type { Blame, Miss, SettledMiss } from './miss.ts';
import { type Passage, passageOf } from './passage.ts';
import { errorEventReason, outcomeOf, refusalOf } from './refusal.ts';
import type { RelayEvent } from './relay-event.ts';
import type { Tell } from './relay-observable.ts';
import type { Try } from './try.ts';
import { type SignedAnswer, UpstreamCall } from './upstream-call.ts';

/** A JSON answer up to this size is read whole before its head is sent, so that a broken one becomes a 502. */
const JSON_PEEK_BYTES = 1024 * 1024;
/** A JSON answer that is translated is read whole, up to this size. */
const MAX_TRANSLATED_BYTES = 32 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

/** A vendor's ids are a few dozen characters; a ledger row is not the place for more. */
const REQUEST_ID_LENGTH = 128;

interface Progress {
  headSent: boolean;
  /** A stream's own end was seen, and the client's socket took every byte; a document has its length to keep, too. */
  handedOver: boolean;
}

/** An attempt on its way: what is known of it, how far it is, what ends it early, and where its events go. */
interface Course {
  readonly record: AttemptRecord;
  readonly progress: Progress;
  readonly cut: Cut;
  readonly tell: Tell;
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
    private readonly health: AccountHealth,
    private readonly headroom: HeadroomWatch,
    private readonly journal: Journal,
    private readonly drains: Drains,
    @Inject(ENV) private readonly env: Env,
  ) {}

  /** @returns how it missed, settled but not as the call's last attempt where another may follow */
  async run(exchange: Exchange, one: Try, tell: Tell): Promise<SettledMiss | undefined> {
    const { call, account } = one;
    const record = new AttemptRecord(exchange, one);
    const drains = account.onClientLeave === 'drain' && call.lane === 'generate' ? this.drains : undefined;
    const cut = new Cut(exchange.flow, this.env.clocks.totalMs, drains);
    const progress: Progress = { headSent: false, handedOver: false };
    const course: Course = { record, progress, cut, tell };
    let body: AnswerBody | undefined;
    let miss: Miss | undefined;
    let settlement: Settlement | undefined;
    try {
      await this.scheduler.begin(() => record.settlement(this.prices));
      this.journal.attemptBegun(exchange, one);
      const answer = await this.upstreamCall.send(exchange, one, cut.signal, (status, headers) => {
        record.status = status;
        record.upstreamRequestId = requestIdIn(headers);
      });
      body = answer.body;
      this.journal.upstreamHead(one, record.startedAt);
      if (answer.verdict === undefined) await this.success(exchange, one, answer, course);
      else miss = await this.refusal(exchange, one, answer, answer.verdict, course);
    } catch (thrown) {
      // Of many clients that hang up at once, all have their upstreams cut before the first is booked.
      if (exchange.flow.signal.aborted) await turnOfTheLoop();
      const ending = endingOf(thrown, cut.signal, progress.headSent, record.status !== null);
      if (ending.reason === 'internal') this.journal.internal(exchange, thrown);
      record.outcome = ending.outcome;
      record.reason = ending.reason;
      const rested = await this.health.broke(one, ending.reason);
      if (progress.headSent) await tell(this.brokenOff(record, progress, ending.error));
      else miss = { blame: ending.blame, told: ending.error, free: ending.unsent || rested.isNews };
    } finally {
      if (cut.isDraining) record.drained();
      cut.release();
      body?.destroy();
      record.final = miss === undefined || miss.blame === 'relay';
      settlement = record.settlement(this.prices);
      // Nobody waits for it: a refusal must not wait for the ledger, nor a request body for a database that is away.
      void this.scheduler.settle(settlement);
      if (settlement.usage.cacheWrite1hTokens > 0) this.bind(one, true);
      this.journal.attemptEnded(settlement);
      if (one.lease.probe === true) await this.health.probeEnded(one, record.startedAt);
    }
    return miss && { ...miss, settlement };
  }

  /** A 2xx: checked as far as can be before the head, then every byte as it came, or as its dialect translates. */
  private async success(
    exchange: Exchange,
    one: Try,
    answer: SignedAnswer,
    { record, progress, cut, tell }: Course,
  ): Promise<void> {
    const { body } = answer;
    const { call, sent } = one;
    const dialect = dialectOf(sent.call.dialect);
    const reader = dialect.reader(sent.call.operation, sent.call.framing);
    record.reader = reader;
    record.outcome = 'unknown';
    this.mustBeUsable(answer, dialect, sent.call);
    const passage = passageOf(exchange, one, reader);
    const streamed = call.framing !== 'json';
    let metered = 0;
    /** A document that is all there is settled in the turn in which it is told, unless its client is slow. */
    let allThere = false;
    if (call.framing === 'json') {
      const limit = passage.whole ? MAX_TRANSLATED_BYTES : JSON_PEEK_BYTES;
      const { size, whole } = await body.look(limit, (chunk) => reader.push(chunk));
      metered = size;
      allThere = whole;
      if (whole) reader.finish();
      if (whole ? !reader.complete : passage.whole)
        throw new RelayError('upstream-unusable', 'The upstream answered with a broken document');
    } else if (await body.arrives(this.env.clocks.keepAliveMs)) {
      const { size } = await body.look(1);
      if (size === 0) throw new RelayError('upstream-unusable', 'The upstream answered with nothing');
    }
    const document = passage.whole ? await this.translated(body, passage) : undefined;

    this.health.answered(one);
    this.headroom.saw(one, answer.headers);
    this.bind(one);
    progress.headSent = true;
    exchange.forgetBody();
    const full = tell({
      type: 'head',
      status: answer.status,
      headers: Object.assign(
        passage.headers(answer.headers),
        document && { 'content-length': String(document.length) },
      ),
      framing: call.framing,
      reader: passage.reader,
    });
    if (full !== undefined) await full;
    if (document !== undefined) {
      record.firstByte();
      await tell({ type: 'data', bytes: document });
    }
    const noteUsage = (): void => {
      if (reader.reported && record.isFirstUsage()) this.scheduler.seen(one.lease);
    };
    const given = (): undefined => {
      progress.handedOver = streamed && sent.answer === undefined && this.over(reader, exchange);
    };
    const give = (bytes: Buffer): Promise<void> | undefined => {
      record.firstByte();
      cut.took(bytes.length);
      if (metered > 0) metered -= bytes.length;
      else reader.push(bytes);
      if (!allThere) noteUsage();
      const told = passage.take(bytes);
      const full = told && tell({ type: 'data', bytes: told });
      if (full === undefined) return given();
      noteUsage();
      return full.then(given);
    };
    await body.pour(give, () => passage.broken);
    // A document that ends too early is only short; `finish` would call it unreadable.
    const rubbish = sent.call.framing !== 'sse' && reader.lost;
    reader.finish();
    const { outcome, reason, failure } = outcomeOf(reader, sent.call, rubbish);
    record.outcome = outcome;
    record.reason = reason;
    if (reader.failure !== undefined) await this.health.told(one, reader.failure);
    else if (reason !== null) await this.health.broke(one, reason);
    const last = document === undefined && reader.complete ? passage.end() : undefined;
    if (last !== undefined) await tell({ type: 'data', bytes: last });
    progress.handedOver = streamed && this.over(reader, exchange);
    // The vendor's own error frame is not one that a client of another dialect has seen.
    const unseen = sent.call.dialect !== call.dialect && reader.failure && foreignFailure(reader.failure);
    const untold = failure ?? unseen;
    return tell({
      type: 'end',
      outcome,
      usage: record.usage().usage,
      ...(untold ? { failure: untold } : {}),
    });
  }

  private bind(one: Try, wroteForAnHour = false): void {
    const binding = bindingAfter(one, wroteForAnHour);
    if (binding !== undefined) this.scheduler.bind(binding);
  }

  /** The stream's own end was seen, and the client is still there. */
  private over(reader: AnswerReader, exchange: Exchange): boolean {
    return reader.complete && !exchange.flow.signal.aborted;
  }

  private async translated(body: AnswerBody, passage: Passage): Promise<Uint8Array> {
    await body.pour((bytes) => void passage.take(bytes));
    return passage.end() ?? EMPTY;
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
  private async refusal(
    exchange: Exchange,
    one: Try,
    answer: SignedAnswer,
    verdict: Verdict,
    { record, progress, tell }: Course,
  ): Promise<Miss | undefined> {
    const refusal = refusalOf(answer, verdict);
    record.outcome = refusal.outcome;
    record.reason = refusal.reason;
    const rested = await this.health.judged(one, verdict, answer.status);
    const told = refusal.error ?? (await keptAnswer(exchange, one.call, one.sent.call, answer, refusal));
    if (told !== undefined && verdict.at !== 'client') {
      return {
        blame: blameOf(verdict),
        told,
        free: answer.isNews || rested.isNews,
        backInMs: rested.backInMs,
      };
    }
    if (refusal.error !== undefined) return { blame: 'relay', told: refusal.error, free: true };

    progress.headSent = true;
    record.firstByte();
    const { usage } = record.usage();
    const end = { type: 'end', outcome: refusal.outcome, usage } as const;
    if (told !== undefined && !isOurs(told)) {
      await tellKept(told, end, tell);
      return undefined;
    }
    const headers = refusedHeaders(exchange, answer, refusal);
    await tell({
      type: 'head',
      status: answer.status,
      headers,
      framing: 'json',
      reader: { atBoundary: false },
    });
    await answer.body.pour((bytes) => tell({ type: 'data', bytes }));
    await tell(end);
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

function blameOf(verdict: Exclude<Verdict, { at: 'client' }>): Blame {
  if (verdict.at !== 'provider') return 'account';
  return verdict.everywhere === true ? 'overload' : 'vendor';
}

function requestIdIn(headers: Readonly<Record<string, string>>): string | null {
  const id = headers['request-id'] ?? headers['x-request-id'] ?? headers['x-amzn-requestid'];
  return id?.slice(0, REQUEST_ID_LENGTH) ?? null;
}
