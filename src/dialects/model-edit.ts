import type { Call } from './dialect.ts';

const PREFIX = 'models/';

/**
 * The body with the model's name replaced where the body names it, and not a byte beside. A name written as
 * `models/x` (Gemini) keeps its prefix. The parts in between are views of the call's own body.
 */
export function withModel(call: Pick<Call, 'body' | 'modelSpans'>, upstreamModel: string): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end } of call.modelSpans) {
    const written = JSON.parse(call.body.toString('utf8', start, end)) as string;
    const prefix = written.startsWith(PREFIX) ? PREFIX : '';
    parts.push(call.body.subarray(at, start), Buffer.from(JSON.stringify(prefix + upstreamModel)));
    at = end;
  }
  parts.push(call.body.subarray(at));
  return parts;
}
