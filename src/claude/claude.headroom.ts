import { type Headroom, headroomOf } from '../upstream/headroom.ts';
import { untilReset } from '../upstream/retry-after.ts';

type Headers = Readonly<Record<string, string>>;

const LIMITS = {
  requests: 'requests',
  tokens: 'tokens',
  'input-tokens': 'input',
  'output-tokens': 'output',
} as const;
const WINDOWS = ['5h', '7d'] as const;

/**
 * What is left of an API key's limits a minute: `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-`
 * `{limit,remaining,reset}` on every answer of the Messages API, reset in RFC 3339 (Anthropic's "Rate limits",
 * "Response headers"); and of a subscription's windows, whose used part is a fraction and whose reset is epoch seconds
 * (`anthropic-ratelimit-unified-{5h,7d}-{utilization,reset}`, as Claude Code reads them). `allowed_warning` alone
 * says nothing of how much is left, and is not read.
 */
export function claudeHeadroom(headers: Headers, now: number): readonly Headroom[] {
  const limits = Object.entries(LIMITS).map(([name, of]) => {
    const text = (what: string): string | undefined => headers[`anthropic-ratelimit-${name}-${what}`];
    return headroomOf(of, { remaining: text('remaining'), limit: text('limit'), reset: text('reset') }, now);
  });
  const windows = WINDOWS.map((name): Headroom | undefined => {
    const used = headers[`anthropic-ratelimit-unified-${name}-utilization`]?.trim() ?? '';
    if (!/^\d{1,3}(\.\d{1,20})?$/.test(used)) return undefined;
    const resetMs = untilReset(headers[`anthropic-ratelimit-unified-${name}-reset`], now);
    return { of: 'share', remaining: Math.max(1 - Number(used), 0), limit: 1, resetMs };
  });
  return [...limits, ...windows].filter((one) => one !== undefined);
}
