import type { ClientSide } from '../sides.ts';
import { readRequest } from './read-request.ts';
import { document, GeminiWriter } from './write-answer.ts';

/** Clients of the Gemini API: @google/genai, Gemini CLI, the AI SDK. */
export const geminiClient: ClientSide = {
  readRequest,
  document,
  writer: (context, framing) => new GeminiWriter(context, framing),
  countDocument: (inputTokens) => ({ totalTokens: inputTokens }),
};
