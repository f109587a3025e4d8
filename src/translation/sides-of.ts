import type { DialectName } from '../dialects/dialect.ts';
import { anthropicClient } from './anthropic/anthropic-client.ts';
import { anthropicUpstream } from './anthropic/anthropic-upstream.ts';
import { converseUpstream } from './converse/converse-upstream.ts';
import { openaiByGemini } from './embeddings/openai-by-gemini.ts';
import { geminiClient } from './gemini/gemini-client.ts';
import { geminiUpstream } from './gemini/gemini-upstream.ts';
import { openaiClient } from './openai/openai-client.ts';
import { openaiUpstream } from './openai/openai-upstream.ts';
import { responsesClient } from './responses/responses-client.ts';
import type { ClientSide, EmbedWay, UpstreamSide } from './sides.ts';

/** Which dialects clients may speak to accounts of another dialect; one line each. */
export const CLIENT_SIDES: Partial<Record<DialectName, ClientSide>> = {
  anthropic: anthropicClient,
  gemini: geminiClient,
  openai: openaiClient,
  'openai-responses': responsesClient,
};

/** Which dialects a translated call may be written in; one line each. */
export const UPSTREAM_SIDES: Partial<Record<DialectName, UpstreamSide>> = {
  anthropic: anthropicUpstream,
  gemini: geminiUpstream,
  openai: openaiUpstream,
  'bedrock-converse': converseUpstream,
};

/** Whose clients get embeddings of whose models, beside their own; one line each. */
export const EMBED_WAYS: Partial<Record<DialectName, Partial<Record<DialectName, EmbedWay>>>> = {
  openai: { gemini: openaiByGemini },
};
