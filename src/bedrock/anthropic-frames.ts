import { type EventMessage, EventStreamBroken } from '../dialects/event-stream.ts';
import { beginsWith, chunkEvent, oneLine } from '../dialects/invoke-chunk.ts';
import { readJson, textAt } from '../upstream/json-fields.ts';
import { anthropicErrorType } from './aws-error.ts';

const TYPE_FIRST = Buffer.from('{"type":"');
const QUOTE = 0x22;
const LINE_END = /[\r\n]/;
/** No event's name is longer; further in, a quote ends something else. */
const LONGEST_TYPE = 64;

/**
 * Messages of InvokeModelWithResponseStream as Anthropic's SSE frames, each event's JSON byte for byte. A message that is
 * no event and no error is passed over: AWS may add some.
 *
 * State: after an exception nothing follows.
 */
export class AnthropicFrames {
  private ended = false;

  constructor(private readonly requestId: string | undefined) {}

  /** In pieces. @throws EventStreamBroken when a chunk holds no event */
  of({ headers, payload }: EventMessage): Buffer[] {
    if (this.ended) return [];
    const kind = headers[':message-type'];
    if (kind === 'exception') {
      const name = headers[':exception-type'] ?? '';
      return this.failure(name, textAt(readJson(payload), 'message') ?? name);
    }
    if (kind === 'error') {
      const code = headers[':error-code'] ?? '';
      return this.failure(code, headers[':error-message'] ?? code);
    }
    if (headers[':event-type'] !== 'chunk') return [];
    const event = chunkEvent(payload);
    if (event === undefined) throw new EventStreamBroken('A chunk of the event stream holds no bytes');
    const type = typeOf(event);
    if (type === undefined) return [];
    return [Buffer.from(`event: ${type}\ndata: `), oneLine(event), Buffer.from('\n\n')];
  }

  /** `throttlingException` in a frame is the ThrottlingException of a status. */
  private failure(told: string, message: string): Buffer[] {
    this.ended = true;
    const name = told.slice(0, 1).toUpperCase() + told.slice(1);
    const error = { type: anthropicErrorType(name, 500), message };
    const body = {
      type: 'error',
      error,
      ...(this.requestId !== undefined && { request_id: this.requestId }),
    };
    return [Buffer.from(`event: error\ndata: ${JSON.stringify(body)}\n\n`)];
  }
}

/** Undefined: an event without a type, which no client of SSE could tell from none. */
function typeOf(event: Buffer): string | undefined {
  if (beginsWith(event, TYPE_FIRST)) {
    const end = event.indexOf(QUOTE, TYPE_FIRST.length);
    const type = end < 0 || end > LONGEST_TYPE ? '' : event.toString('latin1', TYPE_FIRST.length, end);
    if (/^[a-z_]+$/.test(type)) return type;
  }
  const document = readJson(event);
  if (document === undefined) throw new EventStreamBroken('A chunk of the event stream holds no JSON');
  const type = textAt(document, 'type');
  return type === undefined || LINE_END.test(type) ? undefined : type;
}
