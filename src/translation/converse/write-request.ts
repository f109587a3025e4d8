import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import type { Given, NeutralRequest } from '../neutral.ts';
import type { WrittenRequest } from '../sides.ts';
import { cachePoint } from './cache-point.ts';
import { type ConverseModel, converseModel, thinkingFields } from './models.ts';
import { writeMessages } from './write-messages.ts';
import { writeTools } from './write-tools.ts';

/**
 * The body of Converse or ConverseStream, or for a count that of CountTokens, which takes what the model reads and no
 * settings (AWS Bedrock API reference: Converse, ConverseTokensRequest). The model is in the path.
 * @throws CallError naming the client's field
 */
export function writeRequest(request: NeutralRequest): WrittenRequest {
  const edits = new Set<string>();
  const model = converseModel(request.model);
  const { lane, stream } = request;
  const system = request.system
    .filter(({ text }) => text.trim() !== '')
    .flatMap(({ text, cache }) => [{ text }, ...cachePoint(cache, model.caches, edits)]);
  const additional = additionalFields(request, model, edits);
  const read = {
    messages: writeMessages(request.messages, model, edits),
    ...(system.length > 0 && { system }),
    ...writeTools(request, model, edits),
    ...(Object.keys(additional).length > 0 && { additionalModelRequestFields: additional }),
  };
  const accept = stream ? 'application/vnd.amazon.eventstream' : 'application/json';
  const body = lane === 'count' ? { input: { converse: read } } : { ...read, ...settings(request, model) };
  return { body, headers: { accept }, edits: [...edits] };
}

function settings(request: NeutralRequest, model: ConverseModel): object {
  for (const given of [request.seed, request.presencePenalty, request.frequencyPenalty]) {
    if (given !== undefined && given.value !== 0) throw cannot(given.at);
  }
  const { stop } = request;
  const config = {
    ...(request.maxOutputTokens && { maxTokens: request.maxOutputTokens.value }),
    ...upToOne('temperature', request.temperature),
    ...upToOne('topP', request.topP),
    ...(stop && stop.value.length > 0 && { stopSequences: stop.value }),
  };
  return {
    ...(Object.keys(config).length > 0 && { inferenceConfig: config }),
    ...outputConfig(request, model),
  };
}

/** Both end at 1 here (InferenceConfiguration, "Valid Range"), and at 2 with other vendors. */
function upToOne(name: string, given: Given<number> | undefined): object {
  if (given === undefined) return {};
  if (given.value > 1) throw cannot(given.at, 'must be at most 1 at the account that serves this model');
  return { [name]: given.value };
}

/** The schema is JSON within JSON (JsonSchemaDefinition). */
function outputConfig({ output }: NeutralRequest, model: ConverseModel): object {
  if (output === undefined) return {};
  const { schema, name } = output.value;
  if (!model.schema) throw cannot(output.at, 'is nothing that this model takes');
  if (schema === undefined) throw cannot(output.at, 'needs a schema at the account that serves this model');
  const jsonSchema = { schema: JSON.stringify(schema), ...(name !== undefined && name !== '' && { name }) };
  return { outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema } } } };
}

function additionalFields(request: NeutralRequest, model: ConverseModel, edits: Set<string>): object {
  const { thinking, topK } = request;
  if (topK !== undefined && !model.topK) throw cannot(topK.at);
  const { fields, exact } = thinking ? thinkingFields(thinking, model, request) : { fields: {}, exact: true };
  if (thinking !== undefined && !exact) edits.add(leftOut(thinking.at));
  return { ...(topK && { inferenceConfig: { topK: topK.value } }), ...fields };
}
