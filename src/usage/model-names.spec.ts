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
    'claude-sonnet-4-5',
    'claude-sonnet-5-5',
    'gemini-2.5-pro-tts',
    'gemini-3-pro-preview',
    'claude-2.1',
  ])('anything else has only its own name: %s', (model) => {
    expect(priceNames(model)).toEqual([model]);
  });
});
