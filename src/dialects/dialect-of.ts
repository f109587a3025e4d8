import { anthropic } from './anthropic.ts';
import type { Dialect, DialectName } from './dialect.ts';
import { gemini } from './gemini.ts';
import { openaiResponses } from './openai-responses.ts';
import { openai } from './openai.ts';

/** Dialects by name; one line each. */
const DIALECTS: Partial<Record<DialectName, Dialect>> = {
  anthropic,
  gemini,
  openai,
  'openai-responses': openaiResponses,
};

export function dialectOf(name: DialectName): Dialect {
  const dialect = DIALECTS[name];
  if (dialect === undefined) throw new Error(`There is no dialect ${name}`);
  return dialect;
}
