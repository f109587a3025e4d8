import type { Effort, Thinking } from '../neutral.ts';

/**
 * What Gemini models differ in, by their names. Ranges of thinking budgets and levels:
 * https://ai.google.dev/gemini-api/docs/thinking; how words of effort become budgets: the table "reasoning_effort" of
 * https://ai.google.dev/gemini-api/docs/openai.
 */
interface Family {
  readonly pattern: RegExp;
  readonly budgets?: Budgets;
  readonly levels?: readonly Level[];
  /**
   * A call in the current turn without a signature is refused, and a tool's result may hold media
   * (https://ai.google.dev/gemini-api/docs/thought-signatures, …/function-calling).
   */
  readonly third: boolean;
}

type Level = 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH';

interface Budgets {
  readonly least: number;
  readonly most: number;
  readonly off: boolean;
}

const RANK: readonly Level[] = ['MINIMAL', 'LOW', 'MEDIUM', 'HIGH'];

/** The first that fits; names that are not listed are taken for newer ones. */
const FAMILIES: readonly Family[] = [
  { pattern: /gemini-2\.5-flash-lite/, budgets: { least: 512, most: 24_576, off: true }, third: false },
  { pattern: /gemini-2\.5-flash-image/, third: false },
  { pattern: /gemini-2\.5-flash/, budgets: { least: 0, most: 24_576, off: true }, third: false },
  { pattern: /gemini-2\.5/, budgets: { least: 128, most: 32_768, off: false }, third: false },
  { pattern: /gemini-[12]\b|gemini-pro|gemma|learnlm|tunedModels/, third: false },
  { pattern: /gemini-3-pro/, levels: ['LOW', 'HIGH'], third: true },
  { pattern: /flash-lite|gemini-3(\.[0-6])?-flash/, levels: RANK, third: true },
  { pattern: /./, levels: ['LOW', 'MEDIUM', 'HIGH'], third: true },
];

const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 1_024,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
};

const LEVELS: Readonly<Record<Effort, Level>> = {
  none: 'MINIMAL',
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
};

/** Where Google asks for a signature on calls that its own models never made, it documents this in place of one. */
export const NO_SIGNATURE = 'skip_thought_signature_validator';

/** The two values that Google documents for calls which carry no signature. */
export const STAND_INS: ReadonlySet<string> = new Set([NO_SIGNATURE, 'context_engineering_is_the_way_to_go']);

/** Gemini 3 and later; a name that does not tell is taken for one. */
export function isThird(model: string): boolean {
  return familyOf(model).third;
}

/**
 * `generationConfig.thinkingConfig`. `exact`: false where the model cannot do what was asked and does the nearest thing
 * (it thinks as little as it can instead of not at all; it has no thoughts).
 */
export function thinkingConfig(
  thinking: Thinking,
  model: string,
): { readonly config: object | undefined; readonly exact: boolean } {
  const { budgets, levels } = familyOf(model);
  const effort = thinking.mode === 'off' ? 'none' : thinking.effort;
  const shown = thinking.mode !== 'off' && thinking.show ? { includeThoughts: true } : {};
  if (budgets !== undefined) {
    const asked = thinking.mode === 'budget' ? thinking.budgetTokens : effort && BUDGETS[effort];
    if (asked === undefined) return { config: { thinkingBudget: -1, ...shown }, exact: true };
    const budget = asked === 0 && budgets.off ? 0 : Math.min(Math.max(asked, budgets.least), budgets.most);
    return { config: { thinkingBudget: budget, ...shown }, exact: asked > 0 || budget === 0 };
  }
  if (levels === undefined) return { config: undefined, exact: effort === 'none' };
  if (thinking.mode === 'budget' && thinking.budgetTokens !== undefined) {
    // still taken, but not beside a level
    return { config: { thinkingBudget: thinking.budgetTokens, ...shown }, exact: true };
  }
  const level = effort && nearest(LEVELS[effort], levels);
  const config = { ...(level && { thinkingLevel: level }), ...shown };
  return { config: Object.keys(config).length > 0 ? config : undefined, exact: effort !== 'none' };
}

function familyOf(model: string): Family {
  return FAMILIES.find(({ pattern }) => pattern.test(model)) ?? FAMILIES.at(-1)!;
}

/** The level asked for, or the next one up that the model has. */
function nearest(level: Level, levels: readonly Level[]): Level {
  const from = RANK.indexOf(level);
  return RANK.slice(from).find((one) => levels.includes(one)) ?? levels.at(-1)!;
}
