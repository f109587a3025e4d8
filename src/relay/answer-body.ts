import type { AnswerBytes } from '../upstream/answer-bytes.ts';
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
 * client must not look like a silent upstream. What has come meanwhile is one chunk.
 *
 * States: reading (a `next` or a `pour` is pending) ↔ idle → ended, or broken. `pending` holds a read that was begun
 * but not yet taken; `wake` is there while something is awaited from the stream.
 */
export class AnswerBody {
  private pending: Promise<Buffer | undefined> | undefined;
  private ahead: Buffer[] = [];
  private broken: Error | undefined;
  private wake: (() => void) | undefined;
  /** One function for every wait. */
  private readonly news: () => void;
  /** Made at the first wait and set anew at each: a timer for each chunk would cost more than the chunk. */
  private clock: NodeJS.Timeout | undefined;

  constructor(
    private readonly body: AnswerBytes,
    private readonly idleMs: number,
    private readonly reading = AS_IT_IS,
  ) {
    const news = (): void => this.tell();
    this.news = news;
  }

  /** The next chunk, or undefined at the end. @throws AnswerStalled or UpstreamFailure */
  next(): Promise<Buffer | undefined> {
    const ready = this.ahead.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    const pending = this.pending ?? this.pull();
    this.pending = undefined;
    return pending;
  }

  /**
   * Gives every chunk that is to come in the turn in which it came: to wait for each by a promise would cost more than
   * to pass it on. What `give` answers is awaited before the next.
   *
   * @param enough asked behind each chunk: no more of them
   * @throws as `next`, and what `give` throws
   */
  pour(give: (chunk: Buffer) => Promise<void> | undefined, enough = (): boolean => false): Promise<void> {
    return new Promise((resolve, reject) => {
      const given = (): void => (enough() ? resolve() : pass());
      const pass = (): void => {
        try {
          for (;;) {
            const chunk = this.ahead.shift() ?? this.read();
            if (chunk === null) return this.listen(pass);
            if (chunk === undefined) return resolve();
            const full = give(chunk);
            if (full !== undefined) return void full.then(given).catch(reject);
            if (enough()) return resolve();
          }
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const { pending } = this;
      this.pending = undefined;
      if (pending === undefined) return pass();
      pending.then((chunk) => {
        if (chunk !== undefined) this.ahead.push(chunk);
        pass();
      }, reject);
    });
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
    see: (chunk: Buffer) => void = () => undefined,
  ): Promise<{ readonly size: number; readonly whole: boolean }> {
    const seen: Buffer[] = [];
    let size = 0;
    let whole = false;
    while (size < limit && !whole) {
      const chunk = this.ready() ?? (await this.next());
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
    clearTimeout(this.clock);
    this.pending?.catch(() => undefined);
    this.body.destroy();
  }

  /** What can be told without waiting, but for the end. */
  private ready(): Buffer | undefined {
    const ahead = this.ahead.shift();
    if (ahead !== undefined || this.pending !== undefined) return ahead;
    return this.read() ?? undefined;
  }

  private async pull(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.read();
      if (chunk !== null) return chunk;
      await new Promise<void>((resolve) => this.listen(resolve));
    }
  }

  /** What can be told now; undefined at the end, null while nothing can. @throws as `next` */
  private read(): Buffer | undefined | null {
    if (this.broken !== undefined) throw this.broken;
    try {
      for (;;) {
        const chunk = this.body.take();
        if (chunk === null) return null;
        const read = chunk === undefined ? this.reading.end() : this.reading.bytes(chunk);
        if (read.length > 0) return read;
        if (chunk !== undefined) continue;
        clearTimeout(this.clock);
        return undefined;
      }
    } catch (error) {
      const failure = error instanceof AnswerStalled ? error : UpstreamFailure.of(error);
      // What came before the breakage is told before it.
      const read = this.reading.end();
      if (read.length === 0) throw failure;
      this.broken = failure;
      return read;
    }
  }

  /** Calls once when the stream has something to tell: bytes, its end, or that it broke. */
  private listen(news: () => void): void {
    if (this.clock === undefined) this.clock = setTimeout(() => this.stalled(), this.idleMs);
    else this.clock.refresh();
    this.wake = news;
    this.body.listen(this.news);
  }

  private tell(): void {
    const { wake } = this;
    this.wake = undefined;
    wake?.();
  }

  /** A clock that was set for an earlier wait says nothing while none is on. */
  private stalled(): void {
    if (this.wake !== undefined) this.body.destroy(new AnswerStalled('The upstream fell silent'));
  }
}
