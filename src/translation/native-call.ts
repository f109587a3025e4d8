import type { Call } from '../dialects/dialect.ts';

/** A call between two that speak the same dialect: its own bytes, but for the edits that the contract permits. */
export interface NativeCall {
  readonly call: Call;
  readonly edits: readonly string[];
  /** Takes out of the answer what only the relay asked for; absent = every byte passes. */
  readonly filter?: () => AnswerFilter;
}

export interface AnswerFilter {
  /** What of these bytes (split anywhere) is for the client; frames it does not touch stay identical. */
  push(bytes: Uint8Array): Uint8Array | undefined;
  /** What was held back, at the answer's end. */
  finish(): Uint8Array | undefined;
}
