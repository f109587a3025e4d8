import { anthropic } from './anthropic.ts';
import type { Dialect, DialectName } from './dialect.ts';
import { gemini } from './gemini.ts';

/** Dialects by name; one line each. */
const DIALECTS: Partial<Record<DialectName, Dialect>> = {
  anthropic,
  gemini,
};

export function dialectOf(name: DialectName): Dialect {
  const dialect = DIALECTS[name];
  if (dialect === undefined) throw new Error(`There is no dialect ${name}`);
  return dialect;
}
