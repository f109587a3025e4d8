import { Inject, Injectable } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import type { Observable } from 'rxjs';
import { relayHeaders } from '../access/relay-headers.ts';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { RelayError } from '../errors/relay-error.ts';
import type { Exchange } from './exchange.ts';
import { dialectError, type ErrorWords } from './error-words.ts';
import { Journal } from './journal.ts';
import { LastBytes } from './last-bytes.ts';
import type { RelayEvent, RelayHead } from './relay-event.ts';

/** Unnamed event: a comment and a blank line; every SSE parser drops it. */
const KEEP_ALIVE = ': keep-alive\n\n';

/** Headers of an answer that comes piece by piece. */
const STREAMED = { 'cache-control': 'no-store', 'x-accel-buffering': 'no' };

/** How long a refused client that closes after its request is listened to, so that it can read why. */
const LINGER_MS = 2_000;

/**
 * The only writer of relay answers, and the only subscriber.
 *
 * States of an answer: waiting (nothing written; a failure still has its true status) → streaming (head written)
 * → ended | cut. While the socket is full the flow is paused; a client that takes nothing for the write limit is cut.
 */
@Injectable()
export class Responder {
  constructor(
    private readonly journal: Journal,
    private readonly lastBytes: LastBytes,
    @Inject(ENV) private readonly env: Env,
  ) {}

  /** Resolves when the answer is written or the client is gone; the run itself may still be settling. */
  send(exchange: Exchange, events: Observable<RelayEvent>): Promise<void> {
    return new Promise((resolve) => {
      const answer = new Answer(exchange, this.journal, this.lastBytes, this.env, resolve);
      answer.subscribe(events);
    });
  }
}

/** Writes a document of the relay's own (a model list) in the door's shape. */
export function document(exchange: Exchange, body: object): void {
  const bytes = Buffer.from(JSON.stringify(body));
  exchange.response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': bytes.length,
    ...relayHeaders(exchange),
  });
  exchange.response.end(bytes);
}

/** How a vendor tells an error: its document, and the headers that belong to it. */
export type ErrorShape = Pick<Dialect, 'errorBody' | 'errorHeaders' | 'errorStatus'>;

/** Writes the relay's own refusal in the client's dialect. */
export function refuse(
  response: ServerResponse,
  shape: ErrorShape,
  about: Pick<Exchange, 'requestId' | 'clientRequestId' | 'attempts' | 'edits'>,
  error: RelayError,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const status = shape.errorStatus?.(error.kind) ?? error.status;
  const told = { ...dialectError(error, about.requestId), status };
  const body = Buffer.from(shape.errorBody(told));
  const retry: Record<string, string> =
    error.retry === undefined
      ? {}
      : error.retry === 'never'
        ? { 'x-should-retry': 'false' }
        : { 'retry-after': String(error.retry) };
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    ...shape.errorHeaders?.(told),
    ...relayHeaders(about),
    ...retry,
    ...(error.code === 'body-slow' ? { connection: 'close' } : {}),
  });
  if (error.code === 'body-slow') response.end(body);
  else endAfterUpload(response, body);
}

/**
 * To close at once on a client that is still sending would reset the connection under the answer. With keep-alive Node
 * reads and drops the rest by itself.
 */
function endAfterUpload(response: ServerResponse, body: Buffer): void {
  const { req: request } = response;
  if (request.complete || response.shouldKeepAlive) {
    response.end(body);
    return;
  }
  response.write(body);
  const end = (): void => {
    clearTimeout(clock);
    response.end();
  };
  const clock = setTimeout(end, LINGER_MS);
  request.once('end', end).once('close', end).resume();
}

class Answer {
  private head: RelayHead | undefined;
  private firstByteAt: number | undefined;
  private outcome: string = 'client-left';
  private ended = false;
  private stall: NodeJS.Timeout | undefined;
  private keepAlive: NodeJS.Timeout | undefined;

  constructor(
    private readonly exchange: Exchange,
    private readonly journal: Journal,
    private readonly lastBytes: LastBytes,
    private readonly env: Env,
    private readonly done: () => void,
  ) {}

  subscribe(events: Observable<RelayEvent>): void {
    const { request, response, flow } = this.exchange;
    const { socket } = request;
    const subscription = events.subscribe({
      next: (event) => this.guarded(event),
      error: (error: unknown) => this.fail(error),
    });
    response.on('drain', () => {
      if (this.ended) return;
      clearTimeout(this.stall);
      this.stall = undefined;
      flow.resume();
    });
    let closed = false;
    const over = (): void => {
      if (closed) return;
      closed = true;
      socket.off('close', over);
      clearTimeout(this.stall);
      clearTimeout(this.keepAlive);
      if (!this.ended) subscription.unsubscribe();
      const status = response.headersSent ? response.statusCode : null;
      this.journal.callEnded(this.exchange, this.outcome, status, this.firstByteAt);
      this.done();
    };
    response.on('close', over);
    // The answer to a pipelined request has no socket before its turn, and does not hear that the client left.
    if (response.socket === null) socket.setMaxListeners(0).on('close', over);
    if (response.destroyed || socket.destroyed) over();
  }

  /** RxJS turns what an observer throws into an uncaught exception of the process; here it ends one answer. */
  private guarded(event: RelayEvent): void {
    try {
      this.take(event);
    } catch (error) {
      this.fail(error);
      this.exchange.flow.leave('client-left');
    }
  }

  private take(event: RelayEvent): void {
    const { response } = this.exchange;
    switch (event.type) {
      case 'head':
        this.head = event;
        response.writeHead(event.status, this.headersOf(event));
        // The head goes out with the first bytes; a stream's waits for them no longer than they are there already.
        if (event.framing !== 'json') process.nextTick(() => this.flushHead());
        if (event.framing === 'sse') this.armKeepAlive();
        return;
      case 'data':
        this.firstByteAt ??= performance.now();
        this.keepAlive?.refresh();
        this.write(event.bytes);
        return;
      case 'end':
        this.outcome = event.outcome;
        this.finish(event.failure);
        return;
    }
  }

  private flushHead(): void {
    const { response } = this.exchange;
    if (this.firstByteAt === undefined && !response.destroyed) response.flushHeaders();
  }

  private headersOf(head: RelayHead): Record<string, string> {
    const streaming = head.framing !== 'json' ? STREAMED : undefined;
    return Object.assign({}, head.headers, relayHeaders(this.exchange), streaming);
  }

  private write(bytes: Uint8Array | string): void {
    const { response, flow } = this.exchange;
    if (response.write(bytes) || response.destroyed) return;
    flow.pause();
    this.stall ??= setTimeout(() => {
      flow.leave('write-stall');
      response.destroy();
    }, this.env.clocks.writeStallMs);
  }

  private armKeepAlive(): void {
    this.keepAlive = setTimeout(() => {
      // A full socket needs no keep-alive, and inside a frame one would break it.
      if (this.stall === undefined && this.head?.reader.atBoundary === true) this.write(KEEP_ALIVE);
      this.armKeepAlive();
    }, this.env.clocks.keepAliveMs);
  }

  /** After the head: tell the failure where the client can read it, else break off so that no torso looks whole. */
  private finish(failure: ErrorWords | undefined): void {
    const { response, dialect, requestId, flow } = this.exchange;
    const framing = this.head?.framing ?? 'json';
    this.ended = true;
    clearTimeout(this.keepAlive);
    if (failure === undefined) {
      this.lastBytes.end(response);
    } else if (framing !== 'json' && this.head?.reader.atBoundary === true) {
      response.end(
        dialect.errorFrame(dialectError(failure, requestId), framing, this.firstByteAt === undefined),
      );
    } else {
      // Behind the bytes that were told in this turn: Node gives them to the socket at its end.
      process.nextTick(() => response.destroy());
    }
    if (!response.writableFinished) this.guardLastBytes();
    // A keep-alive may have closed the valve, and behind its end an answer tells no drain.
    flow.resume();
  }

  /** The run is over, but the last bytes may wait for a client that takes nothing. */
  private guardLastBytes(): void {
    const { response } = this.exchange;
    clearTimeout(this.stall);
    this.stall = setTimeout(() => response.destroy(), this.env.clocks.writeStallMs);
  }

  private fail(error: unknown): void {
    const known = error instanceof RelayError ? error : new RelayError('internal', 'The relay failed');
    if (known !== error) this.journal.internal(this.exchange, error);
    this.journal.refused(this.exchange, known.code);
    this.ended = true;
    this.outcome = 'refused';
    refuse(this.exchange.response, this.exchange.dialect, this.exchange, known);
  }
}
