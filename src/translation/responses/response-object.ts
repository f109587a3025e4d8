import type { Usage } from '../../dialects/dialect.ts';
import type { AnswerContext } from '../neutral.ts';

export type Status = 'in_progress' | 'completed' | 'incomplete';

/** What a response tells that its request did not. */
export interface Told {
  readonly id: string;
  readonly model: string;
  readonly status: Status;
  /** `max_output_tokens` or `content_filter`. */
  readonly incomplete?: string;
  readonly output: readonly object[];
  readonly done: boolean;
}

/** What a request says about the answer is said again, with OpenAI's defaults (API reference, "The response object"). */
const ECHOED: Readonly<Record<string, unknown>> = {
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  parallel_tool_calls: true,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  temperature: null,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_logprobs: 0,
  top_p: null,
  truncation: 'disabled',
  user: null,
};

/** Nothing is kept and nothing goes on in the background, whatever was asked. */
export function responseObject(told: Told, context: AnswerContext): object {
  const { id, model, status, incomplete, output, done } = told;
  const { request, now } = context;
  const echoed = Object.entries(ECHOED).map(([name, fallback]) => [name, request.source[name] ?? fallback]);
  return {
    id,
    object: 'response',
    created_at: Math.floor(now / 1000),
    status,
    background: false,
    error: null,
    incomplete_details: incomplete === undefined ? null : { reason: incomplete },
    model,
    output,
    previous_response_id: null,
    store: false,
    ...(Object.fromEntries(echoed) as object),
    usage: done ? usageOf(context.usage()) : null,
  };
}

/** The input includes what was read from the cache and written to it, the output includes reasoning (`ResponseUsage`). */
function usageOf(usage: Usage): object {
  const written = usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
  const input = usage.inputTokens + usage.cacheReadTokens + written;
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cacheReadTokens, cache_write_tokens: written },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: Math.min(usage.reasoningTokens, usage.outputTokens) },
    total_tokens: input + usage.outputTokens,
  };
}
