import { CallError } from '../../dialects/dialect.ts';
import type { Fields } from '../fields.ts';
import { type Leave } from '../fields.ts';
import { given } from '../given.ts';
import type { NeutralRequest, OutputFormat } from '../neutral.ts';
import { leaveRest } from './chat-left-out.ts';
import { thinkingBy } from './efforts.ts';
import { readSchema } from './read-output-format.ts';

type Settings = Partial<
  Pick<
    NeutralRequest,
    | 'parallelTools'
    | 'maxOutputTokens'
    | 'temperature'
    | 'topP'
    | 'stop'
    | 'seed'
    | 'presencePenalty'
    | 'frequencyPenalty'
    | 'thinking'
    | 'output'
  >
>;

/** How the answer is to be made (`ChatCompletionCreateParamsBase` of openai 6.49). */
export function readSettings(body: Fields, leave: Leave): Settings {
  const effortAt = body.atOf('reasoning_effort');
  const effort = body.text('reasoning_effort');
  return {
    ...given('parallelTools', body.atOf('parallel_tool_calls'), body.flag('parallel_tool_calls')),
    ...readLimit(body),
    ...given('temperature', body.atOf('temperature'), body.number('temperature')),
    ...given('topP', body.atOf('top_p'), body.number('top_p')),
    ...given('stop', body.atOf('stop'), readStop(body)),
    ...given('seed', body.atOf('seed'), body.number('seed')),
    ...given('presencePenalty', body.atOf('presence_penalty'), body.number('presence_penalty')),
    ...given('frequencyPenalty', body.atOf('frequency_penalty'), body.number('frequency_penalty')),
    // thoughts are never shown in chat completions, and nothing asks for them
    ...given('thinking', effortAt, effort === undefined ? undefined : thinkingBy(effort, false, effortAt!)),
    ...given('output', body.atOf('response_format'), readFormat(body, leave)),
  };
}

/** `max_tokens` is the older name; OpenAI takes one of them. */
function readLimit(body: Fields): Pick<Settings, 'maxOutputTokens'> {
  const oldAt = body.atOf('max_tokens');
  const old = body.number('max_tokens');
  const at = body.atOf('max_completion_tokens');
  const limit = body.number('max_completion_tokens');
  if (oldAt !== undefined && at !== undefined) throw new CallError(`${oldAt}: goes without ${at}`);
  return given('maxOutputTokens', at ?? oldAt, limit ?? old);
}

function readStop(body: Fields): readonly string[] | undefined {
  const at = body.atOf('stop');
  const value = body.take('stop');
  if (at === undefined) return undefined;
  const stops = Array.isArray(value) ? (value as unknown[]) : [value];
  if (!stops.every((one) => typeof one === 'string')) {
    throw new CallError(`${at}: must be a string or a list of strings`);
  }
  return stops.length === 0 ? undefined : stops;
}

function readFormat(body: Fields, leave: Leave): OutputFormat | undefined {
  const format = body.object('response_format');
  if (format === undefined) return undefined;
  const type = format.text('type');
  const schema = format.object('json_schema');
  leaveRest(format, 'format', leave);
  switch (type) {
    case 'text':
      return undefined;
    case 'json_object':
      return {};
    case 'json_schema': {
      if (schema === undefined) throw new CallError(`${format.at}.json_schema: is required`);
      const output = readSchema(schema);
      leaveRest(schema, 'format', leave);
      return output;
    }
    default:
      throw new CallError(`${format.at}.type: must be text, json_object or json_schema`);
  }
}
