import { messageEvents, planMessage, wholeMessage, type PlannedMessage } from './anthropic-answer.ts';
import { checkedBody } from './anthropic-check.ts';
import { countInput, varied, type PromptCache } from './anthropic-usage.ts';
import { takesVersion2026, type BedrockModel } from './bedrock-models.ts';
import { EVENT_STREAM, eventFrame, padding } from './event-stream.ts';
import { isRecord, Refusal, type Exchange } from './exchange.ts';
import { jsonReply, type Reply } from './reply.ts';
import { idFrom } from './speech.ts';

/**
 * InvokeModel and InvokeModelWithResponseStream for Claude: Anthropic's body without `model` and `stream`, with
 * `anthropic_version` (AWS Bedrock user guide, "Anthropic Claude Messages API").
 */

const FIELDS = new Set(
  `anthropic_version anthropic_beta cache_control context_management max_tokens messages metadata output_config
   stop_sequences system temperature thinking tool_choice tools top_k top_p`.split(/\s+/),
);

/** Flags that the service is known to take; any other is refused with the whole body. */
const BETAS = new Set(
  `claude-code-20250219 compact-2026-01-12 computer-use-2024-10-22 computer-use-2025-01-24 computer-use-2025-11-24
   context-1m-2025-08-07 context-management-2025-06-27 dangerous-tool-use-2026-09-03 dev-full-thinking-2025-05-14
   effort-2025-11-24 fine-grained-tool-streaming-2025-05-14 interleaved-thinking-2025-05-14
   mid-conversation-output-config-2026-07-01 mid-conversation-tool-changes-2026-07-01 output-128k-2025-02-19
   structured-outputs-2025-12-15 thinking-binding-controls-2026-08-01 thinking-display-updates-2026-08-18
   token-efficient-tools-2025-02-19 tool-examples-2025-10-29 tool-search-tool-2025-10-19`.split(/\s+/),
);

const VERSIONS: Readonly<Record<string, string>> = {
  'bedrock-2023-05-31': '2023-06-01',
  '2026-10-21': '2026-10-21',
};

export function invoke(
  exchange: Exchange,
  model: BedrockModel,
  stream: boolean,
  cache: PromptCache,
  headers: Readonly<Record<string, string>>,
): Reply {
  const { body, version } = checkedInvoke(exchange, exchange.json, model);
  const input = cache.count(body, exchange.credential.value ?? '');
  const planned: PlannedMessage = {
    ...planMessage(exchange, body, version, input),
    id: idFrom('msg_bdrk_01', 22, exchange.seed, exchange.digest),
  };
  if (stream) {
    return {
      status: 200,
      headers: {
        'content-type': EVENT_STREAM,
        'x-amzn-bedrock-content-type': 'application/json',
        ...headers,
      },
      frames: chunks(exchange, planned),
    };
  }
  return jsonReply(200, wholeMessage(exchange, planned), {
    ...headers,
    'x-amzn-bedrock-input-token-count': String(planned.input.input),
    'x-amzn-bedrock-output-token-count': String(planned.outputTokens),
    'x-amzn-bedrock-cache-read-input-token-count': String(planned.input.read),
    'x-amzn-bedrock-cache-write-input-token-count': String(planned.input.write5m + planned.input.write1h),
    'x-amzn-bedrock-invocation-latency': '900',
  });
}

/** The tokens of a body as InvokeModel would take it, in base64 (AWS Bedrock API reference, CountTokens). */
export function countInvoke(exchange: Exchange, base64: unknown, model: BedrockModel): number {
  if (typeof base64 !== 'string') throw new Refusal(400, 'input.invokeModel.body: must be base64');
  return countInput(checkedInvoke(exchange, decodedBody(base64), model).body);
}

export function decodedBody(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString()) as unknown;
  } catch {
    return undefined;
  }
}

/** The body as Anthropic's own API would have it. @throws Refusal in the service's words */
function checkedInvoke(
  exchange: Exchange,
  json: unknown,
  model: BedrockModel,
): { body: Record<string, unknown>; version: string } {
  if (model.family !== 'claude') {
    throw new Refusal(400, `The simulator knows InvokeModel's body for Claude only, not for ${model.id}`);
  }
  if (!isRecord(json)) throw malformed('Expected a JSON object');
  const { anthropic_version: version, anthropic_beta: betas, ...rest } = json;
  if (version === undefined) throw malformed('#: required key [anthropic_version] not found');
  const spoken = typeof version === 'string' ? VERSIONS[version] : undefined;
  if (spoken === undefined || (spoken === '2026-10-21' && !takesVersion2026(model))) {
    throw malformed(`#/anthropic_version: ${JSON.stringify(version)} is not a valid enum value`);
  }
  const extra = Object.keys(json).find((name) => !FIELDS.has(name));
  if (extra !== undefined) throw malformed(`#: extraneous key [${extra}] is not permitted`);
  if (betas !== undefined) {
    const known = Array.isArray(betas) && betas.every((beta) => BETAS.has(String(beta)));
    if (!known) throw new Refusal(400, 'invalid beta flag');
  }
  const headers = { ...exchange.headers, 'anthropic-version': spoken };
  const body = checkedBody({ ...exchange, headers, json: { ...rest, model: model.anthropicName } }, false);
  return { body, version: spoken };
}

/** Each event as JSON in base64, without pings; the last one carries the invocation's metrics. */
function* chunks(exchange: Exchange, planned: PlannedMessage): Generator<Buffer> {
  let n = 0;
  for (const event of messageEvents(exchange.fault, planned)) {
    if (event.type === 'ping') continue;
    const told = event.type === 'message_stop' ? { ...event, ...metrics(exchange, planned) } : event;
    const bytes = Buffer.from(JSON.stringify(told)).toString('base64');
    n += 1;
    yield eventFrame('chunk', { bytes, p: padding(n) });
  }
}

/** Told by the service, whatever the model's own usage says; so `usage=missing` does not take them away. */
function metrics({ fault }: Exchange, { input, outputTokens }: PlannedMessage): object {
  const told = {
    inputTokenCount: input.input,
    outputTokenCount: outputTokens,
    invocationLatency: 900,
    firstByteLatency: 300,
    cacheReadInputTokenCount: input.read,
    cacheWriteInputTokenCount: input.write5m + input.write1h,
  };
  return { 'amazon-bedrock-invocationMetrics': varied(told, fault) ?? told };
}

function malformed(what: string): Refusal {
  return new Refusal(400, `Malformed input request: ${what}, please reformat your input and try again.`);
}
