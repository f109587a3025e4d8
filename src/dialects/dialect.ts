/**
 * What every dialect tells the relay about a call, an answer and an error. Pure: imports nothing of ours.
 * A dialect is a wire format a client speaks. Bodies are never rebuilt: a call keeps the client's bytes.
 */

export type DialectName =
  'anthropic' | 'gemini' | 'openai' | 'openai-responses' | 'bedrock-invoke' | 'bedrock-converse';

/** `generate` takes places on key and account; `count` (free token counting) only its own cap of the key. */
export type Lane = 'generate' | 'count';

/** What the call asks for. Upstreams put it into a path; the meter reads answers by it. */
export type Operation = 'generate' | 'count' | 'embed' | 'batch-embed';

/** How the answer travels: one JSON document, SSE frames, Gemini's streamed JSON array, or AWS' binary messages. */
export type Framing = 'json' | 'sse' | 'json-array' | 'event-stream';

/** Half-open byte range [start, end) in the body. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Where a call's session was told: the relay's header, Claude Code's header, its `metadata.user_id`, OpenAI's
 * `prompt_cache_key`, or nowhere, so that it is known by the prefix that the vendor caches.
 */
export type SessionSource = 'header' | 'claude-code' | 'metadata' | 'cache-key' | 'prefix';

/** The conversation that a call is of, for which one account holds the vendor's cache. */
export interface Session {
  readonly source: SessionSource;
  /** At most 512 bytes; the client's own, and means something only beside its key. */
  readonly name: string;
  /** The call asks for a cache that lives for an hour, not for the usual minutes. */
  readonly forAnHour: boolean;
}

/** One client request, read once. `body` is the client's own bytes and is sent upstream unchanged. */
export interface Call {
  readonly dialect: DialectName;
  readonly operation: Operation;
  readonly lane: Lane;
  /** The model as the client named it, validated: `[A-Za-z0-9._:@,/-]`, no `.`/`..` segment, at most 256 chars. */
  readonly model: string;
  /** Where the body names the model (the JSON string tokens, quotes included); empty when only the path does. */
  readonly modelSpans: readonly Span[];
  /**
   * Models that the body names beside `model` and that the vendor may run as well (Anthropic's `fallbacks` and the
   * advisor tool), validated; the key must be allowed each of them. Absent = none.
   */
  readonly otherModels?: readonly string[];
  /** Where the body says what a permitted edit may have to change, by path; only what the dialect's edits look for. */
  readonly editSpans?: Readonly<Record<string, Span>>;
  /** A string of the body begins as what the relay has clients carry for another vendor; absent = none does. */
  readonly carries?: boolean;
  readonly framing: Framing;
  /** Output tokens asked for at most; undefined when the client did not say. */
  readonly maxOutputTokens: number | undefined;
  /** How many answers it asks for, each of which may grow to the model's bound; absent = one. */
  readonly answers?: number;
  /** Absent: it is of none, or nothing is cached for it. */
  readonly session?: Session | undefined;
  /** The vendor's meaningful request headers, lower-case names, by the dialect's allow-list; no credential. */
  readonly headers: Readonly<Record<string, string>>;
  /** Query parameters worth forwarding (for example `beta=true`), without any credential; '' or `a=b&c=d`. */
  readonly query: string;
  /** The client's bytes; emptied once they were sent and no attempt can need them again. */
  body: Buffer;
}

/**
 * Disjoint token classes: an input token is counted in exactly one of the first four. `reasoningTokens` is a part
 * of `outputTokens`, not extra to it. All are non-negative safe integers.
 */
export interface Usage {
  readonly inputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWrite5mTokens: number;
  readonly cacheWrite1hTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** Server-tool units billed apart, by the vendor's own counter name, e.g. `{ web_search_requests: 2 }`. */
  readonly serverTools: Readonly<Record<string, number>>;
}

export const NO_USAGE: Usage = Object.freeze({
  inputTokens: 0,
  cacheReadTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  serverTools: Object.freeze({}),
});

/** An error the upstream told inside a 2xx answer (an SSE error event, an error element of the array). */
export interface AnswerFailure {
  /** The vendor's error type or status, e.g. `overloaded_error`, `RESOURCE_EXHAUSTED`. */
  readonly type: string;
  readonly message: string;
  /** HTTP status the vendor would have used, where the frame says so. */
  readonly status?: number;
}

/**
 * Reads a copy of an answer's bytes as they pass, split anywhere. Never throws, and keeps a few KiB at most, however
 * large an event or a document is; of an event stream, whose checksums stand at the end, the message at hand.
 */
export interface AnswerReader {
  push(chunk: Uint8Array): void;
  /** No more bytes: read what only the whole document can tell (JSON answers). Idempotent. */
  finish(): void;
  /** Usage seen so far; last value wins, field by field. */
  readonly usage: Usage;
  /** The upstream reported usage at least once. */
  readonly reported: boolean;
  /** A reported number was not a non-negative safe integer and was ignored. */
  readonly suspicious: boolean;
  /** An event or the document is not JSON, or not the dialect's: usage may be missing. */
  readonly lost: boolean;
  /** The dialect's own end was seen: message_stop, a finishReason on the last frame, a whole JSON document. */
  readonly complete: boolean;
  readonly failure: AnswerFailure | undefined;
  /** UTF-8 bytes of generated text, thinking and tool arguments so far: the base of an estimate. */
  readonly generatedBytes: number;
  /** After the bytes pushed so far, a frame of the relay's own would stand between two of the upstream's. */
  readonly atBoundary: boolean;
  /** Event streams: how many of the bytes pushed so far are whole messages with sound checksums. */
  readonly soundBytes?: number;
  /** Event streams: what came behind those is no sound message, and nothing further can be read. */
  readonly broken?: boolean;
}

/** Why the relay itself says no; the dialect knows its vendor's body for each. */
export type ErrorKind =
  | 'authentication'
  | 'permission'
  | 'not-found'
  | 'invalid-request'
  | 'too-large'
  | 'unsupported-media'
  | 'request-timeout'
  | 'rate-limit'
  | 'budget'
  | 'bad-gateway'
  | 'gateway-timeout'
  | 'unavailable'
  | 'internal';

export interface DialectError {
  readonly kind: ErrorKind;
  readonly status: number;
  readonly message: string;
  readonly requestId: string;
}

export interface ModelCard {
  readonly id: string;
  readonly displayName: string;
  /** ISO 8601 UTC. */
  readonly createdAt: string;
  /** The upstream's own entry for the model, passed on where the door speaks the same dialect. */
  readonly raw?: Readonly<Record<string, unknown>>;
}

/** A wire format as the doors and the pipeline use it. Reading calls differs by door and stands beside each. */
export interface Dialect {
  readonly name: DialectName;
  /** Answer headers of the upstream that pass to the client with any status. */
  readonly answerHeaders: Pick<ReadonlySet<string>, 'has'>;
  /** The content-type (essence, lower case) that a 2xx answer of this framing must have. */
  contentType(framing: Framing): string;
  reader(operation: Operation, framing: Framing): AnswerReader;
  /** The vendor's error document, UTF-8 JSON. */
  readonly errorBody: (error: DialectError) => string;
  /** The vendor's in-stream error for a client that stands at a boundary. */
  errorFrame(error: DialectError, framing: Exclude<Framing, 'json'>, empty: boolean): string | Uint8Array;
  /** The vendor's own status for a kind, where clients know it by another than the relay's table has. */
  errorStatus?(kind: ErrorKind): number | undefined;
  /** Headers that belong to the error document (AWS names the exception in one). */
  errorHeaders?(error: DialectError): Readonly<Record<string, string>>;
  /** What the vendor's own error document says, for clients of another dialect; undefined = it is none. */
  readError(body: Buffer): AnswerFailure | undefined;
}

/** More of a message is of no use to anybody: what is longer quotes a name or a value of the client's. */
const LONGEST_MESSAGE = 1_000;

/**
 * The client's request cannot be read; becomes a 400 (or the status of its kind) that names the field. Names are the
 * client's own, and may be as long as its body: of a long message the beginning and the end are kept.
 */
export class CallError extends Error {
  readonly kind: ErrorKind;

  constructor(message: string, kind: ErrorKind = 'invalid-request') {
    const half = LONGEST_MESSAGE / 2;
    const long = message.length > LONGEST_MESSAGE;
    super(long ? `${message.slice(0, half)} … ${message.slice(-half)}` : message);
    this.kind = kind;
  }
}
