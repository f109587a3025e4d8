import { bedrockCountReader } from './bedrock-count-reader.ts';
import {
  bedrockErrorBody,
  bedrockErrorFrame,
  bedrockErrorHeaders,
  bedrockErrorStatus,
  readBedrockError,
} from './bedrock-errors.ts';
import { BEDROCK_ANSWER_HEADERS, bedrockContentType } from './bedrock-invoke.ts';
import { converseDocumentReader, converseMeter } from './converse-reader.ts';
import type { AnswerReader, Dialect, Framing, Operation } from './dialect.ts';
import { eventStreamReader } from './event-stream-reader.ts';

/** Converse and ConverseStream, which every model of Bedrock that talks understands. */
export const bedrockConverse: Dialect = {
  name: 'bedrock-converse',
  answerHeaders: BEDROCK_ANSWER_HEADERS,
  contentType: bedrockContentType,
  reader,
  errorBody: bedrockErrorBody,
  errorHeaders: bedrockErrorHeaders,
  errorStatus: bedrockErrorStatus,
  errorFrame: bedrockErrorFrame,
  readError: readBedrockError,
};

function reader(operation: Operation, framing: Framing): AnswerReader {
  if (operation === 'count') return bedrockCountReader();
  return framing === 'event-stream' ? eventStreamReader(converseMeter()) : converseDocumentReader();
}
