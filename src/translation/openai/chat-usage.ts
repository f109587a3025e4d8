import type { Usage } from '../../dialects/dialect.ts';

/**
 * The prompt includes what was read from the cache and what was written to it, the completion includes reasoning
 * (`CompletionUsage` of openai 6.49).
 */
export function chatUsage(usage: Usage): object {
  const written = usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
  const prompt = usage.inputTokens + usage.cacheReadTokens + written;
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.outputTokens,
    total_tokens: prompt + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cacheReadTokens,
      ...(written > 0 && { cache_write_tokens: written }),
    },
    completion_tokens_details: { reasoning_tokens: Math.min(usage.reasoningTokens, usage.outputTokens) },
  };
}
