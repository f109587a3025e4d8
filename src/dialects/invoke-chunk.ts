/**
 * What an event of InvokeModelWithResponseStream holds: `{"bytes": base64, "p": padding}`, and in it one event of the
 * Messages API (AWS Bedrock API reference, `ResponseStream`).
 */

const BYTES_FIRST = Buffer.from('{"bytes":"');
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/** Undefined: the payload holds no bytes. Written in the order that AWS writes it, it is read without building it. */
export function chunkEvent(payload: Buffer): Buffer | undefined {
  if (beginsWith(payload, BYTES_FIRST)) {
    const end = payload.indexOf(QUOTE, BYTES_FIRST.length);
    const escape = payload.indexOf(BACKSLASH, BYTES_FIRST.length);
    if (end > 0 && (escape < 0 || escape > end)) {
      return Buffer.from(payload.toString('latin1', BYTES_FIRST.length, end), 'base64');
    }
  }
  const { bytes } = objectIn(payload);
  return typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : undefined;
}

export function beginsWith(bytes: Buffer, beginning: Buffer): boolean {
  const { length } = beginning;
  return bytes.length >= length && bytes.compare(beginning, 0, length, 0, length) === 0;
}

/** A line end in JSON stands between two tokens, where a space says the same; in SSE it would end the data. */
export function oneLine(event: Buffer): Buffer {
  if (!event.includes(LF) && !event.includes(CR)) return event;
  return Buffer.from(event.map((byte) => (byte === LF || byte === CR ? SPACE : byte)));
}

function objectIn(payload: Buffer): { readonly bytes?: unknown } {
  try {
    return (JSON.parse(payload.toString('utf8')) ?? {}) as { readonly bytes?: unknown };
  } catch {
    return {};
  }
}
