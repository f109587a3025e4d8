import { RelayError } from '../errors/relay-error.ts';
import type { Decision, Refusal } from '../scheduler/admission.ts';
import { retryAfterSeconds } from './refusal.ts';

/** A refusal of the scheduler as the client is told of it, who asked for `model`. */
export function refusedAdmission(
  decision: Extract<Decision, { admitted: false }>,
  model = 'this model',
): RelayError {
  const seconds = decision.retryAfterMs === undefined ? 1 : retryAfterSeconds(decision.retryAfterMs);
  const told: Record<Refusal, () => RelayError> = {
    'key-unusable': () => new RelayError('key-missing', 'The API key is missing or not valid'),
    'key-full': () => new RelayError('key-full', 'This key has as many calls running as it may', seconds),
    'team-full': () =>
      new RelayError('team-full', "This key's team has as many calls running as it may", seconds),
    'requests-rate': () =>
      new RelayError('rate-exceeded', 'The requests a minute of this key or its team are used up', seconds),
    'tokens-rate': () =>
      new RelayError('rate-exceeded', 'The tokens a minute of this key or its team are used up', seconds),
    'budget-held': () =>
      new RelayError('budget-held', 'Calls that are running hold the rest of the budget', seconds),
    'budget-spent': () =>
      new RelayError('budget-spent', 'What is left of the budget does not cover this call', 'never'),
    unpriced: () =>
      new RelayError(
        'budget-unpriced',
        `The price of ${model} is not known, so no budget can pay for it`,
        'never',
      ),
    'accounts-full': () => new RelayError('accounts-full', 'All accounts for this model are busy', seconds),
    'accounts-cooling': () =>
      new RelayError('accounts-cooling', 'All accounts for this model are at a limit', seconds),
    'accounts-parked': () =>
      new RelayError('accounts-parked', 'The accounts for this model need attention', 'never'),
    'no-account': () => new RelayError('accounts-parked', 'No account for this model is enabled', 'never'),
    stale: () => new RelayError('admission-unavailable', 'The settings are changing; try again', 1),
  };
  return told[decision.refusal]();
}
