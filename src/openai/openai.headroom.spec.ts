import { openaiHeadroom } from './openai.headroom.ts';

describe('what is left of an OpenAI account', () => {
  it('is told for requests and tokens, with a duration until the reset', () => {
    const headers = {
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-tokens': '149984',
      'x-ratelimit-reset-tokens': '6m0s',
    };
    expect(openaiHeadroom(headers, 0)).toEqual([
      { of: 'requests', remaining: 59, limit: 60, resetMs: 1_000 },
      { of: 'tokens', remaining: 149_984, limit: 150_000, resetMs: 360_000 },
    ]);
  });

  it('is nothing where a compatible server says nothing', () => {
    expect(openaiHeadroom({ 'x-ratelimit-limit-requests': '60' }, 0)).toEqual([]);
  });
});
