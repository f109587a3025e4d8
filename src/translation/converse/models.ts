import type { Effort, Given, NeutralRequest, Thinking } from '../neutral.ts';

/**
 * What the models of Converse differ in, by the ids in their names; Claude is asked in its own dialect, and is not here.
 * AWS Bedrock user guide: "Prompt caching" (Amazon's own models: `system` and `messages`, five minutes), "Get validated
 * JSON results from models" (open-weight models), ToolResultBlock (status and images: Amazon's); AWS Nova 2 user guide,
 * "Extended thinking" and "Core inference"; OpenAI's open-weight models: `reasoning_effort` (same guide, "OpenAI models").
 */
export interface ConverseModel {
  readonly caches: boolean;
  /** `outputConfig.textFormat`, and `strict` on a tool. */
  readonly schema: boolean;
  /** A tool's result may say that it failed, and may hold images. */
  readonly results: boolean;
  readonly topK: boolean;
  readonly thinks: 'nova' | 'effort' | undefined;
  /** Takes back what was thought (DeepSeek-R1 refuses: langchain-ai/langchain-aws issue 401). */
  readonly remembers: boolean;
}

const OPEN: ConverseModel = {
  caches: false,
  schema: true,
  results: false,
  topK: false,
  thinks: undefined,
  remembers: true,
};
const NOVA: ConverseModel = { ...OPEN, caches: true, schema: false, results: true, topK: true };

/** The first that fits; what stands behind an ARN of the account's own is taken for an open-weight model. */
const FAMILIES: readonly (readonly [RegExp, ConverseModel])[] = [
  [/\bamazon\.nova-2-/, { ...NOVA, thinks: 'nova' }],
  [/\bamazon\./, NOVA],
  [/\bopenai\.gpt-oss-/, { ...OPEN, thinks: 'effort' }],
  [/\bdeepseek\.r1/, { ...OPEN, schema: false, remembers: false }],
  [/\b(?:ai21|cohere|meta|writer)\./, { ...OPEN, schema: false }],
];

export function converseModel(name: string): ConverseModel {
  return FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? OPEN;
}

/** Fields of `additionalModelRequestFields`; `exact`: false where the model does the nearest thing to what was asked. */
export interface WrittenThinking {
  readonly fields: object;
  readonly exact: boolean;
}

type Word = 'low' | 'medium' | 'high';

const WORDS: Readonly<Record<Exclude<Effort, 'none'>, Word>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
};

/** Budgets up to these are that word; the steps are those between Gemini's own budgets for the words. */
const BUDGETS: readonly (readonly [number, Word])[] = [
  [4_096, 'low'],
  [16_384, 'medium'],
];

export function thinkingFields(
  { value: thinking }: Given<Thinking>,
  { thinks }: ConverseModel,
  request: NeutralRequest,
): WrittenThinking {
  const off = thinking.mode === 'off' || thinking.effort === 'none';
  if (thinks === undefined) return { fields: {}, exact: off };
  if (thinks === 'effort') {
    return { fields: { reasoning_effort: off ? 'low' : wordOf(thinking) }, exact: !off };
  }
  if (off) return { fields: {}, exact: true };
  // "high" is refused beside limits and sampling (Nova 2 user guide, "Extended thinking").
  const limited = [request.maxOutputTokens, request.temperature, request.topP].some(Boolean);
  const word = wordOf(thinking);
  const maxReasoningEffort = word === 'high' && limited ? 'medium' : word;
  return {
    fields: { reasoningConfig: { type: 'enabled', maxReasoningEffort } },
    exact: maxReasoningEffort === word,
  };
}

function wordOf({ mode, effort, budgetTokens }: Thinking): Word {
  if (mode === 'budget' && budgetTokens !== undefined) {
    return BUDGETS.find(([most]) => budgetTokens <= most)?.[1] ?? 'high';
  }
  return effort === undefined || effort === 'none' ? 'medium' : WORDS[effort];
}
