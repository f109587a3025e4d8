import { anthropic } from './anthropic.ts';
import { bedrockConverse } from './bedrock-converse.ts';
import { bedrockInvoke } from './bedrock-invoke.ts';
import type { Dialect, DialectName } from './dialect.ts';
import { gemini } from './gemini.ts';
import { openaiResponses } from './openai-responses.ts';
import { openai } from './openai.ts';

/** Dialects by name; one line each. */
const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  anthropic,
  gemini,
  openai,
  'openai-responses': openaiResponses,
  'bedrock-invoke': bedrockInvoke,
  'bedrock-converse': bedrockConverse,
};

export function dialectOf(name: DialectName): Dialect {
  return DIALECTS[name];
}
