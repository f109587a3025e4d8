import { varied } from './anthropic-usage.ts';
import { isRecord, listOf } from './exchange.ts';
import { withoutDirectives, type Fault } from './faults.ts';
import { tokensIn } from './speech.ts';

export interface ChatTokens {
  /** The whole prompt, what was cached included. */
  readonly prompt: number;
  readonly cached: number;
  /** All that was generated, reasoning included. */
  readonly completion: number;
  readonly reasoning: number;
}

/** Bytes of the prompt: texts as they are, other parts, calls and tools as JSON. */
export function countChat(body: Readonly<Record<string, unknown>>): number {
  let bytes = 0;
  const add = (value: unknown): void => {
    bytes += Buffer.byteLength(typeof value === 'string' ? withoutDirectives(value) : JSON.stringify(value));
  };
  for (const message of listOf(body['messages']).filter(isRecord)) {
    const { content } = message;
    if (typeof content === 'string') add(content);
    for (const part of listOf(content)) {
      add(isRecord(part) && typeof part['text'] === 'string' ? part['text'] : part);
    }
    for (const call of listOf(message['tool_calls'])) add(call);
  }
  for (const tool of listOf(body['tools'])) add(tool);
  return tokensIn(bytes);
}

/** `CompletionUsage`; `completion` is what has come so far, where it is told before the end. */
export function chatUsage(tokens: ChatTokens, completion = tokens.completion): object {
  return {
    prompt_tokens: tokens.prompt,
    completion_tokens: completion,
    total_tokens: tokens.prompt + completion,
    prompt_tokens_details: { cached_tokens: tokens.cached, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: Math.min(tokens.reasoning, completion),
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** The usage of a whole answer, in the fault's variant; undefined = there is none. */
export function wholeUsage(tokens: ChatTokens, fault: Fault): object | undefined {
  if (fault.usage === 'output-only') return { completion_tokens: tokens.completion };
  return varied(chatUsage(tokens), fault);
}

/** What the chunks of usage after the last choice tell, in order: usually one; none where it is told elsewhere. */
export function usageChunks(tokens: ChatTokens, fault: Fault): readonly object[] {
  const { completion } = tokens;
  const of = (count: number): object => chatUsage(tokens, count);
  switch (fault.usage) {
    case 'missing':
    case 'last-chunk':
    case 'every-chunk':
      return [];
    case 'repeated':
      return [of(completion), of(completion), of(completion)];
    case 'falling':
      return [of(completion * 2), of(completion + 1), of(completion)];
    default: {
      const usage = wholeUsage(tokens, fault);
      return usage === undefined ? [] : [usage];
    }
  }
}
