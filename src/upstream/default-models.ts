/**
 * The one table of models that a vendor's accounts serve unless they say otherwise, by vendor and not by kind: every
 * kind that reaches a vendor's models takes the same line. `*` stands for any characters. `probe` is the cheapest
 * current model, asked by an account's test.
 */
export const VENDOR_MODELS = {
  anthropic: {
    patterns: ['claude-*'],
    probe: 'claude-haiku-4-5',
  },
  google: {
    // `text-embedding-0*` and not `text-embedding-*`: OpenAI's text-embedding-3 is another vendor's.
    patterns: ['gemini-*', 'gemma-*', 'learnlm-*', 'embedding-0*', 'text-embedding-0*', 'tunedModels/*'],
    probe: 'gemini-flash-lite-latest',
  },
  openai: {
    // Other vendors' models behind a compatible server are named by the account's own policy.
    patterns: [
      'gpt-*',
      'chatgpt-*',
      'codex-*',
      'o1',
      'o1-*',
      'o3',
      'o3-*',
      'o4-*',
      'text-embedding-3-*',
      'text-embedding-ada-*',
    ],
    probe: 'gpt-4.1-nano',
  },
} as const;
