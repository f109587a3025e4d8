import { signs, takesSchema, type BedrockModel } from './bedrock-models.ts';
import { NO_REASONING } from './converse-messages.ts';
import { isRecord, listOf, Refusal, textOf } from './exchange.ts';
import { signatureFits } from './speech.ts';

/**
 * A Converse request as Anthropic's body would have it, so that both are answered and counted by the same rules. It is
 * sound already (converse-check.ts); refused here is what depends on the model.
 */
export function messagesBody(
  request: Record<string, unknown>,
  model: BedrockModel,
  seed: string,
): Record<string, unknown> {
  const config = recordOf(request['inferenceConfig']);
  const tools = recordOf(request['toolConfig']);
  const format = recordOf(recordOf(request['outputConfig'])['textFormat']);
  return {
    model: model.id,
    max_tokens: config['maxTokens'] ?? Infinity,
    stop_sequences: config['stopSequences'] ?? [],
    system: marked(listOf(request['system']), (block) => [{ type: 'text', text: textOf(block['text']) }]),
    messages: listOf(request['messages']).map((message) => ({
      role: recordOf(message)['role'],
      content: marked(listOf(recordOf(message)['content']), (block) => blockOf(block, model, seed)),
    })),
    tools: marked(listOf(tools['tools']), (tool) => toolOf(recordOf(tool['toolSpec']))),
    tool_choice: choiceOf(recordOf(tools['toolChoice'])),
    thinking: thinkingOf(request['additionalModelRequestFields'], model),
    ...schemaOf(format, model),
  };
}

/** A cache point stands behind what it marks. */
function marked(
  blocks: readonly unknown[],
  read: (block: Record<string, unknown>) => readonly Record<string, unknown>[],
): Record<string, unknown>[] {
  const out: Record<string, unknown>[] = [];
  for (const block of blocks) {
    if (!isRecord(block)) continue;
    const point = block['cachePoint'];
    if (!isRecord(point)) out.push(...read(block));
    else if (out.length > 0)
      out.push({ ...out.pop(), cache_control: { type: 'ephemeral', ttl: point['ttl'] ?? '5m' } });
  }
  return out;
}

function blockOf(
  block: Record<string, unknown>,
  model: BedrockModel,
  seed: string,
): readonly Record<string, unknown>[] {
  const [kind = '', value] = Object.entries(block)[0] ?? [];
  const inner = recordOf(value);
  switch (kind) {
    case 'text':
      return [{ type: 'text', text: value }];
    case 'toolUse':
      return [{ type: 'tool_use', id: inner['toolUseId'], name: inner['name'], input: inner['input'] }];
    case 'toolResult': {
      const content = listOf(inner['content']).map((one) => {
        const { text, json } = recordOf(one);
        if (text !== undefined) return { type: 'text', text };
        return json === undefined ? one : { type: 'text', text: JSON.stringify(json) };
      });
      return [{ type: 'tool_result', tool_use_id: inner['toolUseId'], content }];
    }
    case 'reasoningContent':
      return [reasoning(inner, model, seed)];
    default:
      return [{ type: kind, ...inner }];
  }
}

/**
 * What the model thought comes back as it was given, or not at all where the model takes none (DeepSeek-R1:
 * langchain-ai/langchain-aws issue 401). @throws Refusal
 */
function reasoning(
  inner: Record<string, unknown>,
  model: BedrockModel,
  seed: string,
): Record<string, unknown> {
  if (model.family === 'deepseek') throw new Refusal(400, NO_REASONING);
  const { redactedContent } = inner;
  const { text, signature } = recordOf(inner['reasoningText']);
  const fits =
    redactedContent === undefined
      ? (!signs(model) && signature === undefined) || signatureFits(seed, signature, textOf(text))
      : signatureFits(seed, Buffer.from(textOf(redactedContent), 'base64').toString(), 'redacted');
  if (!fits) throw new Refusal(400, 'The reasoning content is invalid: it must be passed back unmodified.');
  return redactedContent === undefined
    ? { type: 'thinking', thinking: text, signature }
    : { type: 'redacted_thinking', data: redactedContent };
}

function toolOf(spec: Record<string, unknown>): readonly Record<string, unknown>[] {
  if (spec['name'] === undefined) return [];
  return [
    {
      name: spec['name'],
      description: spec['description'],
      input_schema: recordOf(spec['inputSchema'])['json'],
    },
  ];
}

function choiceOf(choice: Record<string, unknown>): object {
  const { tool, any } = choice;
  if (isRecord(tool)) return { type: 'tool', name: tool['name'] };
  return { type: any === undefined ? 'auto' : 'any' };
}

/**
 * How each family is asked to think (AWS docs: "Extended thinking" for Claude, "Extended thinking in Amazon Nova 2", "OpenAI
 * models" for gpt-oss, which always thinks, as DeepSeek-R1 does).
 */
function thinkingOf(given: unknown, { family, id }: BedrockModel): object {
  const fields = recordOf(given);
  const known: Readonly<Record<BedrockModel['family'], readonly string[]>> = {
    claude: ['thinking', 'top_k', 'anthropic_beta', 'output_config'],
    nova: ['inferenceConfig'],
    'nova-2': ['inferenceConfig', 'reasoningConfig'],
    'gpt-oss': ['reasoning_effort'],
    deepseek: [],
    other: ['top_k'],
  };
  const extra = Object.keys(fields).find((name) => !known[family].includes(name));
  if (extra !== undefined) {
    throw new Refusal(
      400,
      `Malformed input request: #: extraneous key [${extra}] is not permitted, please reformat your input and try again.`,
    );
  }
  if (family === 'claude') return recordOf(fields['thinking']);
  const { type, maxReasoningEffort } = recordOf(fields['reasoningConfig']);
  if (type === 'enabled' && !['low', 'medium', 'high'].includes(String(maxReasoningEffort))) {
    throw new Refusal(400, 'reasoningConfig.maxReasoningEffort must be one of low, medium, high');
  }
  const always = family === 'gpt-oss' || id.includes('deepseek.r1');
  return { type: always || type === 'enabled' ? 'enabled' : 'disabled' };
}

function schemaOf(format: Record<string, unknown>, model: BedrockModel): object {
  if (Object.keys(format).length === 0) return {};
  const { schema } = recordOf(recordOf(format['structure'])['jsonSchema']);
  if (!takesSchema(model)) {
    throw new Refusal(
      400,
      `The model ${model.id} does not support structured output. Remove outputConfig and try again.`,
    );
  }
  if (format['type'] !== 'json_schema' || typeof schema !== 'string') {
    throw new Refusal(400, 'outputConfig.textFormat.structure.jsonSchema.schema: Expected string');
  }
  try {
    return { output_config: { format: { type: 'json_schema', schema: JSON.parse(schema) as unknown } } };
  } catch {
    throw new Refusal(400, 'outputConfig.textFormat.structure.jsonSchema.schema is not valid JSON');
  }
}

function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}
