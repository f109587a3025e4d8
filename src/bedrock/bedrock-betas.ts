/**
 * Which of Anthropic's betas InvokeModel takes; a body that names any other is refused whole ("invalid beta flag").
 * A value is the name it goes by there.
 *
 * Sources, read in November 2026: AWS' Bedrock user guide, "Anthropic Claude Messages API", field anthropic_beta (A);
 * the table of LiteLLM, litellm/anthropic_beta_headers_config.json, key `bedrock` (L); flags tried one by one in
 * router-for-me/CLIProxyAPI issue 4750 (P). Not taken: oauth, prompt-caching-scope, fast-mode, redact-thinking (P),
 * extended-cache-ttl, which Bedrock needs no flag for (anthropics/claude-code issue 56595), per-turn-control, files-api,
 * mcp-client, skills, code-execution, web-fetch, web-search (L), token-counting, which is CountTokens there.
 */
const TAKEN: Readonly<Record<string, string>> = {
  'claude-code-20250219': 'claude-code-20250219', // P
  'compact-2026-01-12': 'compact-2026-01-12', // L
  'computer-use-2024-10-22': 'computer-use-2024-10-22', // A
  'computer-use-2025-01-24': 'computer-use-2025-01-24', // A, L
  'computer-use-2025-11-24': 'computer-use-2025-11-24', // L
  'context-1m-2025-08-07': 'context-1m-2025-08-07', // A, L
  'context-management-2025-06-27': 'context-management-2025-06-27', // A, L, P
  'dangerous-tool-use-2026-09-03': 'dangerous-tool-use-2026-09-03', // L
  'dev-full-thinking-2025-05-14': 'dev-full-thinking-2025-05-14', // A
  'effort-2025-11-24': 'effort-2025-11-24', // A, L
  'fine-grained-tool-streaming-2025-05-14': 'fine-grained-tool-streaming-2025-05-14', // L
  'interleaved-thinking-2025-05-14': 'interleaved-thinking-2025-05-14', // A, P
  'mid-conversation-output-config-2026-07-01': 'mid-conversation-output-config-2026-07-01', // L
  'mid-conversation-tool-changes-2026-07-01': 'mid-conversation-tool-changes-2026-07-01', // L
  'output-128k-2025-02-19': 'output-128k-2025-02-19', // A
  'structured-outputs-2025-12-15': 'structured-outputs-2025-12-15', // P
  'thinking-binding-controls-2026-08-01': 'thinking-binding-controls-2026-08-01', // L
  'thinking-display-updates-2026-08-18': 'thinking-display-updates-2026-08-18', // L
  'token-efficient-tools-2025-02-19': 'token-efficient-tools-2025-02-19', // A
  'tool-examples-2025-10-29': 'tool-examples-2025-10-29', // A
  'tool-search-tool-2025-10-19': 'tool-search-tool-2025-10-19', // A, L
  // The same feature under another name (L; Claude Code itself sends this name to Bedrock).
  'advanced-tool-use-2025-11-20': 'tool-search-tool-2025-10-19',
};

export interface Betas {
  /** In the order asked for, each once. */
  readonly taken: readonly string[];
  /** Something was left out or goes by another name. */
  readonly edited: boolean;
}

export function betasFor(asked: readonly string[]): Betas {
  const names = asked.map((name) => (Object.hasOwn(TAKEN, name) ? TAKEN[name] : undefined));
  const taken = [...new Set(names.filter((name) => name !== undefined))];
  return { taken, edited: asked.some((name, i) => names[i] !== name) };
}
