import type { Account } from './account.ts';

/** The model a test asks for, by its upstream name: the first one the account's policy names outright, else `usual`. */
export function probeModel({ models }: Account, usual: string): string {
  const mapped = Object.values(models?.map ?? {})[0];
  const literal = models?.allow?.find((pattern) => !pattern.includes('*'));
  return mapped ?? literal ?? usual;
}
