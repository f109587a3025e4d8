import type { Effort, Thinking } from '../neutral.ts';

/**
 * What Claude models differ in, by their names: the most output each gives (platform.claude.com, "Models overview");
 * whether it takes a budget for its thoughts, adaptive thinking with words of effort (…, "Adaptive thinking": Claude 4.6),
 * or nothing but the latter (Claude 4.7 and later); and which sampling settings it takes.
 */
interface Family {
  readonly pattern: RegExp;
  readonly output: number;
  readonly thinks: 'budget' | 'both' | 'adaptive';
  /**
   * `one`: temperature or top_p, "cannot both be specified for this model" (Claude 4.1 and later). `none`: no value but
   * the default (Claude 4.7 and later). `any`: no Claude, and nobody says what it takes.
   */
  readonly sampling: 'any' | 'all' | 'one' | 'none';
}

/** The first that fits; names of Claude that are not listed are taken for newer ones. */
const FAMILIES: readonly Family[] = [
  {
    pattern: /claude-3-(opus|sonnet|haiku)|claude-2|claude-instant/,
    output: 4_096,
    thinks: 'budget',
    sampling: 'all',
  },
  { pattern: /claude-3-5/, output: 8_192, thinks: 'budget', sampling: 'all' },
  {
    pattern: /claude-3-7|claude-(opus|sonnet)-4(-0)?(-\d{8}|@|-v\d|$)/,
    output: 32_000,
    thinks: 'budget',
    sampling: 'all',
  },
  {
    pattern: /claude-(opus|sonnet|haiku)-4-[1-5](\D|$)|claude-haiku-4/,
    output: 32_000,
    thinks: 'budget',
    sampling: 'one',
  },
  { pattern: /claude-(opus|sonnet)-4-6/, output: 32_000, thinks: 'both', sampling: 'one' },
  { pattern: /claude/, output: 32_000, thinks: 'adaptive', sampling: 'none' },
  { pattern: /./, output: 32_000, thinks: 'both', sampling: 'any' },
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
  const { thinks } = familyOf(model);
  if (thinking.mode === 'off' || thinking.effort === 'none') return { fields: {}, exact: true };
  const display = thinking.show ? {} : { display: 'omitted' };
  const budget = thinking.mode === 'budget' ? thinking.budgetTokens : undefined;
  if (thinks === 'budget') {
    return withBudget(budget ?? BUDGETS[thinking.effort ?? 'medium'], maxTokens, display, true);
  }
  if (thinks === 'both' && budget !== undefined) return withBudget(budget, maxTokens, display, true);
  const asked = thinking.effort ?? (budget === undefined ? undefined : wordFor(budget));
  const effort = asked && { output_config: { effort: WORDS[asked] } };
  return {
    fields: { thinking: { type: 'adaptive', ...display }, ...effort },
    exact: asked !== 'minimal' && budget === undefined,
  };
}

/** The word whose budget is the next one up. */
function wordFor(budget: number): 'low' | 'medium' | 'high' {
  return (['low', 'medium'] as const).find((word) => budget <= BUDGETS[word]) ?? 'high';
}

function withBudget(asked: number, maxTokens: number, display: object, exact: boolean): WrittenThinking {
  const budget_tokens = Math.min(Math.max(asked, LEAST_BUDGET), maxTokens - 1);
  if (budget_tokens < LEAST_BUDGET) return { fields: {}, exact: false };
  return {
    fields: { thinking: { type: 'enabled', budget_tokens, ...display } },
    exact: exact && budget_tokens === asked,
  };
}

export function samplingOf(model: string): Family['sampling'] {
  return familyOf(model).sampling;
}

function familyOf(model: string): Family {
  return FAMILIES.find(({ pattern }) => pattern.test(model)) ?? FAMILIES.at(-1)!;
}
