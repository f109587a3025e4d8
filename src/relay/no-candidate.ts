import type { Call, Operation } from '../dialects/dialect.ts';
import { RelayError } from '../errors/relay-error.ts';

const WORDS: Readonly<Record<Exclude<Operation, 'generate'>, string>> = {
  count: 'count tokens',
  embed: 'embed',
  'batch-embed': 'embed',
};

/**
 * Nobody can serve the call. A model that others would generate with is known all the same: what is missing is the way
 * to do this with it, and nothing is made up in its place.
 */
export function noCandidate(call: Pick<Call, 'model' | 'operation'>, generates: boolean): RelayError {
  const { model, operation } = call;
  const message =
    operation !== 'generate' && generates
      ? `model: ${model} is served by accounts that cannot be asked here to ${WORDS[operation]}`
      : `model: ${model} is not known, or this key may not use it`;
  return new RelayError('model-unknown', message);
}
