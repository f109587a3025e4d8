/** The requests and answers of the bench, in the shapes of Anthropic's Messages API, as bytes. */

export const MODEL = 'claude-sonnet-4-5';
export const INPUT_TOKENS = 210;
export const JSON_OUTPUT_TOKENS = 160;

/** What the upstream is asked for: one JSON document, or so many deltas with so many milliseconds between them. */
export type Wish = { readonly deltas: number; readonly paceMs: number } | 'json';

/** A body of about 1 KB. The wish stands in its text, so that a relay passes it on as it passes everything. */
export function requestBody(wish: Wish): string {
  const words = 'Tell me how a relay keeps its ledger, and why each row is written only once. ';
  const told = wish === 'json' ? '' : `[deltas=${wish.deltas} pace=${wish.paceMs}] `;
  return JSON.stringify({
    model: MODEL,
    max_tokens: 1024,
    ...(wish === 'json' ? {} : { stream: true }),
    system: 'You answer shortly and plainly.',
    messages: [{ role: 'user', content: told + words.repeat(11) }],
  });
}

export function readWish(body: Buffer): Wish {
  if (!body.includes('"stream":true')) return 'json';
  const [, deltas, paceMs] = /\[deltas=(\d+) pace=(\d+)\]/.exec(body.toString()) ?? [];
  return { deltas: Number(deltas ?? 1), paceMs: Number(paceMs ?? 0) };
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

/** The events of a stream before its deltas, one delta, and those after; each event is written for itself. */
export function streamEvents(deltas: number): { before: string[]; delta: string; after: string[] } {
  return {
    before: [
      event('message_start', {
        message: message({ content: [], stop_reason: null, stop_sequence: null }, 1),
      }),
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ],
    delta: event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: ' settled once' } }),
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
