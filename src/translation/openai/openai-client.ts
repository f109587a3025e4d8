import type { ClientSide } from '../sides.ts';
import { readRequest } from './read-chat-request.ts';
import { ChatWriter, document } from './write-chat-answer.ts';

/** Clients of chat completions: OpenAI's SDKs, the AI SDK, and whatever else takes a base URL. */
export const openaiClient: ClientSide = {
  readRequest,
  document,
  writer: (context) => new ChatWriter(context),
};
