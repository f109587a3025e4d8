import { claudeHeadroom } from './claude.headroom.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');

describe('what is left of an Anthropic account', () => {
  it('is told for each limit of an API key, with its reset in RFC 3339', () => {
    const headers = {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-requests-reset': '2026-11-22T12:00:02Z',
      'anthropic-ratelimit-input-tokens-limit': '30000',
      'anthropic-ratelimit-input-tokens-remaining': '1000',
      'anthropic-ratelimit-input-tokens-reset': '2026-11-22T12:00:58Z',
      'anthropic-ratelimit-output-tokens-limit': '8000',
      'anthropic-ratelimit-output-tokens-remaining': '8000',
      'anthropic-ratelimit-output-tokens-reset': '2026-11-22T12:00:00Z',
      'anthropic-ratelimit-tokens-limit': '38000',
      'anthropic-ratelimit-tokens-remaining': '9000',
      'anthropic-ratelimit-tokens-reset': '2026-11-22T12:00:58Z',
    };
    expect(claudeHeadroom(headers, NOW)).toEqual([
      { of: 'requests', remaining: 49, limit: 50, resetMs: 2_000 },
      { of: 'tokens', remaining: 9_000, limit: 38_000, resetMs: 58_000 },
      { of: 'input', remaining: 1_000, limit: 30_000, resetMs: 58_000 },
      { of: 'output', remaining: 8_000, limit: 8_000, resetMs: 1_000 },
    ]);
  });

  it('is what is not used of a subscription’s windows, with their resets in epoch seconds', () => {
    const headers = {
      'anthropic-ratelimit-unified-status': 'allowed_warning',
      'anthropic-ratelimit-unified-5h-utilization': '0.75',
      'anthropic-ratelimit-unified-5h-reset': String(NOW / 1000 + 3_600),
      'anthropic-ratelimit-unified-7d-utilization': '1.25',
      'anthropic-ratelimit-unified-7d-reset': String(NOW / 1000 + 86_400),
    };
    expect(claudeHeadroom(headers, NOW)).toEqual([
      { of: 'share', remaining: 0.25, limit: 1, resetMs: 3_600_000 },
      { of: 'share', remaining: 0, limit: 1, resetMs: 86_400_000 },
    ]);
  });

  it.each(['-1', '1.5', 'many', '', '1e3', '99999999999999999999'])('is not made up from %j', (text) => {
    expect(claudeHeadroom({ 'anthropic-ratelimit-requests-remaining': text }, NOW)).toEqual([]);
  });

  it.each(['-0.1', 'NaN', '', '1e2'])('is not made up from a used part of %j', (text) => {
    expect(claudeHeadroom({ 'anthropic-ratelimit-unified-5h-utilization': text }, NOW)).toEqual([]);
  });

  it('is known without its limit and its reset', () => {
    expect(claudeHeadroom({ 'anthropic-ratelimit-requests-remaining': '0' }, NOW)).toEqual([
      { of: 'requests', remaining: 0, limit: undefined, resetMs: undefined },
    ]);
  });
});
