import type { Usage } from './dialect.ts';
import { safe, type TokenCounts } from './token-counts.ts';

const PROMPT = 'usage.prompt_tokens';
const COMPLETION = 'usage.completion_tokens';
const TOTAL = 'usage.total_tokens';
const CACHED = 'usage.prompt_tokens_details.cached_tokens';
const WRITTEN = 'usage.prompt_tokens_details.cache_write_tokens';
const REASONING = 'usage.completion_tokens_details.reasoning_tokens';
/** DeepSeek's name for the cached part of the prompt (api-docs.deepseek.com, "Context caching"). */
const HIT = 'usage.prompt_cache_hit_tokens';

export const OPENAI_COUNTS: readonly string[] = [PROMPT, COMPLETION, TOTAL, CACHED, WRITTEN, REASONING, HIT];

/**
 * OpenAI's prompt count includes what was read from and written to the cache, its completion count includes reasoning
 * (`CompletionUsage` in openai 6.49). Where the total is the sum of all three, as xAI counts, reasoning came beside the
 * completion. An embedding may be told as a total only.
 */
export function openaiUsage(counts: TokenCounts): Usage {
  const completion = counts.get(COMPLETION) ?? 0;
  const prompt = counts.get(PROMPT) ?? Math.max((counts.get(TOTAL) ?? 0) - completion, 0);
  const read = Math.min(cachedIn(counts), prompt);
  const written = Math.min(counts.get(WRITTEN) ?? 0, prompt - read);
  const reasoning = counts.get(REASONING) ?? 0;
  const beside = reasoning > 0 && counts.get(TOTAL) === prompt + completion + reasoning;
  const output = beside ? completion + reasoning : completion;
  return safe({
    inputTokens: prompt - read - written,
    cacheReadTokens: read,
    cacheWrite5mTokens: written,
    cacheWrite1hTokens: 0,
    outputTokens: output,
    reasoningTokens: Math.min(reasoning, output),
    serverTools: {},
  });
}

/** More of the prompt came from the cache, or went into it, than there was of it. */
export function isContradictory(counts: TokenCounts): boolean {
  const prompt = counts.get(PROMPT);
  return prompt !== undefined && cachedIn(counts) + (counts.get(WRITTEN) ?? 0) > prompt;
}

function cachedIn(counts: TokenCounts): number {
  return counts.get(CACHED) ?? counts.get(HIT) ?? 0;
}
