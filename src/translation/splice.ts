import type { Call, Span } from '../dialects/dialect.ts';

/** Bytes to stand where others stood; an empty span inserts. */
export interface Splice {
  readonly span: Span;
  readonly text: string;
}

/** The call with these edits and not a byte beside them; where its body names the model moves along. */
export function splicedCall(call: Call, splices: readonly Splice[]): Call {
  const sorted = [...splices].sort((a, b) => a.span.start - b.span.start);
  const parts: Buffer[] = [];
  let at = 0;
  for (const { span, text } of sorted) {
    parts.push(call.body.subarray(at, span.start), Buffer.from(text));
    at = span.end;
  }
  parts.push(call.body.subarray(at));
  const grownBefore = (place: number): number =>
    sorted
      .filter(({ span }) => span.end <= place)
      .reduce((sum, { span, text }) => sum + Buffer.byteLength(text) - (span.end - span.start), 0);
  const modelSpans = call.modelSpans.map(({ start, end }) => {
    const by = grownBefore(start);
    return { start: start + by, end: end + by };
  });
  // Places of edits are those of the client's body, which this one is no longer.
  const { editSpans: _made, ...rest } = call;
  return { ...rest, modelSpans, body: Buffer.concat(parts) };
}
