import type { Usage } from '../../dialects/dialect.ts';

/**
 * The prompt includes its cached part, candidates leave out the thoughts, and the total is all of them
 * (`GenerateContentResponseUsageMetadata` of @google/genai 2.32). What was written to a cache is prompt like the rest.
 * Counts of nothing are left out, as in Google's own answers, but for the three that clients add up.
 */
export function usageMetadata(usage: Usage): object {
  const cached = usage.cacheReadTokens;
  const prompt = usage.inputTokens + cached + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
  const thoughts = Math.min(usage.reasoningTokens, usage.outputTokens);
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: usage.outputTokens - thoughts,
    totalTokenCount: prompt + usage.outputTokens,
    ...(cached > 0 && { cachedContentTokenCount: cached }),
    ...(thoughts > 0 && { thoughtsTokenCount: thoughts }),
  };
}
