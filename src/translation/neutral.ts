import type { AnswerFailure, Lane, Usage } from '../dialects/dialect.ts';

/**
 * The middle form that translations go through: every client's dialect is read into it, every upstream's dialect is
 * written from it, and answers come back the same way, event by event. It is no dialect of its own: nothing speaks it,
 * and where two ends are alike their bytes pass beside it.
 *
 * Nothing vanishes on the way. What a client's reader finds no place for stands in `leftovers`; what an upstream's
 * writer cannot say is refused by `cannot(at, why)`. `at` is always the client's own name for the field, as its vendor's
 * errors would write it (`messages[2].content[0].source`, `generationConfig.topK`).
 */

/** A setting and where the client wrote it. */
export interface Given<T> {
  readonly value: T;
  readonly at: string;
}

/** Whose models a signature was minted by; only they accept it back. `bedrock`: a model of Converse that is not Claude. */
export type Mint = 'anthropic' | 'google' | 'openai' | 'bedrock';

/** A vendor's seal over what its model thought; opaque, byte for byte. */
export interface Signature {
  readonly minted: Mint;
  readonly value: string;
}

/** A prompt-cache mark after a part; `ttl` as the client wrote it (`5m`, `1h`), undefined = the vendor's default. */
export interface CacheMark {
  readonly ttl: string | undefined;
  readonly at: string;
}

export interface TextPart {
  readonly type: 'text';
  readonly at: string;
  readonly text: string;
  readonly signature?: Signature;
  readonly cache?: CacheMark;
}

export type Media =
  | { readonly from: 'base64'; readonly mediaType: string; readonly data: string }
  | { readonly from: 'url'; readonly url: string; readonly mediaType?: string }
  /** A document given as plain text. */
  | { readonly from: 'text'; readonly text: string };

export interface MediaPart {
  readonly type: 'image' | 'document' | 'audio' | 'video';
  readonly at: string;
  readonly media: Media;
  /** A document's title or file name. */
  readonly name?: string;
  /** OpenAI's `detail` of an image, as the client wrote it. */
  readonly detail?: string;
  readonly cache?: CacheMark;
}

/** The model's call of a tool. `input` is the arguments' JSON text, an object, at least `{}`. */
export interface ToolCallPart {
  readonly type: 'tool-call';
  readonly at: string;
  readonly id: string;
  readonly name: string;
  readonly input: string;
  readonly signature?: Signature;
  readonly cache?: CacheMark;
}

export interface ToolResultPart {
  readonly type: 'tool-result';
  readonly at: string;
  /** Of the call it answers. */
  readonly id: string;
  /** The tool's name, found by the call's id earlier in the conversation where the client's dialect does not repeat it. */
  readonly name: string;
  readonly content: readonly (TextPart | MediaPart)[];
  /** The result as the JSON object the client gave (Gemini, Converse); then `content` is its text. */
  readonly json?: Readonly<Record<string, unknown>>;
  readonly failed: boolean;
  readonly cache?: CacheMark;
}

/** What the model thought. `redacted`: the vendor's encrypted data instead of a text. */
export interface ThinkingPart {
  readonly type: 'thinking';
  readonly at: string;
  readonly text: string;
  readonly signature?: Signature;
  readonly redacted?: Signature;
}

export type Part = TextPart | MediaPart | ToolCallPart | ToolResultPart | ThinkingPart;

/** `system` in mid-conversation stays where it stood (Claude Code, OpenAI's `developer`). */
export interface Message {
  readonly role: 'user' | 'assistant' | 'system';
  readonly at: string;
  readonly parts: readonly Part[];
}

export interface Tool {
  readonly at: string;
  readonly name: string;
  readonly description: string | undefined;
  /** JSON Schema of the arguments. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly strict?: boolean;
  readonly cache?: CacheMark;
}

export type ToolChoice =
  /** `any`: some tool, `one`: this tool; with `only` the choice is among these names (Gemini's allowedFunctionNames). */
  | { readonly mode: 'auto' | 'none' | 'any'; readonly only?: readonly string[] }
  | { readonly mode: 'one'; readonly name: string };

export type Effort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';

/**
 * How much the model may think. `budget` in tokens; `effort` in words; `adaptive`: as much as the model finds right.
 * `show`: the client wants to read it (a summary of it, where that is all there is).
 */
export interface Thinking {
  readonly mode: 'off' | 'budget' | 'effort' | 'adaptive';
  readonly budgetTokens?: number;
  readonly effort?: Effort;
  readonly show: boolean;
}

/** The answer must be JSON; without a schema any. */
export interface OutputFormat {
  readonly name?: string;
  readonly schema?: Readonly<Record<string, unknown>>;
  readonly strict?: boolean;
}

/** A field the middle form has no place for. */
export interface Leftover {
  readonly at: string;
  /**
   * Advice to its vendor (a cache hint, an accounting tag, a service tier): an answer without it is still the answer.
   * It is left out and told as `left-out:NAME`; anything else is refused.
   */
  readonly advice: boolean;
}

export interface NeutralRequest {
  readonly lane: Lane;
  /** The upstream's name for the model. */
  readonly model: string;
  readonly stream: boolean;
  /** Instructions before the conversation, in their order. */
  readonly system: readonly TextPart[];
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly toolChoice?: Given<ToolChoice>;
  /** False: one call of a tool at a time. */
  readonly parallelTools?: Given<boolean>;
  readonly maxOutputTokens?: Given<number>;
  readonly temperature?: Given<number>;
  readonly topP?: Given<number>;
  readonly topK?: Given<number>;
  readonly stop?: Given<readonly string[]>;
  readonly seed?: Given<number>;
  readonly presencePenalty?: Given<number>;
  readonly frequencyPenalty?: Given<number>;
  readonly thinking?: Given<Thinking>;
  readonly output?: Given<OutputFormat>;
  readonly leftovers: readonly Leftover[];
  /** The client's own document, for what an answer must echo and for the client's wishes about the answer. */
  readonly source: Readonly<Record<string, unknown>>;
}

/** Why the model stopped. `blocked`: the prompt was refused before anything was said; `refusal`: the model declined. */
export type StopReason =
  'end' | 'max-tokens' | 'stop-sequence' | 'tool-calls' | 'refusal' | 'blocked' | 'filtered' | 'context-full';

/**
 * An upstream's answer in the middle form. Order: `start`, then parts one after another (`part`, any `delta`s and at
 * most one `signature`, `part-end`; a part never begins inside another), `stop`, `end`. `error` may come anywhere and is
 * the last. Usage is not told here: the meter reads the same bytes first and knows it.
 */
export type NeutralEvent =
  | { readonly type: 'start'; readonly id: string; readonly model: string | undefined }
  | { readonly type: 'part'; readonly part: 'text' | 'thinking' }
  | { readonly type: 'part'; readonly part: 'redacted-thinking'; readonly data: Signature }
  | { readonly type: 'part'; readonly part: 'tool-call'; readonly id: string; readonly name: string }
  /** A file the model made (Gemini's inlineData), whole. */
  | { readonly type: 'part'; readonly part: 'media'; readonly mediaType: string; readonly data: string }
  /** Text, a thought, or a piece of the arguments' JSON text, by the open part; never empty. */
  | { readonly type: 'delta'; readonly text: string }
  | { readonly type: 'signature'; readonly signature: Signature }
  | { readonly type: 'part-end' }
  | {
      readonly type: 'stop';
      readonly reason: StopReason;
      readonly sequence?: string;
      /** The vendor's own words or code for a refusal or a block. */
      readonly detail?: string;
    }
  | { readonly type: 'error'; readonly failure: AnswerFailure }
  | { readonly type: 'end' };

/** What an answer's writer knows beside the events. */
export interface AnswerContext {
  readonly request: NeutralRequest;
  /** The model as the client named it; used where the upstream's answer names none. */
  readonly model: string;
  /** The ledger's id, uuidv7. */
  readonly requestId: string;
  /** When the answer began, ms since the epoch. */
  readonly now: number;
  /** What the meter has read so far. */
  usage(): Usage;
}
