import type { Account } from '../upstream/account.ts';

/**
 * The one table of Bedrock's models: the name that Anthropic's own API has for each, its id at Bedrock, and the
 * cross-region profiles there are for it. From the models' cards in AWS' Bedrock user guide ("Programmatic access") and
 * platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy, November 2026. An account's `models.map`
 * goes before it.
 */

type Profile = 'us' | 'us-gov' | 'eu' | 'jp' | 'au' | 'apac' | 'global';

interface BedrockModel {
  readonly id: string;
  readonly profiles: readonly Profile[];
  /** Takes `anthropic_version: 2026-10-21`: Claude 4.7 and later (platform.claude.com, same page). */
  readonly version2026?: true;
}

const EVERYWHERE: readonly Profile[] = ['us', 'eu', 'jp', 'au', 'global'];
const current = (id: string): BedrockModel => ({ id, profiles: EVERYWHERE, version2026: true });

const MODELS: Readonly<Record<string, BedrockModel>> = {
  'claude-opus-5-5': current('anthropic.claude-opus-5-5'),
  'claude-sonnet-5-5': current('anthropic.claude-sonnet-5-5'),
  'claude-haiku-5-5': current('anthropic.claude-haiku-5-5'),
  'claude-fable-5-1': current('anthropic.claude-fable-5-1'),
  'claude-fable-5': current('anthropic.claude-fable-5'),
  'claude-opus-5': current('anthropic.claude-opus-5'),
  'claude-sonnet-5': current('anthropic.claude-sonnet-5'),
  'claude-opus-4-8': current('anthropic.claude-opus-4-8'),
  'claude-opus-4-7': current('anthropic.claude-opus-4-7'),
  'claude-opus-4-6': { id: 'anthropic.claude-opus-4-6-v1', profiles: EVERYWHERE },
  'claude-sonnet-4-6': { id: 'anthropic.claude-sonnet-4-6', profiles: EVERYWHERE },
  'claude-opus-4-5': { id: 'anthropic.claude-opus-4-5-20251101-v1:0', profiles: ['us', 'eu', 'global'] },
  'claude-sonnet-4-5': { id: 'anthropic.claude-sonnet-4-5-20250929-v1:0', profiles: EVERYWHERE },
  'claude-haiku-4-5': { id: 'anthropic.claude-haiku-4-5-20251001-v1:0', profiles: EVERYWHERE },
  'claude-opus-4-1': { id: 'anthropic.claude-opus-4-1-20250805-v1:0', profiles: ['us'] },
  'claude-opus-4': { id: 'anthropic.claude-opus-4-20250514-v1:0', profiles: ['us'] },
  'claude-sonnet-4': {
    id: 'anthropic.claude-sonnet-4-20250514-v1:0',
    profiles: ['us', 'eu', 'apac', 'global'],
  },
  'claude-3-7-sonnet': { id: 'anthropic.claude-3-7-sonnet-20250219-v1:0', profiles: ['us', 'eu', 'apac'] },
  'claude-3-5-haiku': { id: 'anthropic.claude-3-5-haiku-20241022-v1:0', profiles: ['us'] },
  'claude-3-haiku': { id: 'anthropic.claude-3-haiku-20240307-v1:0', profiles: [] },
};

/** The cheapest that every region has had for long. */
export const PROBE_MODEL = 'claude-haiku-4-5';

/** The profiles a region can ask, its own geography first (AWS Bedrock user guide, "Cross-region inference"). */
const GEOGRAPHY: readonly (readonly [RegExp, readonly Profile[]])[] = [
  [/^us-gov-/, ['us-gov']],
  [/^us-/, ['us', 'global']],
  [/^eu-/, ['eu', 'global']],
  [/^ap-northeast-[13]$/, ['jp', 'apac', 'global']],
  [/^ap-southeast-[24]$/, ['au', 'apac', 'global']],
  [/^ap-/, ['apac', 'global']],
  [/^ca-/, ['global', 'us']],
];
const ELSEWHERE: readonly Profile[] = ['global'];

const VENDORS =
  'ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|stability|twelvelabs|writer|xai|zai';
/** A model's id, alone or in a profile; the profile of a geography is a short word before it. */
const ID = new RegExp(`^(?:[a-z]{2,6}(?:-[a-z]{3})?\\.)?(?:${VENDORS})\\.[a-z0-9]`);
const ARN = /^arn:aws[a-z-]*:(?:bedrock|sagemaker):/;
/** What stands behind an ARN of these kinds is for AWS to know. */
const OPAQUE = /^arn:aws[a-z-]*:(?!bedrock:[^/]*:(?:foundation-model|inference-profile)\/)/;
/** Anthropic's names may be dated; the table has one release of each. */
const ALIAS = /(?:-0|-latest)$/;

/** Names that anybody may ask for; ids and ARNs are served beside them. */
export const BEDROCK_NAMES: readonly string[] = Object.keys(MODELS);

/** Bedrock's id for a model name: the profile of the account's own geography where there is one. */
export function bedrockModel(model: string, account: Pick<Account, 'settings'>): string | undefined {
  if (ID.test(model) || ARN.test(model)) return model;
  const known = knownModel(model);
  if (known === undefined) return undefined;
  const region = account.settings['region'] ?? '';
  const near = GEOGRAPHY.find(([regions]) => regions.test(region))?.[1] ?? ELSEWHERE;
  const profile = near.find((name) => known.profiles.includes(name));
  return profile === undefined ? known.id : `${profile}.${known.id}`;
}

/** By either of its names, the public one or Bedrock's: an ARN that an account maps a name to says nothing itself. */
export function isClaude(...names: readonly string[]): boolean {
  return names.some((name) => /(?:^|[./])(?:anthropic\.)?claude-/.test(name));
}

export function isOpaque(name: string): boolean {
  return OPAQUE.test(name);
}

/** Does the model take the API version of October 2026? */
export function takesVersion2026(...names: readonly string[]): boolean {
  return names.some((name) => {
    const known = knownModel(name) ?? Object.values(MODELS).find(({ id }) => tailOf(name) === id);
    return known?.version2026 === true;
  });
}

function knownModel(name: string): BedrockModel | undefined {
  const plain = name.replace(ALIAS, '');
  if (Object.hasOwn(MODELS, plain)) return MODELS[plain];
  const dated = Object.values(MODELS).find(({ id }) => id.startsWith(`anthropic.${plain}-v`));
  return /-20\d{6}$/.test(plain) ? dated : undefined;
}

/** Without a profile's prefix, and without what stands before the id in an ARN. */
function tailOf(name: string): string {
  const id = name.slice(name.lastIndexOf('/') + 1);
  return id.slice(Math.max(0, id.indexOf('anthropic.')));
}
