/**
 * The bytes of an answer, for one reader, in the turns in which they come. Of what it does not take no more is read from
 * the upstream than a little.
 */
export interface AnswerBytes extends AsyncIterable<Buffer> {
  /** All that came and was not taken; undefined at the end, null while nothing is there. @throws what it broke with */
  take(): Buffer | undefined | null;
  /** Calls once, and never at once, when `take` has something to tell. Only behind a `take` that told null. */
  listen(news: () => void): void;
  /** Gives up what was not taken, which cuts the connection. Whoever reads on is told the reason. */
  destroy(reason?: Error): void;
}

/** Every chunk to the end; who stops before it cuts the rest off. */
export async function* chunksOf(bytes: AnswerBytes): AsyncGenerator<Buffer, undefined> {
  try {
    for (;;) {
      const chunk = bytes.take();
      if (chunk === undefined) return undefined;
      if (chunk !== null) yield chunk;
      else await new Promise<void>((resolve) => bytes.listen(resolve));
    }
  } finally {
    bytes.destroy();
  }
}

/** Bytes that are there already. */
export class GivenBytes implements AnswerBytes {
  constructor(private rest: Buffer | undefined) {}

  take(): Buffer | undefined {
    const { rest } = this;
    this.rest = undefined;
    return rest;
  }

  listen(news: () => void): void {
    process.nextTick(news);
  }

  destroy(): void {
    this.rest = undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return chunksOf(this);
  }
}
