import { planMessage, type Block, type PlannedMessage } from './anthropic-answer.ts';
import { varied, type InputTokens, type PromptCache } from './anthropic-usage.ts';
import { signs, type BedrockModel } from './bedrock-models.ts';
import { messagesBody } from './converse-body.ts';
import { EVENT_STREAM, eventFrame, padding } from './event-stream.ts';
import { isRecord, textOf, type Exchange } from './exchange.ts';
import type { Fault } from './faults.ts';
import { jsonReply, type Reply } from './reply.ts';

type Json = Readonly<Record<string, unknown>>;

/** Converse and ConverseStream; both are answered as the Messages API would answer the same, in Converse's own forms. */
export function converse(
  exchange: Exchange,
  request: Record<string, unknown>,
  model: BedrockModel,
  stream: boolean,
  cache: PromptCache,
  headers: Readonly<Record<string, string>>,
): Reply {
  const body = messagesBody(request, model, exchange.seed);
  const input = cache.count(body, exchange.credential.value ?? '');
  const planned = withSeals(planMessage(exchange, body, '', input), signs(model));
  if (!stream) return jsonReply(200, documentOf(planned, exchange.fault), headers);
  return {
    status: 200,
    headers: { 'content-type': EVENT_STREAM, ...headers },
    frames: frames(events(planned, exchange.fault)),
  };
}

/** Without seals where the model has none. */
function withSeals(planned: PlannedMessage, sealed: boolean): PlannedMessage {
  if (sealed) return planned;
  const bare = (block: Block): Block => ({
    start: block.start,
    *deltas() {
      for (const delta of block.deltas()) if ((delta as Json)['type'] !== 'signature_delta') yield delta;
    },
    whole: () => ({ ...block.whole(), signature: undefined }),
  });
  return { ...planned, blocks: planned.blocks.map(bare) };
}

function documentOf(planned: PlannedMessage, fault: Fault): object {
  const usage = usageOf(planned, fault);
  return {
    metrics: { latencyMs: 900 },
    output: {
      message: {
        content: planned.blocks.map((block) => contentOf(block.whole() as Json)),
        role: 'assistant',
      },
    },
    stopReason: stopReason(planned),
    ...(usage === undefined ? {} : { usage }),
  };
}

/** In the order of the API reference (ConverseStream, "Response elements"): `metadata` comes after `messageStop`. */
function* events(planned: PlannedMessage, fault: Fault): Generator<readonly [type: string, payload: object]> {
  yield ['messageStart', { role: 'assistant' }];
  let deltas = 0;
  for (const [contentBlockIndex, block] of planned.blocks.entries()) {
    const start = block.start as Json;
    if (start['type'] === 'tool_use') {
      const toolUse = { name: start['name'], toolUseId: toolUseId(start['id']) };
      yield ['contentBlockStart', { contentBlockIndex, start: { toolUse } }];
    } else if (start['type'] === 'redacted_thinking') {
      yield ['contentBlockDelta', { contentBlockIndex, delta: contentOf(start) }];
    }
    for (const delta of block.deltas()) {
      yield ['contentBlockDelta', { contentBlockIndex, delta: deltaOf(delta as Json) }];
      deltas += 1;
      if (fault.unknownEvents !== undefined && deltas % fault.unknownEvents === 0) {
        yield ['futureEvent', { note: { deltas, large: 1e21 } }];
      }
    }
    yield ['contentBlockStop', { contentBlockIndex }];
  }
  yield ['messageStop', { stopReason: stopReason(planned) }];
  const usage = usageOf(planned, fault);
  const metadata = { metrics: { latencyMs: 900 }, ...(usage === undefined ? {} : { usage }) };
  yield ['metadata', metadata];
  if (fault.usage === 'repeated') yield ['metadata', metadata];
}

/** Converse has no word for a model's refusal (StopReason) but this one. */
function stopReason({ stopReason: reason }: PlannedMessage): string {
  return reason === 'refusal' ? 'content_filtered' : reason;
}

function* frames(told: Iterable<readonly [string, object]>): Generator<Buffer> {
  let n = 0;
  for (const [type, payload] of told) {
    n += 1;
    yield eventFrame(type, { ...payload, p: padding(n) });
  }
}

/** A block of the Messages API, whole, as Converse has it. */
function contentOf(block: Json): object {
  switch (block['type']) {
    case 'text':
      return { text: block['text'] };
    case 'thinking':
      return {
        reasoningContent: { reasoningText: { text: block['thinking'], signature: block['signature'] } },
      };
    case 'redacted_thinking':
      return { reasoningContent: { redactedContent: Buffer.from(textOf(block['data'])).toString('base64') } };
    case 'tool_use':
      return {
        toolUse: { input: block['input'], name: block['name'], toolUseId: toolUseId(block['id']) },
      };
    default:
      return { text: JSON.stringify(block) };
  }
}

function deltaOf(delta: Json): object {
  switch (delta['type']) {
    case 'thinking_delta':
      return { reasoningContent: { text: delta['thinking'] } };
    case 'signature_delta':
      return { reasoningContent: { signature: delta['signature'] } };
    case 'input_json_delta':
      return { toolUse: { input: delta['partial_json'] } };
    default:
      return { text: delta['text'] };
  }
}

function toolUseId(id: unknown): string {
  return textOf(id).replace(/^toolu_01/, 'tooluse_');
}

/** `inputTokens` is without what the cache read or wrote; `totalTokens` is with it. */
function usageOf({ input, outputTokens }: PlannedMessage, fault: Fault): object | undefined {
  const usage = {
    inputTokens: input.input,
    outputTokens,
    totalTokens: input.input + input.read + input.write5m + input.write1h + outputTokens,
    cacheReadInputTokens: input.read,
    cacheWriteInputTokens: input.write5m + input.write1h,
  };
  const details = detailsOf(input);
  const told = varied(usage, fault);
  return told === undefined || details.length === 0 || !isRecord(told)
    ? told
    : { ...told, cacheDetails: details };
}

/** "Sorted by TTL duration (1h before 5m)", empty without writes (AWS Bedrock API reference, TokenUsage). */
function detailsOf({ write1h, write5m }: InputTokens): object[] {
  return [
    { inputTokens: write1h, ttl: '1h' },
    { inputTokens: write5m, ttl: '5m' },
  ].filter(({ inputTokens }) => inputTokens > 0);
}
