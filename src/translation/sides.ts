import type { Call, Framing, Usage } from '../dialects/dialect.ts';
import type { AnswerContext, NeutralEvent, NeutralRequest } from './neutral.ts';

/** A dialect as clients speak it: its calls are read, its answers are written. */
export interface ClientSide {
  /** `model` is the upstream's name. @throws CallError that names the field */
  readRequest(call: Call, model: string): NeutralRequest;
  /** A whole answer; `events` without an `error`. */
  document(events: readonly NeutralEvent[], context: AnswerContext): object;
  /** The error frame of an in-stream failure is not the writer's: it answers '' to `error`, and the relay writes it. */
  writer(context: AnswerContext, framing: Exclude<Framing, 'json' | 'event-stream'>): EventWriter;
  /** The answer to a token count; absent where the dialect has none. */
  countDocument?(inputTokens: number): object;
}

export interface EventWriter {
  /** The frames that this event completes; '' = none yet. Every non-empty text ends between two frames. */
  write(event: NeutralEvent): string;
}

/** A dialect as upstreams speak it: its requests are written, its answers are read. */
export interface UpstreamSide {
  /**
   * The call in this dialect. `framing` is the upstream's for a stream (`sse`, `event-stream`) or `json`; `modelSpans`
   * is empty, the body names `request.model` already. @throws CallError (`cannot`) naming the client's field
   */
  writeRequest(request: NeutralRequest): WrittenRequest;
  /** Of a stream, from its bytes, split anywhere. */
  reader(): EventReader;
  /** Of a whole document, `start` to `end`. @throws Error when it is not the dialect's */
  read(document: unknown): readonly NeutralEvent[];
  /** Tokens in the answer to a count. @throws Error when it is not the dialect's; absent where there is no counting. */
  readCount?(document: unknown): number;
}

export interface WrittenRequest {
  readonly body: object;
  /** Headers of the dialect that the request needs (`anthropic-version`, betas). */
  readonly headers: Readonly<Record<string, string>>;
  /** What was left out or changed, by the names of `x-relay-edits` (`signature:foreign`, `left-out:cache_control`). */
  readonly edits: readonly string[];
}

export interface EventReader {
  /** Bounded: a frame over `MAX_FRAME_BYTES` throws. @throws Error when the bytes are not the dialect's */
  push(bytes: Uint8Array): readonly NeutralEvent[];
  /** The upstream's bytes came to their end, which was the dialect's own (the meter saw it): gives what is left. */
  finish(): readonly NeutralEvent[];
}

/** Larger than any frame a vendor sends: a tool's whole input comes in one (Gemini). */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** From one dialect's embeddings to another's. @throws CallError naming the client's field */
export type EmbedWay = (call: Call, model: string) => TranslatedEmbedding;

export interface TranslatedEmbedding extends Pick<Call, 'operation' | 'body'> {
  /** By the names of `x-relay-edits`. */
  readonly edits: readonly string[];
  /** The client's document. @throws Error when the upstream's is not its dialect's */
  readonly document: (answer: unknown, usage: Usage) => object;
}
