import type { AnswerContext, NeutralEvent } from '../neutral.ts';
import type { EventWriter } from '../sides.ts';
import { ResponseEvents } from './response-events.ts';

/** Named events, numbered (API reference, "Streaming events"). */
export class ResponsesWriter implements EventWriter {
  private readonly events: ResponseEvents;
  private number = 0;

  constructor(context: AnswerContext) {
    this.events = new ResponseEvents(context);
  }

  write(event: NeutralEvent): string {
    return this.events
      .take(event)
      .map(({ type, ...told }) => {
        const data = { type, sequence_number: this.number, ...told };
        this.number += 1;
        return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
      })
      .join('');
  }
}

/** A whole response is the one in its stream's last event. */
export function document(events: readonly NeutralEvent[], context: AnswerContext): object {
  const written = new ResponseEvents(context);
  const last = events.flatMap((event) => written.take(event)).at(-1);
  if (last?.['response'] === undefined) throw new Error('The answer has no end');
  return last['response'] as object;
}
