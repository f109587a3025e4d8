import type { AnswerReader, Framing, Usage } from '../dialects/dialect.ts';
import type { Outcome } from '../scheduler/settlement.ts';
import type { ErrorWords } from './error-words.ts';

/**
 * What a relay service's Observable says, in this order: `head` exactly once, `data` any number of times, `end` once.
 * Before `head` a failure is the Observable's error (a {@link RelayError}); after it there are none: the failure
 * stands in `end`, and the responder tells the client as far as the bytes already sent allow.
 */
export type RelayEvent = RelayHead | RelayData | RelayEnd;

export interface RelayHead {
  readonly type: 'head';
  readonly status: number;
  /** Lower-case names; already filtered by the dialect's allow-list. */
  readonly headers: Readonly<Record<string, string>>;
  readonly framing: Framing;
  /** Knows whether the client, having received all bytes so far, stands between two frames. */
  readonly reader: Pick<AnswerReader, 'atBoundary'>;
}

export interface RelayData {
  readonly type: 'data';
  readonly bytes: Uint8Array;
}

export interface RelayEnd {
  readonly type: 'end';
  readonly outcome: Outcome;
  readonly usage: Usage;
  /** Why the answer is broken; undefined when it is whole (or the upstream's own error frame ended it where the client reads it). */
  readonly failure?: ErrorWords;
}
