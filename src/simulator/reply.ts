/** What goes on the wire before any fault is done to it: status, headers and the body in whole frames. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** An SSE event, an element of the streamed array, or the whole JSON document. Made as they are taken. */
  readonly frames: Iterable<Buffer> | AsyncIterable<Buffer>;
  /** The vendor's in-stream error after so many frames, and whatever must follow it; absent for JSON. */
  readonly errorFrame?: (after: number) => Buffer;
}

export const EOLS = { lf: '\n', cr: '\r', crlf: '\r\n' } as const;

export function jsonReply(
  status: number,
  document: unknown,
  headers: Readonly<Record<string, string>> = {},
  indent?: number,
): Reply {
  const text = JSON.stringify(document, undefined, indent) + (indent === undefined ? '' : '\n');
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    frames: [Buffer.from(text)],
  };
}

/** One event of a server-sent stream: an optional `event:` line, one `data:` line, a blank line. */
export function sseFrame(data: string, eol: string, event?: string): Buffer {
  return Buffer.from(`${event === undefined ? '' : `event: ${event}${eol}`}data: ${data}${eol}${eol}`);
}
