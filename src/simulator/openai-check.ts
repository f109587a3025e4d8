import { isRecord, type Exchange } from './exchange.ts';
import { checkFormat, checkTools } from './openai-check-tools.ts';
import { checkMessages } from './openai-check-messages.ts';
import {
  invalid,
  missing,
  OpenaiRefusal,
  unknownParameter,
  unsupportedParameter,
  unsupportedValue,
  wrongType,
  wrongValue,
} from './openai-error.ts';
import { abilitiesOf, noSuchModel, openaiModelExists, type Abilities } from './openai-models.ts';

/** What chat completions refuse by themselves. The words are the API's where its refusals are known. */

type Json = Readonly<Record<string, unknown>>;

/** Fields of `ChatCompletionCreateParamsBase` in openai 6.49. */
const FIELDS = new Set(
  `messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens
   metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key
   prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier
   stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
   web_search_options`.split(/\s+/),
);

/** Real fields that ask for something the simulator does not make. */
const NOT_MADE = ['audio', 'function_call', 'functions', 'web_search_options'];

/** The body as an object, with a model. @throws OpenaiRefusal */
export function bodyOf(json: unknown): Json {
  if (!isRecord(json)) {
    throw new OpenaiRefusal(
      400,
      'We could not parse the JSON body of your request. (HINT: This likely means you aren’t using your HTTP library correctly. The OpenAI API expects a JSON payload.)',
    );
  }
  const { model } = json;
  if (model === undefined || model === '') throw new OpenaiRefusal(400, 'you must provide a model parameter');
  if (typeof model !== 'string') throw wrongType('model', 'a string', model);
  return json;
}

/** The body of a chat completion, found sound. @throws OpenaiRefusal naming the field */
export function checkedChat({ json }: Exchange): Json {
  const body = bodyOf(json);
  const model = String(body['model']);
  const known = Object.keys(body).find((name) => !FIELDS.has(name));
  if (known !== undefined) {
    throw new OpenaiRefusal(400, `Unrecognized request argument supplied: ${known}`);
  }
  for (const name of NOT_MADE) {
    if (given(body, name))
      throw invalid(name, undefined, `The simulator does not make what '${name}' asks for.`);
  }
  if (body['messages'] === undefined) throw missing('messages');
  if (!openaiModelExists(model, 'chat')) throw noSuchModel(model);
  const abilities = abilitiesOf(model);
  checkKinds(body);
  checkLimits(body, abilities);
  checkStop(body, abilities);
  checkThinking(body, abilities);
  checkSampling(body, abilities);
  checkStream(body);
  if (abilities.alone && given(body, 'parallel_tool_calls')) {
    throw unsupportedParameter('parallel_tool_calls');
  }
  checkTools(body);
  checkFormat(body);
  checkMessages(body['messages'], abilities.thoughts);
  return body;
}

/** The parameter is there; OpenAI's own clients send null for what was not set. */
export function given(body: Json, name: string): boolean {
  return body[name] !== undefined && body[name] !== null;
}

const BOOLEANS = ['stream', 'store', 'logprobs', 'parallel_tool_calls'];
const WORDS: Readonly<Record<string, readonly string[]>> = {
  service_tier: ['auto', 'default', 'flex', 'scale', 'priority'],
  verbosity: ['low', 'medium', 'high'],
  prompt_cache_retention: ['in_memory', '24h'],
};

function checkKinds(body: Json): void {
  for (const name of BOOLEANS) {
    if (given(body, name) && typeof body[name] !== 'boolean') throw wrongType(name, 'a boolean', body[name]);
  }
  for (const [name, words] of Object.entries(WORDS)) {
    if (given(body, name) && !words.includes(String(body[name]))) throw wrongValue(name, body[name], words);
  }
  if (body['logprobs'] === true) {
    throw invalid('logprobs', undefined, 'The simulator does not make log probabilities.');
  }
}

function checkLimits(body: Json, { maxTokens }: Abilities): void {
  const limits = ['max_tokens', 'max_completion_tokens'].filter((name) => given(body, name));
  for (const name of limits) integer(body, name, 1, Number.MAX_SAFE_INTEGER);
  if (limits.length === 2) {
    throw invalid(
      'max_tokens',
      'invalid_parameter_combination',
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
    );
  }
  if (!maxTokens && given(body, 'max_tokens')) {
    throw unsupportedParameter('max_tokens', 'max_completion_tokens');
  }
  if (given(body, 'n')) integer(body, 'n', 1, 8);
  if (given(body, 'seed')) integer(body, 'seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
}

/** Up to four sequences (API reference, "stop"). */
function checkStop(body: Json, abilities: Abilities): void {
  if (!given(body, 'stop')) return;
  const { stop } = body;
  if (!abilities.stop) throw unsupportedParameter('stop');
  if (typeof stop === 'string') return;
  if (!Array.isArray(stop)) throw wrongType('stop', 'one of an array of strings or string', stop);
  if (stop.length > 4) {
    throw invalid(
      'stop',
      'array_above_max_length',
      `Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length ${stop.length} instead.`,
    );
  }
  const at = stop.findIndex((one) => typeof one !== 'string');
  if (at >= 0) throw wrongType(`stop[${at}]`, 'a string', stop[at]);
}

function checkThinking(body: Json, { efforts }: Abilities): void {
  if (!given(body, 'reasoning_effort')) return;
  const effort = body['reasoning_effort'];
  if (efforts === undefined) {
    throw new OpenaiRefusal(400, 'Unrecognized request argument supplied: reasoning_effort');
  }
  if (!efforts.includes(String(effort))) {
    const list = efforts.map((one) => `'${one}'`).join(', ');
    throw unsupportedValue('reasoning_effort', effort, `Supported values are: ${list}.`);
  }
}

const RANGES: Readonly<Record<string, readonly [number, number, number]>> = {
  temperature: [0, 2, 1],
  top_p: [0, 1, 1],
  presence_penalty: [-2, 2, 0],
  frequency_penalty: [-2, 2, 0],
};

function checkSampling(body: Json, { sampling, efforts }: Abilities): void {
  const effort = body['reasoning_effort'] ?? efforts?.[0];
  const free = sampling === 'always' || (sampling === 'unthinking' && effort === 'none');
  for (const [name, [least, most, usual]] of Object.entries(RANGES)) {
    if (!given(body, name)) continue;
    const value = body[name];
    if (typeof value !== 'number') throw wrongType(name, 'a decimal', value);
    if (value < least || value > most) {
      const [side, code, bound] =
        value < least
          ? (['minimum', 'decimal_below_min_value', `>= ${least}`] as const)
          : (['maximum', 'decimal_above_max_value', `<= ${most}`] as const);
      throw invalid(
        name,
        code,
        `Invalid '${name}': decimal ${side === 'minimum' ? 'below' : 'above'} ${side} value. Expected a value ${bound}, but got ${value} instead.`,
      );
    }
    if (!free && value !== usual) {
      throw unsupportedValue(name, value, `Only the default (${usual}) value is supported.`);
    }
  }
}

function checkStream(body: Json): void {
  const options = body['stream_options'];
  if (options === undefined || options === null) return;
  if (!isRecord(options)) throw wrongType('stream_options', 'an object', options);
  if (body['stream'] !== true) {
    throw invalid(
      'stream_options',
      undefined,
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    );
  }
  for (const [name, value] of Object.entries(options)) {
    const at = `stream_options.${name}`;
    if (name !== 'include_usage' && name !== 'include_obfuscation') throw unknownParameter(at);
    if (value !== null && typeof value !== 'boolean') throw wrongType(at, 'a boolean', value);
  }
}

function integer(body: Json, name: string, least: number, most: number): void {
  const value = body[name];
  if (!Number.isInteger(value)) throw wrongType(name, 'an integer', value);
  const number = Number(value);
  if (number < least) {
    throw invalid(
      name,
      'integer_below_min_value',
      `Invalid '${name}': integer below minimum value. Expected a value >= ${least}, but got ${number} instead.`,
    );
  }
  if (number > most) {
    throw invalid(
      name,
      'integer_above_max_value',
      `Invalid '${name}': integer above maximum value. Expected a value <= ${most}, but got ${number} instead.`,
    );
  }
}
