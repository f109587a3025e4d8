import type { EventReader, UpstreamSide } from '../sides.ts';
import { SseData } from '../sse-data.ts';
import { ClaudeEvents } from './read-answer.ts';
import { writeRequest } from './write-request.ts';

/** Anthropic Messages as they are asked for clients of other dialects. */
export const anthropicUpstream: UpstreamSide = {
  writeRequest,
  reader,
  read: (document) => new ClaudeEvents().message(document),
  readCount(document) {
    const count = (document as { readonly input_tokens?: unknown } | null)?.input_tokens;
    if (!Number.isSafeInteger(count)) throw new Error('The answer is no token count');
    return count as number;
  },
};

function reader(): EventReader {
  const data = new SseData();
  const events = new ClaudeEvents();
  return {
    push: (bytes) => data.push(bytes).flatMap((text) => events.event(JSON.parse(text) as unknown)),
    finish: () => events.finish(),
  };
}
