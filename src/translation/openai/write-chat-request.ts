import { limitField } from '../../dialects/openai-limit.ts';
import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import type { Given, NeutralRequest } from '../neutral.ts';
import type { WrittenRequest } from '../sides.ts';
import { type ChatModel, chatModel, effortOf } from './chat-models.ts';
import { fitsStrict } from './strict-schema.ts';
import { writeMessages } from './write-chat-messages.ts';
import { writeTools } from './write-chat-tools.ts';

/** "Up to 4 sequences" (API reference, `stop`). */
const MAX_STOPS = 4;

/** What the penalties and the sampling are where nothing is said; a thinking model takes nothing else. */
const USUAL = { temperature: 1, top_p: 1, presence_penalty: 0, frequency_penalty: 0 } as const;

/**
 * A chat completion. A stream is always asked to tell its usage, which the meter reads. Instructions go by the role
 * `system`: OpenAI's thinking models take it for `developer`, which other servers do not know.
 * @throws CallError naming the client's field
 */
export function writeRequest(request: NeutralRequest): WrittenRequest {
  const edits = new Set<string>();
  const model = chatModel(request.model);
  if (request.topK !== undefined) throw cannot(request.topK.at);
  const { maxOutputTokens, stream } = request;
  const messages = writeMessages(request, model, edits);
  const effort = effortFields(request, model, edits);
  const body = {
    model: request.model,
    messages,
    ...writeTools(request, model, edits),
    ...(maxOutputTokens !== undefined && { [limitField(request.model)]: maxOutputTokens.value }),
    ...sampling(request, model, 'reasoning_effort' in effort ? effort.reasoning_effort : undefined),
    ...stopFields(request, model),
    ...(request.seed !== undefined && { seed: request.seed.value }),
    ...effort,
    ...formatFields(request),
    ...(stream && { stream: true, stream_options: { include_usage: true } }),
  };
  return { body, headers: {}, edits: [...edits] };
}

function effortFields(
  { thinking }: NeutralRequest,
  model: ChatModel,
  edits: Set<string>,
): { reasoning_effort: string } | object {
  if (thinking === undefined) return {};
  const { effort, exact } = effortOf(thinking.value, model);
  if (!exact) edits.add(leftOut(thinking.at));
  return effort === undefined ? {} : { reasoning_effort: effort };
}

function sampling(request: NeutralRequest, model: ChatModel, effort: string | undefined): object {
  const thinks = effort === undefined ? model.thinks : effort !== 'none';
  const free = model.sampling === 'always' || (model.sampling === 'unthinking' && !thinks);
  const asked: Readonly<Record<keyof typeof USUAL, Given<number> | undefined>> = {
    temperature: request.temperature,
    top_p: request.topP,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
  };
  const fields: Record<string, number> = {};
  for (const [name, given] of Object.entries(asked)) {
    if (given === undefined) continue;
    if (free) fields[name] = given.value;
    else if (given.value !== USUAL[name as keyof typeof USUAL]) {
      throw cannot(given.at, `can only be ${USUAL[name as keyof typeof USUAL]} with this model`);
    }
  }
  return fields;
}

function stopFields({ stop }: NeutralRequest, model: ChatModel): object {
  if (stop === undefined || stop.value.length === 0) return {};
  if (!model.stop) throw cannot(stop.at, 'is not known to this model');
  if (stop.value.length > MAX_STOPS) {
    throw cannot(stop.at, `must be at most ${MAX_STOPS} at the account that serves this model`);
  }
  return { stop: stop.value };
}

/** Strict where the client says so, or says nothing and the schema is one that strict mode takes. */
function formatFields({ output }: NeutralRequest): object {
  if (output === undefined) return {};
  const { name, schema, strict } = output.value;
  if (schema === undefined) return { response_format: { type: 'json_object' } };
  const json_schema = { name: nameOf(name), schema, strict: strict ?? fitsStrict(schema) };
  return { response_format: { type: 'json_schema', json_schema } };
}

/** Required; "a-z, A-Z, 0-9, or contain underscores and dashes, with a maximum length of 64". */
function nameOf(name: string | undefined): string {
  return name?.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64) || 'answer';
}
