/**
 * The most that models give in one answer, by the upstream's names for them, the first that fits; what a call that names
 * no maximum may come to. From the vendors' lists: platform.openai.com/docs/models, ai.google.dev/gemini-api/docs/models,
 * platform.claude.com/docs/en/about-claude/models/overview, docs.aws.amazon.com/nova/latest/nova2-userguide.
 */
const MOST_OUTPUT: readonly (readonly [RegExp, number])[] = [
  [/gpt-5[\d.]*-chat/, 16_384],
  [/gpt-5|codex/, 128_000],
  [/(^|\/)o\d/, 100_000],
  [/gpt-4\.1/, 32_768],
  [/gpt-4o/, 16_384],
  [/gpt-4|gpt-3\.5/, 8_192],
  [/gemini-(1\.5|2\.0)/, 8_192],
  [/gemini/, 65_536],
  [/claude-3-(opus|sonnet|haiku)/, 4_096],
  [/claude-3-5/, 8_192],
  [/claude-opus-4(-[01])?(-\d{8}|@|-v\d|$)/, 32_000],
  [/claude-(opus|sonnet|haiku)-4(-[0-5])?(-\d{8}|@|-v\d|$)/, 64_000],
  [/claude/, 128_000],
  [/nova-2/, 65_536],
];
/** For models that the table does not know. */
const UNKNOWN_OUTPUT = 32_768;

/** Output tokens of a call to `model` that names no maximum, on the high side. */
export function outputLimit(model: string): number {
  return MOST_OUTPUT.find(([pattern]) => pattern.test(model))?.[1] ?? UNKNOWN_OUTPUT;
}
