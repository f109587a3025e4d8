import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { type AnswerBytes, chunksOf } from './answer-bytes.ts';
import { type Cancellation, onCancel } from './cancellation.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/**
 * As much as is held for a reader that does not take it; then no more is parsed. Less than what one read brings at most
 * (64 KiB, framing and all), so that a second one is not parsed into here, but waits in the socket.
 */
const MOST_HELD = 32 * 1024;

export interface AnswerHead {
  readonly status: number;
  /** Lower-case names; a text for each time that a field came. */
  readonly headers: IncomingHttpHeaders;
}

export interface ReceptionOptions {
  /** Ends it, whatever has come by then. */
  readonly signal: AbortSignal | Cancellation;
  /** From now to the answer's head. */
  readonly headersMs: number;
}

/**
 * What undici tells of one request, up to its answer's last byte. A Readable between it and the reader, as its `request`
 * makes one, costs more than all else that is done for a chunk. Trailers are passed over.
 *
 * States: asked → open (the head came) → come (the last byte is here) or broken (no more follows, but what came before
 * can still be taken) → closed, when its reader has taken the end or the breakage. Any → closed, by `destroy`.
 */
export class Reception implements Dispatcher.DispatchHandler, AnswerBytes {
  readonly head: Promise<AnswerHead>;
  private controller: Dispatcher.DispatchController | undefined;
  private chunks: Buffer[] = [];
  private held = 0;
  /** Of the length that the answer told; NaN where it told none. */
  private left = NaN;
  private hasBegun = false;
  private isOpen = false;
  private hasCome = false;
  private isClosed = false;
  private failure: Error | undefined;
  private news: (() => void) | undefined;
  private resolve!: (head: AnswerHead) => void;
  private reject!: (error: Error) => void;
  private readonly clock: NodeJS.Timeout;
  private readonly stopListening: () => void;

  constructor({ signal, headersMs }: ReceptionOptions) {
    this.head = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.clock = setTimeout(() => this.destroy(new UpstreamFailure('headers-timeout')), headersMs);
    this.stopListening = onCancel(signal, () => this.destroy(signal.reason as Error));
  }

  /** Undici connects first, which is not to be hurried: what was cancelled meanwhile ends here, before a byte is sent. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isClosed) controller.abort(this.failure as Error);
  }

  /** The first byte of the answer's head. */
  onResponseStarted(): void {
    this.hasBegun = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    // Views of what was read with the head, up to 64 KiB, which would be kept for as long as the answer takes.
    controller.rawHeaders = null;
    // An interim answer (RFC 9110, 15.2) is none.
    if (status < 200) return;
    clearTimeout(this.clock);
    this.isOpen = true;
    this.left = Number(headers['content-length'] ?? NaN);
    this.resolve({ status, headers });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk);
    this.held += chunk.length;
    this.left -= chunk.length;
    // Behind the last byte there is nothing to pause, and an end that is not parsed would look like a breakage.
    if (this.held >= MOST_HELD && this.left !== 0) controller.pause();
    this.tell();
  }

  onResponseEnd(): void {
    this.hasCome = true;
    this.tell();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.isOpen) {
      const { reason, code } = UpstreamFailure.of(error);
      return this.destroy(this.hasBegun ? new UpstreamFailure(reason, code, true) : error);
    }
    this.failure ??= error;
    this.tell();
  }

  take(): Buffer | undefined | null {
    if (this.held > 0) return this.takeHeld();
    if (this.failure === undefined && !this.hasCome) return this.goOn();
    this.close();
    if (this.failure !== undefined) throw this.failure;
    return undefined;
  }

  listen(news: () => void): void {
    this.news = news;
    if (this.held > 0 || this.failure !== undefined || this.hasCome) this.tell();
  }

  destroy(reason?: Error): void {
    if (this.isClosed) return;
    this.close();
    this.chunks = [];
    this.held = 0;
    this.failure = reason ?? this.failure ?? new UpstreamFailure('reset');
    this.reject(this.failure);
    // Of an answer that has come whole, the connection serves others already.
    if (!this.hasCome) this.controller?.abort(this.failure);
    this.tell();
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return chunksOf(this);
  }

  /**
   * Only now that more is asked for, and not when what is held is taken: that may still wait for the client. What is not
   * parsed meanwhile is lost when the upstream resets the connection behind it.
   */
  private goOn(): Buffer | null {
    if (this.controller?.paused === true) this.controller.resume();
    return this.held > 0 ? this.takeHeld() : null;
  }

  private takeHeld(): Buffer {
    const { chunks, held } = this;
    this.chunks = [];
    this.held = 0;
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, held);
  }

  /** Behind the turn, so that all that came in it is taken as one, and never inside undici's parser. */
  private tell(): void {
    const { news } = this;
    if (news === undefined) return;
    this.news = undefined;
    process.nextTick(news);
  }

  private close(): void {
    this.isClosed = true;
    clearTimeout(this.clock);
    this.stopListening();
  }
}
