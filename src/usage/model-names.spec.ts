import { priceNames } from './model-names.ts';

describe('the names a price is looked for under', () => {
  it.each([
    ['claude-sonnet-4-5-20250929', 'claude-sonnet-4-5'],
    ['claude-3-5-haiku-latest', 'claude-3-5-haiku'],
    ['claude-opus-4-1@20250805', 'claude-opus-4-1'],
    ['gemini-2.0-flash-001', 'gemini-2.0-flash'],
    ['gemini-2.5-flash-lite-preview-06-17', 'gemini-2.5-flash-lite-preview'],
    ['gemini-2.5-flash-preview-09-2025', 'gemini-2.5-flash-preview'],
  ])('a release falls back to its model: %s', (model, bare) => {
    expect(priceNames(model)).toEqual([model, bare]);
  });

  it.each([
    ['gpt-4o-2024-08-06', 'gpt-4o'],
    ['amazon.nova-lite-v1:0', 'amazon.nova-lite'],
    ['mistral.mistral-7b-instruct-v0:2', 'mistral.mistral-7b-instruct'],
    ['anthropic.claude-opus-4-5-20251101-v1:0', 'anthropic.claude-opus-4-5'],
    ['anthropic.claude-opus-4-6-v1', 'anthropic.claude-opus-4-6'],
  ])('a version of Bedrock, or a day of OpenAI, falls back to its model: %s', (model, bare) => {
    expect(priceNames(model)).toEqual([model, bare]);
  });

  it.each([
    ['us.anthropic.claude-opus-5-5', ['anthropic.claude-opus-5-5']],
    [
      'global.anthropic.claude-haiku-4-5-20251001-v1:0',
      ['global.anthropic.claude-haiku-4-5', 'anthropic.claude-haiku-4-5'],
    ],
    [
      'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us-gov.anthropic.claude-3-haiku-20240307-v1:0',
      ['us-gov.anthropic.claude-3-haiku', 'anthropic.claude-3-haiku'],
    ],
  ])('a profile of Bedrock falls back to its own price, then to the model’s: %s', (model, others) => {
    expect(priceNames(model)).toEqual([model, ...others]);
  });

  it.each([
    'claude-sonnet-4-5',
    'claude-sonnet-5-5',
    'gemini-2.5-pro-tts',
    'gemini-3-pro-preview',
    'claude-2.1',
    'gpt-4.1',
    'deepseek-v3',
    'qwen3:8b',
    'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2',
  ])('anything else has only its own name: %s', (model) => {
    expect(priceNames(model)).toEqual([model]);
  });
});
