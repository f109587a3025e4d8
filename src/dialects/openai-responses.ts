import type { Dialect, DialectError } from './dialect.ts';
import { readOpenaiError } from './openai-failure.ts';
import { OPENAI_ANSWER_HEADERS, openaiError, openaiErrorBody, openaiErrorHeaders } from './openai.ts';

/**
 * OpenAI's Responses API, as clients speak it: no account is asked in it, since compatible servers speak chat
 * completions, so every answer is translated and none is read.
 */
export const openaiResponses: Dialect = {
  name: 'openai-responses',
  answerHeaders: OPENAI_ANSWER_HEADERS,
  contentType: (framing) => (framing === 'sse' ? 'text/event-stream' : 'application/json'),
  reader: () => {
    throw new Error('No upstream answers in the Responses API');
  },
  errorBody: openaiErrorBody,
  errorHeaders: openaiErrorHeaders,
  errorFrame,
  readError: readOpenaiError,
};

/**
 * The fields of `ResponseErrorEvent` (openai 6.49) and, beside them, the `error` object that the API itself sends: the
 * SDK throws only for that one, and the AI SDK reads either. The stream's last number is not known here; 0 says less
 * than a guess, and an error ends the stream whatever it says.
 */
function errorFrame(told: DialectError): string {
  const { message, type, param, code } = openaiError(told);
  const named = code ?? type;
  const error = { type, code: named, message, param };
  const event = { type: 'error', code: named, message, param, sequence_number: 0, error };
  return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
}
