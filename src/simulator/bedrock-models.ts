import { Refusal } from './exchange.ts';

/**
 * Models of AWS' Bedrock user guide ("Supported foundation models", read in November 2026) and what the simulator must know
 * of each family. `VENDOR.sim-…` always exists.
 */

export type Family = 'claude' | 'nova' | 'nova-2' | 'gpt-oss' | 'deepseek' | 'other';

export interface BedrockModel {
  readonly id: string;
  readonly family: Family;
  /** Anthropic's own name of a Claude model. */
  readonly anthropicName: string;
}

const CLAUDE = new Set(
  `claude-opus-5-5 claude-sonnet-5-5 claude-haiku-5-5 claude-fable-5-2 claude-fable-5-1 claude-fable-5 claude-mythos-5-2
   claude-mythos-5-1 claude-mythos-5 claude-opus-5 claude-sonnet-5 claude-opus-4-8 claude-opus-4-7 claude-opus-4-6-v1
   claude-sonnet-4-6 claude-opus-4-5-20251101-v1:0 claude-sonnet-4-5-20250929-v1:0 claude-haiku-4-5-20251001-v1:0
   claude-opus-4-1-20250805-v1:0 claude-opus-4-20250514-v1:0 claude-sonnet-4-20250514-v1:0
   claude-3-7-sonnet-20250219-v1:0 claude-3-5-haiku-20241022-v1:0 claude-3-haiku-20240307-v1:0`.split(/\s+/),
);

const OTHERS: Readonly<Record<string, RegExp>> = {
  ai21: /^jamba-/,
  amazon: /^nova-(micro|lite|pro|premier|2-lite|2-pro)-v\d/,
  cohere: /^command-/,
  deepseek: /^(r1|v3)/,
  google: /^gemma-/,
  meta: /^llama/,
  minimax: /^minimax-/,
  mistral: /^(devstral|magistral|ministral|mistral|mixtral|pixtral|voxtral)-/,
  moonshot: /^kimi-/,
  moonshotai: /^kimi-/,
  nvidia: /^nemotron-/,
  openai: /^gpt-/,
  qwen: /^qwen3-/,
  writer: /^palmyra-/,
  zai: /^glm-/,
};

const PROFILE = /^(?:us-gov|us|eu|jp|au|apac|ca|global)\./;
/** These run on demand only through a profile (their cards in the user guide, "Regional availability"). */
const PROFILE_ONLY = /^anthropic\.claude-(?:3-7|(?:opus|sonnet|haiku)-4)/;
const ARN = /^arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d*:([a-z-]+)\/(.+)$/;

/** The model behind an id, a profile or an ARN; what an opaque ARN stands for is Claude where InvokeModel asks. */
export function bedrockModel(modelId: string): BedrockModel {
  const [, kind, tail = ''] = ARN.exec(modelId) ?? [];
  if (kind === 'foundation-model' || kind === 'inference-profile') return named(tail, kind !== undefined);
  if (kind !== undefined) return { id: modelId, family: 'claude', anthropicName: 'claude-sim-arn' };
  return named(modelId, PROFILE.test(modelId));
}

function named(id: string, profile: boolean): BedrockModel {
  const bare = id.replace(PROFILE, '');
  const at = bare.indexOf('.');
  const [vendor, name] = [bare.slice(0, at), bare.slice(at + 1)];
  const known = vendor === 'anthropic' ? CLAUDE.has(name) : OTHERS[vendor]?.test(name) === true;
  if (at < 0 || (!known && !name.startsWith(vendor === 'anthropic' ? 'claude-sim-' : 'sim-'))) {
    throw new Refusal(400, 'The provided model identifier is invalid.');
  }
  if (!profile && PROFILE_ONLY.test(bare)) {
    throw new Refusal(
      400,
      `Invocation of model ID ${id} with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.`,
    );
  }
  return { id, family: familyOf(vendor, name), anthropicName: name.replace(/-v\d+(:\d+)?$/, '') };
}

function familyOf(vendor: string, name: string): Family {
  if (vendor === 'anthropic') return 'claude';
  if (vendor === 'amazon') return name.startsWith('nova-2') ? 'nova-2' : 'nova';
  if (vendor === 'openai') return 'gpt-oss';
  return vendor === 'deepseek' ? 'deepseek' : 'other';
}

/** Seals what it thought; the open-weight models tell their thoughts without (aws-samples/bedrock-chat pull 851). */
export function signs({ family }: BedrockModel): boolean {
  return family === 'claude' || family === 'nova-2';
}

/** Takes `anthropic_version: 2026-10-21`: Claude 4.7 and later. */
export function takesVersion2026({ anthropicName }: BedrockModel): boolean {
  return /^claude-(?:[a-z]+-(?:[5-9]|4-[789])|sim-)/.test(anthropicName);
}

/**
 * `outputConfig.textFormat`: Claude since 4.5 and the open-weight models, none of Amazon's own (AWS Bedrock user guide,
 * "Get validated JSON results from models").
 */
export function takesSchema({ family, id }: BedrockModel): boolean {
  return family !== 'nova' && family !== 'nova-2' && !/(?:^|\.)(?:meta|cohere|ai21|writer)\./.test(id);
}
