import type { RequestContext } from './request-context.ts';

/** What was done for a call until now. */
export interface CallSoFar {
  readonly attempts: number;
  readonly edits: readonly string[];
}

/** The headers that stand on every answer of a relay route. */
export function relayHeaders(
  about: Pick<RequestContext, 'requestId' | 'clientRequestId'> & CallSoFar,
): Record<string, string> {
  return {
    'x-relay-request-id': about.requestId,
    ...(about.clientRequestId === undefined ? {} : { 'x-relay-client-request-id': about.clientRequestId }),
    'x-relay-edits': about.edits.length === 0 ? 'none' : about.edits.join(','),
    'x-relay-attempts': String(about.attempts),
  };
}
