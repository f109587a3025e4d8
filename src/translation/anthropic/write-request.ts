import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import { offeredTools } from '../offered-tools.ts';
import type { NeutralRequest, Tool } from '../neutral.ts';
import type { WrittenRequest } from '../sides.ts';
import { defaultMaxTokens, thinkingFields } from './models.ts';
import { samplingFields } from './sampling.ts';
import { cacheControl, writeMessages } from './write-messages.ts';

/** The oldest version still spoken: it takes the sampling parameters that other vendors' clients send. */
const HEADERS = { 'anthropic-version': '2023-06-01' };

/**
 * A Messages request, or one of count_tokens, which takes neither `max_tokens` nor what only generation needs
 * (`MessageCountTokensParams` of @anthropic-ai/sdk 1.12).
 * @throws CallError naming the client's field
 */
export function writeRequest(request: NeutralRequest): WrittenRequest {
  const edits = new Set<string>();
  for (const given of [request.seed, request.presencePenalty, request.frequencyPenalty]) {
    if (given !== undefined && given.value !== 0) throw cannot(given.at);
  }
  const { messages, unthought } = writeMessages(request.messages, edits);
  const maxTokens = request.maxOutputTokens?.value ?? defaultMaxTokens(request.model);
  const thinking = thinkingOf(request, maxTokens, unthought, edits);
  const system = request.system
    .filter(({ text }) => text !== '')
    .map(({ text, cache }) => ({ type: 'text', text, ...cacheControl(cache) }));
  const { effort } = (thinking as { output_config?: { effort?: string } }).output_config ?? {};
  const format = formatOf(request);
  const output = { ...(effort !== undefined && { effort }), ...format };
  const common = {
    model: request.model,
    messages,
    ...(system.length > 0 && { system }),
    ...tools(request),
    ...thinking,
    ...(Object.keys(output).length > 0 && { output_config: output }),
  };
  if (request.lane === 'count') return { body: common, headers: HEADERS, edits: [...edits] };
  const body = {
    ...common,
    max_tokens: maxTokens,
    ...(request.stream && { stream: true }),
    ...samplingFields(request, 'thinking' in thinking, edits),
    ...(request.stop && request.stop.value.length > 0 && { stop_sequences: request.stop.value }),
  };
  return { body, headers: HEADERS, edits: [...edits] };
}

/**
 * Where the turn at hand has calls whose thoughts are missing (another vendor's model made them), Claude refuses to think
 * on: it answers this turn without.
 * So it does where a tool is forced ("Thinking may not be enabled when tool_choice forces tool use").
 */
function thinkingOf(
  request: NeutralRequest,
  maxTokens: number,
  unthought: boolean,
  edits: Set<string>,
): object {
  const { thinking, toolChoice } = request;
  if (thinking === undefined) return {};
  const { fields, exact } = thinkingFields(thinking.value, request.model, maxTokens);
  const forced = toolChoice?.value.mode === 'any' || toolChoice?.value.mode === 'one';
  const kept = (unthought || forced) && 'thinking' in fields ? {} : fields;
  if (!exact || kept !== fields) edits.add(leftOut(thinking.at));
  return kept;
}

function formatOf({ output }: NeutralRequest): object {
  if (output === undefined) return {};
  const { schema } = output.value;
  if (schema === undefined) throw cannot(output.at, 'needs a schema at the account that serves this model');
  return { format: { type: 'json_schema', schema } };
}

function tools({ tools, toolChoice, parallelTools }: NeutralRequest): object {
  if (tools.length === 0) return {};
  const choice = toolChoice?.value;
  const offered = offeredTools({ tools, ...(toolChoice && { toolChoice }) });
  const alone = parallelTools?.value === false ? { disable_parallel_tool_use: true } : {};
  const told = choiceOf(choice, alone);
  return { tools: offered.map(tool), ...(told && { tool_choice: told }) };
}

function choiceOf(
  choice: NonNullable<NeutralRequest['toolChoice']>['value'] | undefined,
  alone: object,
): object | undefined {
  switch (choice?.mode) {
    case undefined:
      return Object.keys(alone).length === 0 ? undefined : { type: 'auto', ...alone };
    case 'none':
      return { type: 'none' };
    case 'one':
      return { type: 'tool', name: choice.name, ...alone };
    case 'auto':
    case 'any':
      return { type: choice.mode, ...alone };
  }
}

function tool({ name, description, schema, strict, cache }: Tool): object {
  return {
    name,
    ...(description !== undefined && description !== '' && { description }),
    input_schema: { type: 'object', ...schema },
    ...(strict === true && { strict }),
    ...cacheControl(cache),
  };
}
