import { CallError } from '../dialects/dialect.ts';

/** What a client asks for cannot be said to the account that serves its model; names the client's own field. */
export function cannot(
  at: string,
  why = 'has no equivalent at the account that serves this model',
): CallError {
  return new CallError(`${at}: ${why}`);
}
