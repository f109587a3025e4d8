import { type EventMessage, EventStreamBroken } from '../dialects/event-stream.ts';
import { readJson, textAt } from '../upstream/json-fields.ts';
import { anthropicError } from './aws-error.ts';

const BYTES_FIRST = Buffer.from('{"bytes":"');
const TYPE_FIRST = Buffer.from('{"type":"');
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
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
    const event = eventIn(payload);
    const type = typeOf(event);
    if (type === undefined) return [];
    return [Buffer.from(`event: ${type}\ndata: `), oneLine(event), Buffer.from('\n\n')];
  }

  /** `throttlingException` in a frame is the ThrottlingException of a status. */
  private failure(told: string, message: string): Buffer[] {
    this.ended = true;
    const name = told.slice(0, 1).toUpperCase() + told.slice(1);
    const { type } = anthropicError(name, 500);
    const error = { type, message };
    const body = {
      type: 'error',
      error,
      ...(this.requestId !== undefined && { request_id: this.requestId }),
    };
    return [Buffer.from(`event: error\ndata: ${JSON.stringify(body)}\n\n`)];
  }
}

/** `{"bytes": base64, "p": padding}`; written in the order that AWS writes it, it is read without building it. */
function eventIn(payload: Buffer): Buffer {
  if (beginsWith(payload, BYTES_FIRST)) {
    const end = payload.indexOf(QUOTE, BYTES_FIRST.length);
    const escape = payload.indexOf(BACKSLASH, BYTES_FIRST.length);
    if (end > 0 && (escape < 0 || escape > end)) {
      return Buffer.from(payload.toString('latin1', BYTES_FIRST.length, end), 'base64');
    }
  }
  const bytes = textAt(readJson(payload), 'bytes');
  if (bytes === undefined) throw new EventStreamBroken('A chunk of the event stream holds no bytes');
  return Buffer.from(bytes, 'base64');
}

function beginsWith(bytes: Buffer, beginning: Buffer): boolean {
  const { length } = beginning;
  return bytes.length >= length && bytes.compare(beginning, 0, length, 0, length) === 0;
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

/** A line end in JSON stands between two tokens, where a space says the same; in SSE it would end the data. */
function oneLine(event: Buffer): Buffer {
  if (!event.includes(0x0a) && !event.includes(0x0d)) return event;
  return Buffer.from(event.map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte)));
}
