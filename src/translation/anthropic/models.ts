import type { Effort, Thinking } from '../neutral.ts';

/**
 * What Claude models differ in, by their names: the most output each gives (platform.claude.com, "Models overview"), and
 * whether it takes adaptive thinking and words of effort (…, "Adaptive thinking": Claude 4.6 and later) or a budget.
 */
interface Family {
  readonly pattern: RegExp;
  readonly output: number;
  readonly adaptive: boolean;
}

/** The first that fits; names that are not listed are taken for newer ones. */
const FAMILIES: readonly Family[] = [
  { pattern: /claude-3-(opus|sonnet|haiku)|claude-2|claude-instant/, output: 4_096, adaptive: false },
  { pattern: /claude-3-5/, output: 8_192, adaptive: false },
  { pattern: /claude-(opus|sonnet|haiku)-4(-[0-5])?(-\d{8}|@|-v\d|$)/, output: 32_000, adaptive: false },
  { pattern: /claude-3-7|claude-haiku-4/, output: 32_000, adaptive: false },
  { pattern: /./, output: 32_000, adaptive: true },
];

const LEAST_BUDGET = 1_024;

const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: LEAST_BUDGET,
  low: LEAST_BUDGET,
  medium: 8_192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
};

/** `minimal` is OpenAI's and Gemini's; the nearest word is `low`. */
const WORDS: Readonly<Record<Exclude<Effort, 'none'>, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'max',
};

/** `max_tokens` is required; a client that says none wants as much as there is, and a bill for no more than is said. */
export function defaultMaxTokens(model: string): number {
  return familyOf(model).output;
}

/** `exact`: false where the model cannot do what was asked and does the nearest thing. */
export interface WrittenThinking {
  readonly fields: object;
  readonly exact: boolean;
}

/** `thinking` and `output_config.effort`. A budget must leave room in `max_tokens` for the answer. */
export function thinkingFields(thinking: Thinking, model: string, maxTokens: number): WrittenThinking {
  const { adaptive } = familyOf(model);
  if (thinking.mode === 'off' || thinking.effort === 'none') return { fields: {}, exact: true };
  const display = thinking.show ? {} : { display: 'omitted' };
  if (thinking.mode === 'budget' && thinking.budgetTokens !== undefined) {
    return withBudget(thinking.budgetTokens, maxTokens, display, true);
  }
  if (!adaptive) return withBudget(BUDGETS[thinking.effort ?? 'medium'], maxTokens, display, true);
  const effort = thinking.effort && { output_config: { effort: WORDS[thinking.effort] } };
  return {
    fields: { thinking: { type: 'adaptive', ...display }, ...effort },
    exact: thinking.effort !== 'minimal',
  };
}

function withBudget(asked: number, maxTokens: number, display: object, exact: boolean): WrittenThinking {
  const budget_tokens = Math.min(Math.max(asked, LEAST_BUDGET), maxTokens - 1);
  if (budget_tokens < LEAST_BUDGET) return { fields: {}, exact: false };
  return {
    fields: { thinking: { type: 'enabled', budget_tokens, ...display } },
    exact: exact && budget_tokens === asked,
  };
}

function familyOf(model: string): Family {
  return FAMILIES.find(({ pattern }) => pattern.test(model)) ?? FAMILIES.at(-1)!;
}
