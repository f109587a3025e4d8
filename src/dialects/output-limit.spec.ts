import { outputLimit } from './output-limit.ts';

describe('the most output of a model', () => {
  it.each([
    ['gpt-4o-mini', 16_384],
    ['openai/gpt-5.1-codex', 128_000],
    ['gpt-5-chat-latest', 16_384],
    ['o3-mini', 100_000],
    ['gpt-4-turbo', 8_192],
    ['gemini-2.0-flash-001', 8_192],
    ['gemini-2.5-pro', 65_536],
    ['anthropic.claude-3-haiku-20240307-v1:0', 4_096],
    ['claude-3-5-haiku-latest', 8_192],
    ['claude-opus-4-20250514', 32_000],
    ['us.anthropic.claude-opus-4-1-20250805-v1:0', 32_000],
    ['claude-sonnet-4@20250514', 64_000],
    ['claude-haiku-4-5', 64_000],
    ['claude-opus-4-6', 128_000],
    ['claude-3-7-sonnet-20250219', 128_000],
    ['us.amazon.nova-2-lite-v1:0', 65_536],
    ['amazon.nova-lite-v1:0', 32_768],
    ['llama-3.3-70b', 32_768],
  ])('of %s is %d', (model, tokens) => {
    expect(outputLimit(model)).toBe(tokens);
  });
});
