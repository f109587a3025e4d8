import type { AnswerBytes } from './answer-bytes.ts';
import { UpstreamFailure } from './upstream-failure.ts';

/** A body that trickles is read no longer than this. */
const WITHIN_MS = 30_000;

/**
 * Reads a body to its end, to `limit` bytes or for 30 s, whichever is first, and cuts the rest off. What was read
 * before the connection broke is given as well: an error's beginning still says what it is.
 * @throws UpstreamFailure `aborted` when the signal fired
 */
export async function readBounded(
  body: AnswerBytes,
  limit: number,
  signal?: AbortSignal,
  withinMs = WITHIN_MS,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const stop = (): void => {
    body.destroy();
  };
  const timer = setTimeout(stop, withinMs);
  if (signal?.aborted === true) stop();
  else signal?.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > limit) break;
    }
  } catch {
    // The bytes that came are the answer.
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
  if (signal?.aborted === true) throw new UpstreamFailure('aborted');
  return Buffer.concat(chunks, size).subarray(0, limit);
}
