/**
 * What the matrix asks of a door, said once for all of them: each door's driver puts it to the door's official client
 * and tells what that client made of the answer.
 */

export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface Ask {
  readonly model: string;
  /** The user's words; absent where the turn only answers tools. */
  readonly text?: string;
  readonly system?: string;
  readonly tools?: readonly ToolSpec[];
  readonly image?: { readonly mediaType: 'image/png'; readonly data: string };
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  /** The model thinks, as the dialect asks for it. */
  readonly thinks?: boolean;
  /** The answer must be JSON of this schema. */
  readonly schema?: Readonly<Record<string, unknown>>;
  /** The conversation before, as the client keeps it: `Said.history` of the turn before. */
  readonly history?: unknown;
  readonly results?: readonly ToolAnswer[];
  readonly signal?: AbortSignal;
  /** Streams only: called with each piece of text as it comes. */
  readonly onText?: (piece: string) => void;
}

export interface ToolAnswer {
  readonly call: ToolUse;
  readonly output: string;
}

export interface ToolUse {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
}

export type Stop = 'end' | 'tools' | 'max' | 'stop-sequence' | 'refusal';

export interface Said {
  readonly text: string;
  readonly calls: readonly ToolUse[];
  readonly stop: Stop;
  /** `input` is the whole of it, cached tokens included; `output` includes thinking. */
  readonly usage: { readonly input: number; readonly cached: number; readonly output: number };
  /** The client's own list of messages, this turn included. */
  readonly history: unknown;
}

/** What an error of the client tells. */
export interface Told {
  readonly status: number | undefined;
  readonly message: string;
}

export interface Driver {
  say(ask: Ask): Promise<Said>;
  stream(ask: Ask): Promise<Said>;
  told(error: unknown): Told;
}

export type MakeDriver = (relay: { readonly url: string; readonly key: string }) => Driver;

/** Told of an answer that a client cannot read as any end. */
export function stopOf(stops: Readonly<Record<string, Stop>>, reason: string | null | undefined): Stop {
  const stop = stops[reason ?? ''];
  if (stop === undefined) throw new Error(`The client was told to stop for ${String(reason)}`);
  return stop;
}
