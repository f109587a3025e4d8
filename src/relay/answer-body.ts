import type { Readable } from 'node:stream';
import { UpstreamFailure } from '../upstream/upstream-failure.ts';

/** What an upstream's bytes are to be taken for, in their order. */
export interface Reading {
  /** May be empty: what is to be told depends on what follows. */
  bytes(chunk: Buffer): Buffer;
  /** What is left once the last chunk came. */
  end(): Buffer;
}

const AS_IT_IS: Reading = { bytes: (chunk) => chunk, end: () => Buffer.alloc(0) };

/** The upstream said nothing for longer than the idle clock allows. */
export class AnswerStalled extends Error {}

/**
 * An upstream's body, a chunk at a time, under the idle clock. The clock runs only while a chunk is awaited: a paused
 * client must not look like a silent upstream.
 *
 * States: reading (a `next` is pending) ↔ idle → ended, or broken. `pending` holds a read that was begun but not yet
 * taken.
 */
export class AnswerBody {
  private readonly iterator: AsyncIterator<Buffer>;
  private pending: Promise<Buffer | undefined> | undefined;
  private ahead: Buffer[] = [];
  private broken: Error | undefined;

  constructor(
    private readonly body: Readable,
    private readonly idleMs: number,
    private readonly reading = AS_IT_IS,
  ) {
    this.iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** The next chunk, or undefined at the end. @throws AnswerStalled or UpstreamFailure */
  next(): Promise<Buffer | undefined> {
    const ready = this.ahead.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    const pending = this.pending ?? this.pull();
    this.pending = undefined;
    return pending;
  }

  /** True as soon as a chunk (or the end) can be taken, false when `ms` pass first. Takes nothing. */
  async arrives(ms: number): Promise<boolean> {
    this.pending ??= this.pull();
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, ms, false);
    });
    try {
      return await Promise.race([this.pending.then(() => true), silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The body's beginning, at most about `limit` bytes, to be looked at; `next` still gives every byte. */
  async peek(limit: number): Promise<{ readonly bytes: Buffer; readonly whole: boolean }> {
    const seen: Buffer[] = [];
    const { whole } = await this.look(limit, (chunk) => seen.push(chunk));
    return { bytes: Buffer.concat(seen), whole };
  }

  /** As `peek`, each chunk as it comes: what was seen is seen, though the body may break before the limit. */
  async look(
    limit: number,
    see: (chunk: Buffer) => void,
  ): Promise<{ readonly size: number; readonly whole: boolean }> {
    const seen: Buffer[] = [];
    let size = 0;
    let whole = false;
    while (size < limit && !whole) {
      const chunk = await this.next();
      whole = chunk === undefined;
      if (chunk === undefined) break;
      seen.push(chunk);
      size += chunk.length;
      see(chunk);
    }
    this.ahead = seen;
    return { size, whole };
  }

  /** Cuts the upstream's socket. */
  destroy(): void {
    this.pending?.catch(() => undefined);
    this.body.destroy();
  }

  private async pull(): Promise<Buffer | undefined> {
    if (this.broken !== undefined) throw this.broken;
    const clock = setTimeout(() => {
      this.body.destroy(new AnswerStalled('The upstream fell silent'));
    }, this.idleMs);
    try {
      for (;;) {
        const step = await this.iterator.next();
        const read = step.done === true ? this.reading.end() : this.reading.bytes(step.value);
        if (read.length > 0) return read;
        if (step.done === true) return undefined;
        clock.refresh();
      }
    } catch (error) {
      const failure = error instanceof AnswerStalled ? error : UpstreamFailure.of(error);
      // What came before the breakage is told before it.
      const read = this.reading.end();
      if (read.length === 0) throw failure;
      this.broken = failure;
      return read;
    } finally {
      clearTimeout(clock);
    }
  }
}
