import type { EventReader, UpstreamSide } from '../sides.ts';
import { SseData } from '../sse-data.ts';
import { ChatEvents } from './read-chat-answer.ts';
import { writeRequest } from './write-chat-request.ts';

/** Chat completions as they are asked for clients of other dialects; there is no counting. */
export const openaiUpstream: UpstreamSide = {
  writeRequest,
  reader,
  read: (document) => new ChatEvents().completion(document),
};

/** The meter takes whatever begins so for the end as well: some servers write a space behind it. */
const DONE = '[DONE]';

function reader(): EventReader {
  const data = new SseData();
  const events = new ChatEvents();
  return {
    push: (bytes) =>
      data
        .push(bytes)
        .flatMap((text) =>
          text.startsWith(DONE) ? events.finish() : events.chunk(JSON.parse(text) as unknown),
        ),
    finish: () => events.finish(),
  };
}
