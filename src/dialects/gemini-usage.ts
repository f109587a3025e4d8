import type { Usage } from './dialect.ts';
import { safe, type TokenCounts } from './token-counts.ts';

const PROMPT = 'usageMetadata.promptTokenCount';
const CACHED = 'usageMetadata.cachedContentTokenCount';
const TOOL_USE = 'usageMetadata.toolUsePromptTokenCount';
const CANDIDATES = 'usageMetadata.candidatesTokenCount';
const THOUGHTS = 'usageMetadata.thoughtsTokenCount';

export const GEMINI_COUNTS: readonly string[] = [PROMPT, CACHED, TOOL_USE, CANDIDATES, THOUGHTS];

/**
 * Gemini's prompt count includes the cached part and leaves out the results of tools; its candidates leave out the
 * thoughts, which are billed as output (`GenerateContentResponseUsageMetadata` in @google/genai 2.32).
 */
export function geminiUsage(counts: TokenCounts): Usage {
  const prompt = counts.get(PROMPT) ?? 0;
  const cached = counts.get(CACHED) ?? 0;
  const thoughts = counts.get(THOUGHTS) ?? 0;
  return safe({
    inputTokens: prompt - Math.min(cached, prompt) + (counts.get(TOOL_USE) ?? 0),
    cacheReadTokens: Math.min(cached, prompt),
    cacheWrite5mTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens: (counts.get(CANDIDATES) ?? 0) + thoughts,
    reasoningTokens: thoughts,
    serverTools: {},
  });
}

/** More of the prompt came from the cache than there was of it. */
export function isContradictory(counts: TokenCounts): boolean {
  return (counts.get(CACHED) ?? 0) > (counts.get(PROMPT) ?? 0);
}
