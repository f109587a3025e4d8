import { BEDROCK_NAMES, bedrockModel, isClaude, isOpaque, takesVersion2026 } from './bedrock-models.ts';

const at = (model: string, region: string) => bedrockModel(model, { settings: { region } });
const PROFILE = 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-7';
const OWN = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3';

describe("a model's id at Bedrock", () => {
  it.each([
    ['us-east-1', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['eu-central-1', 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['ap-northeast-1', 'jp.anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['ap-southeast-2', 'au.anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['ap-south-1', 'global.anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['sa-east-1', 'global.anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['us-gov-west-1', 'anthropic.claude-sonnet-4-5-20250929-v1:0'],
  ])('is the profile of the geography in %s', (region, id) => {
    expect(at('claude-sonnet-4-5', region)).toBe(id);
  });

  it('is a profile that the model has, or the bare id where it has none', () => {
    expect(at('claude-sonnet-4', 'ap-northeast-1')).toBe('apac.anthropic.claude-sonnet-4-20250514-v1:0');
    expect(at('claude-3-haiku', 'us-east-1')).toBe('anthropic.claude-3-haiku-20240307-v1:0');
    expect(at('claude-opus-4-1', 'eu-west-1')).toBe('anthropic.claude-opus-4-1-20250805-v1:0');
  });

  it.each([
    ['claude-sonnet-4-5-20250929', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['claude-haiku-4-5-20251001', 'us.anthropic.claude-haiku-4-5-20251001-v1:0'],
    ['claude-sonnet-4-0', 'us.anthropic.claude-sonnet-4-20250514-v1:0'],
    ['claude-3-5-haiku-latest', 'us.anthropic.claude-3-5-haiku-20241022-v1:0'],
  ])('is found by the dated and the newest name: %s', (name, id) => {
    expect(at(name, 'us-east-1')).toBe(id);
  });

  it.each([
    'amazon.nova-lite-v1:0',
    'us.meta.llama3-3-70b-instruct-v1:0',
    'us-gov.anthropic.claude-x',
    PROFILE,
    OWN,
  ])('stays what the client gave: %s', (id) => {
    expect(at(id, 'eu-west-1')).toBe(id);
  });

  it.each([
    'claude-sonnet-4-5-20240101',
    'claude-9',
    'claude',
    'gpt-4.1',
    'gemini-2.5-pro',
    'us',
    'constructor',
    'xanthropic.x',
  ])('is not known: %s', (name) => {
    expect(at(name, 'us-east-1')).toBeUndefined();
  });

  it('has an id for every name of the table', () => {
    for (const name of BEDROCK_NAMES) expect(at(name, 'us-east-1')).toMatch(/^(us\.)?anthropic\.claude-/);
  });

  it('tells Claude from others, and what nobody can tell', () => {
    for (const name of ['claude-x', 'anthropic.claude-x', 'eu.anthropic.claude-x', PROFILE]) {
      expect([isClaude(name), isOpaque(name)]).toEqual([true, false]);
    }
    for (const name of ['amazon.nova-lite-v1:0', 'not-claude-x']) expect(isClaude(name)).toBe(false);
    expect([isClaude(OWN), isOpaque(OWN)]).toEqual([false, true]);
  });

  it('knows which take the version of 2026, in every way of naming them', () => {
    for (const name of ['claude-opus-4-7', 'global.anthropic.claude-sonnet-5-5', PROFILE]) {
      expect(takesVersion2026(name)).toBe(true);
    }
    for (const name of ['claude-opus-4-6', 'us.anthropic.claude-haiku-4-5-20251001-v1:0', OWN]) {
      expect(takesVersion2026(name)).toBe(false);
    }
    expect(takesVersion2026(OWN, 'claude-opus-5')).toBe(true);
  });
});
