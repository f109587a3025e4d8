import type { ClientSide } from '../sides.ts';
import { readRequest } from './read-responses-request.ts';
import { document, ResponsesWriter } from './write-response.ts';

/** Clients of OpenAI's Responses API: the SDKs, the AI SDK's default, Codex. Translated for every account. */
export const responsesClient: ClientSide = {
  readRequest,
  document,
  writer: (context) => new ResponsesWriter(context),
};
