import type { ClientSide } from '../sides.ts';
import { readRequest } from './read-request.ts';
import { AnthropicWriter, document } from './write-answer.ts';

/** Clients of Anthropic Messages: the SDKs, Claude Code, the AI SDK. */
export const anthropicClient: ClientSide = {
  readRequest,
  document,
  writer: (context) => new AnthropicWriter(context),
  countDocument: (inputTokens) => ({ input_tokens: inputTokens }),
};
