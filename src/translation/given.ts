import type { Given } from './neutral.ts';

/** A setting under its neutral name; nothing where the client did not write it. */
export function given<N extends string, T>(
  name: N,
  at: string | undefined,
  value: T | undefined,
): Partial<Record<N, Given<T>>> {
  if (at === undefined || value === undefined) return {};
  return { [name]: { value, at } } as Record<N, Given<T>>;
}
