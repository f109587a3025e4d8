import type { Cooling } from '../scheduler/sql/cooldowns.ts';
import type { Verdict } from '../upstream/upstream.ts';

/** How long an account rests, and for what. */
export type Rest = Pick<Cooling, 'modelFamily' | 'reason' | 'forMs' | 'growsToMs'>;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** First and longest rest where the answer names no time. */
interface Default {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** A throttle passes soon: per-minute limits fill up again by the second. */
const THROTTLED: Default = { firstMs: 10 * SECOND, mostMs: 5 * MINUTE };
/** A spent quota or a refusing edge lasts, but nobody said how long. */
const SPENT: Default = { firstMs: MINUTE, mostMs: HOUR };
/**
 * What a model is refused for may have been in the request: one caller must not take a model from everybody until a
 * person comes, so it is tried again, ever more rarely.
 */
const MODEL_REFUSED: Default = { firstMs: HOUR, mostMs: 24 * HOUR };
const DEFAULTS: Readonly<Record<string, Default>> = { 'rate-limit': THROTTLED };

/**
 * All who wait for the same moment shall not come at the same moment: up to a tenth later, but never much, and not where
 * a client was told a few seconds and is back when they are over.
 */
const MOST_JITTER_MS = 30 * SECOND;
const EXACT_MS = 10 * SECOND;

/** An account that keeps failing is taken out for a moment, ever longer. */
export const EJECTION: Default = { firstMs: 5 * SECOND, mostMs: 5 * MINUTE };

/** The rest that a verdict asks for; undefined: the account is not to blame, or is not tired of it. */
export function restFor(
  verdict: Verdict,
  modelFamily: string,
  random: () => number = Math.random,
): Rest | undefined {
  if (verdict.at !== 'account') return undefined;
  const scope = verdict.scope === 'model' ? modelFamily : null;
  const rest = { modelFamily: scope, reason: verdict.reason };
  if (verdict.mend === 'person') {
    return scope === null ? { ...rest, forMs: 'infinity' } : { ...rest, ...growing(MODEL_REFUSED, random) };
  }
  if (verdict.retryAfterMs !== undefined) return { ...rest, forMs: later(verdict.retryAfterMs, random) };
  return { ...rest, ...growing(DEFAULTS[verdict.reason] ?? SPENT, random) };
}

export function growing(
  { firstMs, mostMs }: Default,
  random: () => number,
): Required<Pick<Rest, 'forMs' | 'growsToMs'>> {
  return { forMs: later(firstMs, random), growsToMs: mostMs };
}

function later(ms: number, random: () => number): number {
  return ms <= EXACT_MS ? ms : Math.ceil(ms + random() * Math.min(ms / 10, MOST_JITTER_MS));
}
