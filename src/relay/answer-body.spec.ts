import { type AnswerBytes, chunksOf } from '../upstream/answer-bytes.ts';
import { AnswerBody, AnswerStalled } from './answer-body.ts';

/** A body that says what it is fed with. */
class Fed implements AnswerBytes {
  destroyed = false;
  private chunks: Buffer[] = [];
  private ended = false;
  private reason = new Error('destroyed');
  private news: (() => void) | undefined;

  write(text: string): void {
    this.chunks.push(Buffer.from(text));
    this.tell();
  }

  end(text?: string): void {
    if (text !== undefined) this.chunks.push(Buffer.from(text));
    this.ended = true;
    this.tell();
  }

  take(): Buffer | undefined | null {
    if (this.destroyed) throw this.reason;
    const { chunks } = this;
    this.chunks = [];
    if (chunks.length > 0) return Buffer.concat(chunks);
    return this.ended ? undefined : null;
  }

  listen(news: () => void): void {
    this.news = news;
  }

  destroy(reason = this.reason): void {
    this.destroyed = true;
    this.reason = reason;
    this.tell();
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return chunksOf(this);
  }

  private tell(): void {
    const { news } = this;
    this.news = undefined;
    if (news !== undefined) process.nextTick(news);
  }
}

describe('an upstream body', () => {
  it('gives every byte after a peek, in order', async () => {
    const stream = new Fed();
    const body = new AnswerBody(stream, 5_000);
    stream.write('abc');
    const peeked = await body.peek(2);
    expect([peeked.bytes.toString(), peeked.whole]).toEqual(['abc', false]);
    stream.end('def');
    const rest: string[] = [];
    for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next())
      rest.push(chunk.toString());
    expect(rest.join('')).toBe('abcdef');
  });

  it('knows a whole body, and an empty one', async () => {
    const stream = new Fed();
    stream.end();
    expect(await new AnswerBody(stream, 5_000).peek(10)).toEqual({ bytes: Buffer.alloc(0), whole: true });
  });

  it('tells silence without losing the chunk that comes later', async () => {
    const stream = new Fed();
    const body = new AnswerBody(stream, 5_000);
    expect(await body.arrives(5)).toBe(false);
    stream.write('late');
    expect(await body.arrives(5_000)).toBe(true);
    expect((await body.next())?.toString()).toBe('late');
    body.destroy();
  });

  it('breaks when the upstream is silent for longer than the clock, but not while nobody reads', async () => {
    const stream = new Fed();
    const body = new AnswerBody(stream, 50);
    stream.write('a');
    await body.next();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(stream.destroyed).toBe(false);
    await expect(body.next()).rejects.toBeInstanceOf(AnswerStalled);
  });

  it('tells what its reading held back before the end, and before a breakage', async () => {
    const holding = () => {
      let held = Buffer.alloc(0);
      return {
        bytes: (chunk: Buffer) => {
          held = Buffer.concat([held, chunk]);
          return Buffer.alloc(0);
        },
        end: () => {
          const all = held;
          held = Buffer.alloc(0);
          return all;
        },
      };
    };
    const ended = new Fed();
    const whole = new AnswerBody(ended, 5_000, holding());
    ended.write('a');
    ended.end('b');
    expect((await whole.next())?.toString()).toBe('ab');
    expect(await whole.next()).toBeUndefined();

    const broken = new Fed();
    const torso = new AnswerBody(broken, 50, holding());
    broken.write('a');
    expect((await torso.next())?.toString()).toBe('a');
    await expect(torso.next()).rejects.toBeInstanceOf(AnswerStalled);
    await expect(torso.next()).rejects.toBeInstanceOf(AnswerStalled);
  });

  it('pours what was looked at, what was begun to be read, and what comes later, in order', async () => {
    const stream = new Fed();
    const body = new AnswerBody(stream, 5_000);
    const poured: string[] = [];
    stream.write('a');
    expect(await body.arrives(5_000)).toBe(true);
    await body.peek(1);
    await new Promise((resolve) => setImmediate(resolve));
    stream.write('b');
    expect(await body.arrives(5_000)).toBe(true);
    const pouring = body.pour((chunk) => void poured.push(chunk.toString()));
    await new Promise((resolve) => setImmediate(resolve));
    stream.end('c');
    await pouring;
    expect(poured).toEqual(['a', 'b', 'c']);
  });

  it('pours nothing while the last chunk is not taken, and nothing once it is enough', async () => {
    const stream = new Fed();
    const body = new AnswerBody(stream, 20);
    const poured: string[] = [];
    let take = (): void => undefined;
    const taken = new Promise<void>((resolve) => (take = resolve));
    stream.write('a');
    const pouring = body.pour(
      (chunk) => (poured.push(chunk.toString()) === 1 ? taken : undefined),
      () => poured.length === 2,
    );
    stream.write('b');
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(poured).toEqual(['a']);
    take();
    await pouring;
    stream.write('c');
    await new Promise((resolve) => setImmediate(resolve));
    expect(poured).toEqual(['a', 'b']);
    body.destroy();
  });

  it('ends a pour with the silence of the stream, or with what its taker throws', async () => {
    const silent = new AnswerBody(new Fed(), 20);
    await expect(silent.pour(() => undefined)).rejects.toBeInstanceOf(AnswerStalled);

    const stream = new Fed();
    stream.write('a');
    const untakable = new AnswerBody(stream, 5_000).pour(() => {
      throw new Error('not of its format');
    });
    await expect(untakable).rejects.toThrow('not of its format');
    stream.destroy();
  });
});
