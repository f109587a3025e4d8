import { untilReset } from './retry-after.ts';

/** What an answer says is left of one of its account's limits. */
export interface Headroom {
  /** `input` and `tokens` are tokens that a request takes from; `share`: a part of 1, of a limit nobody is told. */
  readonly of: 'requests' | 'tokens' | 'input' | 'output' | 'share';
  readonly remaining: number;
  readonly limit: number | undefined;
  /** From now; undefined: not told. */
  readonly resetMs: number | undefined;
}

/** The texts that tell of one limit. */
export interface HeadroomTexts {
  readonly remaining: string | undefined;
  readonly limit: string | undefined;
  readonly reset: string | undefined;
}

/** Undefined where what remains is not told, or is no number of things. */
export function headroomOf(of: Headroom['of'], texts: HeadroomTexts, now: number): Headroom | undefined {
  const remaining = count(texts.remaining);
  if (remaining === undefined) return undefined;
  const limit = count(texts.limit);
  return { of, remaining, limit, resetMs: untilReset(texts.reset, now) };
}

function count(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined;
}
