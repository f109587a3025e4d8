import { RelayError } from '../errors/relay-error.ts';
import type { Decision } from '../scheduler/admission.ts';
import type { KeptAnswer, Miss } from './miss.ts';
import { refusedAdmission } from './refused-admission.ts';
import { retryAfterSeconds } from './refusal.ts';

type Refused = Extract<Decision, { admitted: false }>;

/**
 * What the client is told when nobody could serve it: the last account's answer, with the soonest time at which any of
 * those tried or waited for is there again.
 * @param refused why nobody further could be tried; undefined: nobody was left, or enough were tried
 */
export function lastWord(misses: readonly Miss[], refused: Refused | undefined): KeptAnswer | RelayError {
  if (refused?.refusal === 'key-unusable') return refusedAdmission(refused);
  const last = misses.at(-1);
  if (last === undefined) return new RelayError('internal', 'The relay failed');
  if (last.blame !== 'account') return last.told;

  const waits = misses.flatMap(({ backInMs }) => backInMs ?? []);
  if (refused?.refusal === 'accounts-cooling' && refused.retryAfterMs !== undefined)
    waits.push(refused.retryAfterMs);
  if (waits.length === 0) return last.told;
  const seconds = retryAfterSeconds(Math.min(...waits));
  if (last.told instanceof RelayError) return new RelayError(last.told.code, last.told.message, seconds);
  return { ...last.told, headers: { ...last.told.headers, 'retry-after': String(seconds) } };
}
