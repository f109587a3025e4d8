import { isRecord, type Exchange } from './exchange.ts';
import type { PlannedChat } from './openai-answer.ts';
import { chatUsage, usageChunks } from './openai-usage.ts';
import { EOLS, sseFrame } from './reply.ts';
import { wordsOf } from './speech.ts';

/** A choice's news in one chunk. */
interface News {
  readonly delta: object;
  readonly finish: string | null;
  /** Tokens that came with it. */
  readonly tokens: number;
}

/**
 * The stream's chunks: the role, what is said piece by piece, why it ended; with `include_usage` one more without a
 * choice that tells the usage, and null in all before it; `[DONE]`.
 */
export function* chatFrames(exchange: Exchange, planned: PlannedChat, body: unknown): Generator<Buffer> {
  const { fault } = exchange;
  const eol = EOLS[fault.eol ?? 'lf'];
  const options = isRecord(body) && isRecord(body['stream_options']) ? body['stream_options'] : {};
  const asked = options['include_usage'] === true;
  const padded = options['include_obfuscation'] !== false;
  const envelope = {
    id: planned.id,
    object: 'chat.completion.chunk',
    created: planned.created,
    model: planned.model,
    service_tier: 'default',
    system_fingerprint: 'fp_sim',
  };
  const frame = (chunk: object): Buffer => sseFrame(JSON.stringify({ ...envelope, ...chunk }), eol);
  let chunks = 0;
  let came = 0;
  for (const { delta, finish, tokens } of newsOf(planned)) {
    came += tokens * planned.choices;
    const usage =
      fault.usage === 'every-chunk'
        ? chatUsage(planned.tokens, finish === null ? Math.min(came, planned.tokens.completion) : undefined)
        : fault.usage === 'last-chunk' && finish !== null
          ? chatUsage(planned.tokens)
          : asked
            ? null
            : undefined;
    for (let index = 0; index < planned.choices; index += 1) {
      chunks += 1;
      yield frame({
        choices: [{ index, delta, logprobs: null, finish_reason: finish }],
        ...(usage === undefined ? {} : { usage }),
        ...(padded ? { obfuscation: padding(delta) } : {}),
      });
      if (fault.comments === true && chunks % 3 === 0) yield Buffer.from(`: comment ${chunks}${eol}${eol}`);
      if (fault.unknownEvents !== undefined && chunks % fault.unknownEvents === 0) {
        yield frame({ choices: [], prompt_filter_results: [{ prompt_index: 0, large: 1e21 }] });
      }
    }
  }
  if (asked) for (const usage of usageChunks(planned.tokens, fault)) yield frame({ choices: [], usage });
  yield sseFrame('[DONE]', eol);
}

function* newsOf(planned: PlannedChat): Generator<News> {
  const { thought, calls, refusal, speaks } = planned;
  const news = (delta: object, tokens = 0): News => ({ delta, finish: null, tokens });
  yield news({ role: 'assistant', content: speaks ? '' : null, refusal: null }, planned.tokens.reasoning);
  if (thought !== undefined) {
    for (const piece of wordsOf(thought.text)) yield news({ [thought.field]: piece });
  }
  for (const content of planned.text) yield news({ content }, wordsOf(content).length);
  if (refusal !== undefined) for (const piece of wordsOf(refusal)) yield news({ refusal: piece }, 1);
  for (const [index, { id, name, input }] of calls.entries()) {
    yield news({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] });
    for (const part of input.match(/[^]{1,11}/gu) ?? []) {
      yield news({ tool_calls: [{ index, function: { arguments: part } }] }, 1);
    }
  }
  yield { delta: {}, finish: planned.finish, tokens: 0 };
}

/** `obfuscation` makes chunks alike in length (API reference, "Stream options"). */
function padding(delta: object): string {
  const length = Buffer.byteLength(JSON.stringify(delta));
  return 'aZ4kQ9xW2mB7'.repeat(8).slice(0, 32 - (length % 32));
}
