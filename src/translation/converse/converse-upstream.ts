import { streamedFailure } from '../../dialects/bedrock-errors.ts';
import { EventStreamBroken, EventStreamDecoder } from '../../dialects/event-stream.ts';
import type { NeutralEvent } from '../neutral.ts';
import { type EventReader, MAX_FRAME_BYTES, type UpstreamSide } from '../sides.ts';
import { CONVERSE_EVENTS, ConverseEvents } from './read-answer.ts';
import { writeRequest } from './write-request.ts';

/** Converse as it is asked for clients of other dialects: every model of Bedrock that has no dialect of its own. */
export const converseUpstream: UpstreamSide = {
  writeRequest,
  reader,
  read: (document) => new ConverseEvents().message(document),
  readCount(document) {
    const count = (document as { readonly inputTokens?: unknown } | null)?.inputTokens;
    if (!Number.isSafeInteger(count)) throw new Error('The answer is no token count');
    return count as number;
  },
};

function reader(): EventReader {
  const decoder = new EventStreamDecoder(MAX_FRAME_BYTES);
  const events = new ConverseEvents();
  return {
    push: (bytes) =>
      decoder.push(bytes).flatMap((message): readonly NeutralEvent[] => {
        const failure = streamedFailure(message);
        if (failure !== undefined) return [{ type: 'error', failure }];
        const type = message.headers[':event-type'] ?? '';
        if (!CONVERSE_EVENTS.has(type)) return [];
        return events.event(type, JSON.parse(message.payload.toString('utf8')) as unknown);
      }),
    finish() {
      if (!decoder.atBoundary) throw new EventStreamBroken('The event stream ends inside a message');
      return events.finish();
    },
  };
}
