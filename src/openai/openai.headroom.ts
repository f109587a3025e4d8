import { type Headroom, headroomOf } from '../upstream/headroom.ts';

type Headers = Readonly<Record<string, string>>;

/**
 * `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, reset as a duration such as `6m0s` (OpenAI's "Rate limits",
 * "Rate limits in headers"); compatible servers send the same, or none.
 */
export function openaiHeadroom(headers: Headers, now: number): readonly Headroom[] {
  const found = (['requests', 'tokens'] as const).map((of) => {
    const text = (what: string): string | undefined => headers[`x-ratelimit-${what}-${of}`];
    return headroomOf(of, { remaining: text('remaining'), limit: text('limit'), reset: text('reset') }, now);
  });
  return found.filter((one) => one !== undefined);
}
