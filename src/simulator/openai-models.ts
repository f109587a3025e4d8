import { OpenaiRefusal } from './openai-error.ts';

/** Chat models of `ChatModel` in openai 6.49 that are asked for most, and the embedding models. */
const CHAT =
  `gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.2 gpt-5.1 gpt-5 gpt-5-mini
gpt-5-nano gpt-5-2025-08-07 gpt-5-mini-2025-08-07 gpt-5-chat-latest gpt-4.1 gpt-4.1-mini gpt-4.1-nano
gpt-4.1-2025-04-14 o4-mini o3 o3-mini o1 gpt-4o gpt-4o-2024-11-20 gpt-4o-mini gpt-4-turbo gpt-4
gpt-3.5-turbo`.split(/\s+/);
const EMBEDDING = ['text-embedding-3-large', 'text-embedding-3-small', 'text-embedding-ada-002'];
const ALL = [...CHAT, ...EMBEDDING];

/** `gpt-sim-…` and `deepseek-sim-…` always exist, and `text-embedding-sim-…` as well. */
const SIMULATED = /^(gpt|deepseek|text-embedding)-sim-/;

/** What a chat model does with the parameters that models differ in. */
export interface Abilities {
  /** Words of `reasoning_effort`, the default first; absent: it does not think, and does not know the parameter. */
  readonly efforts?: readonly string[];
  /** `max_tokens` is taken. */
  readonly maxTokens: boolean;
  /** Temperature, top_p and the penalties can be set: always, only while it does not think, or never. */
  readonly sampling: 'always' | 'unthinking' | 'never';
  readonly stop: boolean;
  /** `parallel_tool_calls` is not taken. */
  readonly alone?: true;
  /** As DeepSeek's: thoughts are shown in this field and wanted back with the calls that they led to. */
  readonly thoughts?: 'reasoning_content';
}

const ANYTHING: Abilities = {
  efforts: ['medium', 'none', 'minimal', 'low', 'high', 'xhigh', 'max'],
  maxTokens: true,
  sampling: 'always',
  stop: true,
};

const LATER: Abilities = {
  efforts: ['none', 'low', 'medium', 'high', 'xhigh'],
  maxTokens: false,
  sampling: 'unthinking',
  stop: true,
};

/**
 * The first that fits. Efforts: platform docs, "Reasoning models"; `stop` and sampling as the API's own refusals tell
 * them (`Unsupported parameter: 'stop' is not supported with this model.`; only the default temperature).
 */
const FAMILIES: readonly (readonly [RegExp, Abilities])[] = [
  [/^gpt-sim-/, ANYTHING],
  [
    /^deepseek-sim-/,
    { ...ANYTHING, efforts: ['high', 'low', 'medium', 'xhigh', 'max'], thoughts: 'reasoning_content' },
  ],
  [/^gpt-5(\.\d+)?-chat/, { maxTokens: false, sampling: 'always', stop: true }],
  [
    /^gpt-5(-|$)/,
    { efforts: ['medium', 'minimal', 'low', 'high'], maxTokens: false, sampling: 'never', stop: false },
  ],
  [/^gpt-5\.[0-4]/, { ...LATER, stop: false }],
  [/^gpt-5\./, LATER],
  [
    /^o\d/,
    { efforts: ['medium', 'low', 'high'], maxTokens: false, sampling: 'never', stop: false, alone: true },
  ],
  [/./, { maxTokens: true, sampling: 'always', stop: true }],
];

export function abilitiesOf(model: string): Abilities {
  return FAMILIES.find(([pattern]) => pattern.test(model))?.[1] ?? ANYTHING;
}

export function openaiModelExists(id: string, use: 'chat' | 'embeddings' | 'any'): boolean {
  const embeds = EMBEDDING.includes(id) || id.startsWith('text-embedding-sim-');
  if (!ALL.includes(id) && !SIMULATED.test(id)) return false;
  return use === 'any' || embeds === (use === 'embeddings');
}

export function noSuchModel(id: string): OpenaiRefusal {
  const message = `The model \`${id}\` does not exist or you do not have access to it.`;
  return new OpenaiRefusal(404, message, { code: 'model_not_found' });
}

/** `GET /v1/models`: all at once. */
export function listOpenaiModels(): object {
  return { object: 'list', data: ALL.map(openaiModel) };
}

export function openaiModel(id: string): object {
  return {
    id,
    object: 'model',
    created: 1_745_000_000 + Math.max(ALL.indexOf(id), 0) * 1000,
    owned_by: 'system',
  };
}
