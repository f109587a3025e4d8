import type { Effort, Thinking } from '../neutral.ts';

/** What models behind chat completions differ in, by their names. */
export interface ChatModel {
  /** Words of `reasoning_effort` from the least to the most; absent: it has none, or nobody says that it has. */
  readonly efforts?: readonly Effort[];
  /** What happens where nothing is said of effort: it thinks, or it does not. */
  readonly thinks: boolean;
  /** Temperature, top_p and the penalties: always, only where it does not think, or never but at their defaults. */
  readonly sampling: 'always' | 'unthinking' | 'never';
  readonly stop: boolean;
  /** `parallel_tool_calls` is a word it knows; the others call one tool at a time. */
  readonly parallel: boolean;
  /** Its thoughts are text in `reasoning_content`, which it wants back with the calls that they led to. */
  readonly thoughts: boolean;
}

interface Family extends ChatModel {
  readonly pattern: RegExp;
}

const PLAIN = {
  thinks: false,
  sampling: 'always',
  stop: true,
  parallel: true,
  thoughts: false,
} as const;
const THINKING = { ...PLAIN, thinks: true, sampling: 'never', stop: false } as const;

/**
 * The first that fits; a gateway's prefix (`openai/gpt-5`) may stand before a name.
 *
 * Efforts: https://platform.openai.com/docs/guides/reasoning and the models' own pages; the rest as OpenAI's refusals
 * tell it ("Unsupported parameter: 'stop' is not supported with this model.", likewise 'parallel_tool_calls'; "Only the
 * default (1) value is supported."). DeepSeek: https://api-docs.deepseek.com/guides/thinking_mode. gpt-oss:
 * https://github.com/openai/harmony. Kimi: https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model.
 */
const FAMILIES: readonly Family[] = [
  { ...PLAIN, pattern: /(^|\/)gpt-5(\.\d+)?-chat/ },
  { ...THINKING, pattern: /(^|\/)gpt-5(-|$)/, efforts: ['minimal', 'low', 'medium', 'high'] },
  {
    ...PLAIN,
    pattern: /(^|\/)gpt-5\.[0-4]/,
    efforts: ['none', 'low', 'medium', 'high', 'xhigh'],
    sampling: 'unthinking',
    stop: false,
  },
  {
    ...PLAIN,
    pattern: /(^|\/)gpt-[5-9]/,
    efforts: ['none', 'low', 'medium', 'high', 'xhigh'],
    sampling: 'unthinking',
  },
  { ...THINKING, pattern: /(^|\/)o\d/, efforts: ['low', 'medium', 'high'], parallel: false },
  { ...PLAIN, pattern: /gpt-oss/, efforts: ['low', 'medium', 'high'], thinks: true },
  {
    ...PLAIN,
    pattern: /deepseek(?!.*distill)/,
    efforts: ['low', 'high', 'max'],
    thinks: true,
    thoughts: true,
  },
  { ...PLAIN, pattern: /kimi-k2(\.\d+|-thinking)/, thinks: true, thoughts: true },
  { ...PLAIN, pattern: /./ },
];

export function chatModel(model: string): ChatModel {
  return FAMILIES.find(({ pattern }) => pattern.test(model)) ?? FAMILIES.at(-1)!;
}

const RANK: readonly Effort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/** From so many tokens on it is this much; by the table "reasoning_effort" of https://ai.google.dev/gemini-api/docs/openai. */
const BUDGETS: readonly (readonly [number, Effort])[] = [
  [16_384, 'high'],
  [4_096, 'medium'],
  [1, 'low'],
  [0, 'none'],
];

/** `exact`: false where the model cannot do what was asked and does the nearest thing. */
export interface WrittenEffort {
  readonly effort: Effort | undefined;
  readonly exact: boolean;
}

/** The word for how much is to be thought; undefined = as the model does by itself. */
export function effortOf(thinking: Thinking, { efforts }: ChatModel): WrittenEffort {
  const asked = askedOf(thinking);
  if (asked === undefined) return { effort: undefined, exact: true };
  // Nothing is known of its thoughts, so nothing is said; who wants none from it may get none anyway.
  if (efforts === undefined) return { effort: undefined, exact: asked === 'none' };
  const more = RANK.slice(RANK.indexOf(asked)).find((one) => efforts.includes(one));
  const effort = more ?? efforts.at(-1)!;
  return { effort, exact: effort === asked };
}

function askedOf({ mode, budgetTokens, effort }: Thinking): Effort | undefined {
  if (mode === 'off') return 'none';
  if (mode === 'budget' && budgetTokens !== undefined) {
    return BUDGETS.find(([least]) => budgetTokens >= least)?.[1];
  }
  return effort;
}
