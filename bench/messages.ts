import { NO_STAMP } from './stamp.ts';

/** The requests and answers of the bench, in the shapes of Anthropic's Messages API, as bytes. */

export const MODEL = 'claude-sonnet-4-5';
export const INPUT_TOKENS = 210;
export const JSON_OUTPUT_TOKENS = 160;

/** So many deltas of so many bytes of text, with so many milliseconds between them. */
export interface Stream {
  readonly deltas: number;
  readonly paceMs: number;
  readonly textBytes?: number;
}

/** What the upstream is asked for: one JSON document, or a stream. */
export type Wish = Stream | 'json';

const WORDS = 'Tell me how a relay keeps its ledger, and why each row is written only once. ';
const USUAL_BYTES = 1_024;
const TEXT = ' settled once';

/** What a user says, of about so many bytes. The wish stands in it, so that a relay passes it on as it passes everything. */
export function promptFor(wish: Wish, bytes = USUAL_BYTES): string {
  const told =
    wish === 'json'
      ? ''
      : `[deltas=${wish.deltas} pace=${wish.paceMs} text=${wish.textBytes ?? TEXT.length}] `;
  return told + WORDS.repeat(Math.max(1, Math.round((bytes - 160) / WORDS.length)));
}

/** A body of about so many bytes in Anthropic's form. */
export function requestBody(wish: Wish, bytes = USUAL_BYTES): string {
  return JSON.stringify({
    model: MODEL,
    max_tokens: 1024,
    ...(wish === 'json' ? {} : { stream: true }),
    system: 'You answer shortly and plainly.',
    messages: [{ role: 'user', content: promptFor(wish, bytes) }],
  });
}

export function readWish(body: Buffer): Wish {
  if (!body.includes('"stream":true')) return 'json';
  const [, deltas, paceMs, textBytes] =
    /\[deltas=(\d+) pace=(\d+) text=(\d+)\]/.exec(body.toString('latin1')) ?? [];
  return {
    deltas: Number(deltas ?? 1),
    paceMs: Number(paceMs ?? 0),
    textBytes: Number(textBytes ?? TEXT.length),
  };
}

const message = (more: object, outputTokens: number): object => ({
  id: 'msg_01BenchBenchBenchBench',
  type: 'message',
  role: 'assistant',
  model: MODEL,
  ...more,
  usage: { input_tokens: INPUT_TOKENS, output_tokens: outputTokens },
});

/** About 1 KB. */
export const JSON_ANSWER = JSON.stringify(
  message(
    {
      content: [{ type: 'text', text: 'Every attempt is settled once, on each way out. '.repeat(16) }],
      stop_reason: 'end_turn',
      stop_sequence: null,
    },
    JSON_OUTPUT_TOKENS,
  ),
);

const event = (type: string, data: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;

/**
 * The events of a stream before its deltas, one delta, and those after; each event is written for itself. Where there is
 * time between the deltas, their text has a place for a stamp.
 */
export function streamEvents({ deltas, paceMs, textBytes = TEXT.length }: Stream): {
  before: string[];
  delta: string;
  after: string[];
} {
  const text = TEXT.padEnd(textBytes, TEXT);
  return {
    before: [
      event('message_start', {
        message: message({ content: [], stop_reason: null, stop_sequence: null }, 1),
      }),
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ],
    delta: event('content_block_delta', {
      index: 0,
      delta: { type: 'text_delta', text: paceMs === 0 ? text : `${NO_STAMP}${text}` },
    }),
    after: [
      event('content_block_stop', { index: 0 }),
      event('message_delta', {
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: deltas },
      }),
      event('message_stop', {}),
    ],
  };
}
