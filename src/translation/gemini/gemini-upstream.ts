import type { EventReader, UpstreamSide } from '../sides.ts';
import { SseData } from '../sse-data.ts';
import { GeminiEvents } from './read-answer.ts';
import { writeRequest } from './write-request.ts';

/** The Gemini API as it is asked for clients of other dialects. */
export const geminiUpstream: UpstreamSide = {
  writeRequest,
  reader,
  read(document) {
    const events = new GeminiEvents();
    return [...events.frame(document), ...events.finish()];
  },
  readCount(document) {
    const total = (document as { readonly totalTokens?: unknown } | null)?.totalTokens ?? 0;
    if (!Number.isSafeInteger(total)) throw new Error('The answer is no CountTokensResponse');
    return total as number;
  },
};

function reader(): EventReader {
  const data = new SseData();
  const events = new GeminiEvents();
  return {
    push: (bytes) => data.push(bytes).flatMap((text) => events.frame(JSON.parse(text) as unknown)),
    finish: () => events.finish(),
  };
}
