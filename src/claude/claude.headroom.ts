import { type Headroom, headroomOf } from '../upstream/headroom.ts';
import { untilReset } from '../upstream/retry-after.ts';

type Headers = Readonly<Record<string, string>>;

/** Names of headers that tell of one limit; made once, since every answer is asked for all of them. */
const LIMITS = (
  [
    ['requests', 'requests'],
    ['tokens', 'tokens'],
    ['input-tokens', 'input'],
    ['output-tokens', 'output'],
  ] as const
).map(([name, of]) => {
  const header = (what: string): string => `anthropic-ratelimit-${name}-${what}`;
  return { of, remaining: header('remaining'), limit: header('limit'), reset: header('reset') };
});
const WINDOWS = ['5h', '7d'].map((name) => ({
  utilization: `anthropic-ratelimit-unified-${name}-utilization`,
  reset: `anthropic-ratelimit-unified-${name}-reset`,
}));

/**
 * What is left of an API key's limits a minute: `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-`
 * `{limit,remaining,reset}` on every answer of the Messages API, reset in RFC 3339 (Anthropic's "Rate limits",
 * "Response headers"); and of a subscription's windows, whose used part is a fraction and whose reset is epoch seconds
 * (`anthropic-ratelimit-unified-{5h,7d}-{utilization,reset}`, as Claude Code reads them). `allowed_warning` alone
 * says nothing of how much is left, and is not read.
 */
export function claudeHeadroom(headers: Headers, now: number): readonly Headroom[] {
  const told: Headroom[] = [];
  for (const { of, remaining, limit, reset } of LIMITS) {
    if (headers[remaining] === undefined) continue;
    const texts = { remaining: headers[remaining], limit: headers[limit], reset: headers[reset] };
    const one = headroomOf(of, texts, now);
    if (one !== undefined) told.push(one);
  }
  for (const { utilization, reset } of WINDOWS) {
    const used = headers[utilization]?.trim();
    if (used === undefined || !/^\d{1,3}(\.\d{1,20})?$/.test(used)) continue;
    const resetMs = untilReset(headers[reset], now);
    told.push({ of: 'share', remaining: Math.max(1 - Number(used), 0), limit: 1, resetMs });
  }
  return told;
}
