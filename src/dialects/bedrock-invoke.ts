import { anthropicReader } from './anthropic-reader.ts';
import { bedrockCountReader } from './bedrock-count-reader.ts';
import {
  bedrockErrorBody,
  bedrockErrorFrame,
  bedrockErrorHeaders,
  bedrockErrorStatus,
  readBedrockError,
} from './bedrock-errors.ts';
import type { AnswerReader, Dialect, Framing, Operation } from './dialect.ts';
import { type EventMeter, eventStreamReader } from './event-stream-reader.ts';
import { HeaderList } from './header-list.ts';
import { chunkEvent, oneLine } from './invoke-chunk.ts';

export const EVENT_STREAM = 'application/vnd.amazon.eventstream';

/** Of the runtime's answers; other `x-amzn-*` headers would tell of the account. */
export const BEDROCK_ANSWER_HEADERS = new HeaderList(
  'content-type',
  'x-amzn-requestid',
  'x-amzn-errortype',
  'x-amzn-bedrock-*',
  'retry-after',
  'retry-after-ms',
);

/** InvokeModel and InvokeModelWithResponseStream for Claude: the Messages API in AWS' envelope. */
export const bedrockInvoke: Dialect = {
  name: 'bedrock-invoke',
  answerHeaders: BEDROCK_ANSWER_HEADERS,
  contentType: bedrockContentType,
  reader,
  errorBody: bedrockErrorBody,
  errorHeaders: bedrockErrorHeaders,
  errorStatus: bedrockErrorStatus,
  errorFrame: bedrockErrorFrame,
  readError: readBedrockError,
};

export function bedrockContentType(framing: Framing): string {
  return framing === 'event-stream' ? EVENT_STREAM : 'application/json';
}

function reader(operation: Operation, framing: Framing): AnswerReader {
  if (operation === 'count') return bedrockCountReader();
  return framing === 'event-stream' ? eventStreamReader(invokeMeter()) : anthropicReader(operation, framing);
}

const DATA = Buffer.from('data: ');
const END = Buffer.from('\n\n');

/** The events of the Messages API, read as those of its own stream are. */
function invokeMeter(): EventMeter {
  const events = anthropicReader('generate', 'sse');
  let empty = false;
  return {
    event(type, payload) {
      if (type !== 'chunk') return;
      const event = chunkEvent(payload);
      if (event === undefined) {
        empty = true;
        return;
      }
      for (const bytes of [DATA, oneLine(event), END]) events.push(bytes);
    },
    finish: () => events.finish(),
    get usage() {
      return events.usage;
    },
    get reported() {
      return events.reported;
    },
    get suspicious() {
      return events.suspicious;
    },
    get lost() {
      return empty || events.lost;
    },
    get complete() {
      return events.complete;
    },
    get failure() {
      return events.failure;
    },
    get generatedBytes() {
      return events.generatedBytes;
    },
  };
}
