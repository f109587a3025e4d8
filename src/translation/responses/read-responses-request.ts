import { type Call, CallError } from '../../dialects/dialect.ts';
import { Fields, type JsonObject, type Leave } from '../fields.ts';
import { given } from '../given.ts';
import type { Leftover, NeutralRequest, OutputFormat, TextPart, Thinking } from '../neutral.ts';
import { thinkingBy } from '../openai/efforts.ts';
import { readSchema } from '../openai/read-output-format.ts';
import { readInput } from './read-input.ts';
import { readToolChoice, readTools } from './read-responses-tools.ts';
import { leaveRest } from './responses-left-out.ts';

const ENCRYPTED = 'reasoning.encrypted_content';

/**
 * A request for a response. Field names and their meaning: `ResponseCreateParamsBase` of openai 6.49. What refers to
 * something kept, or asks for an answer later, is refused where the call is read.
 * @throws CallError that names the field
 */
export function readRequest(call: Call, model: string): NeutralRequest {
  const source = JSON.parse(call.body.toString('utf8')) as JsonObject;
  const leftovers: Leftover[] = [];
  const leave: Leave = (leftover) => leftovers.push(leftover);
  const body = Fields.of(source, '');
  body.take('model');
  body.take('stream');

  const instructions = readInstructions(body);
  const { system, messages } = readInput(body, leave);
  const tools = readTools(body, leave);
  const choiceAt = body.atOf('tool_choice');
  const choice = readToolChoice(body, leave);
  const settings = {
    ...given('parallelTools', body.atOf('parallel_tool_calls'), body.flag('parallel_tool_calls')),
    ...given('maxOutputTokens', body.atOf('max_output_tokens'), body.number('max_output_tokens')),
    ...given('temperature', body.atOf('temperature'), body.number('temperature')),
    ...given('topP', body.atOf('top_p'), body.number('top_p')),
    ...given('thinking', body.atOf('reasoning'), readReasoningWish(body, leave)),
    ...given('output', `${body.atOf('text')}.format`, readFormat(body, leave)),
  };
  readIncludes(body, leave);
  const options = body.object('stream_options');
  if (options !== undefined) leaveRest(options, 'streamOptions', leave);
  leaveRest(body, 'body', leave);
  return {
    lane: call.lane,
    model,
    stream: call.framing !== 'json',
    system: [...instructions, ...system],
    messages,
    tools,
    ...given('toolChoice', choiceAt, choice),
    ...settings,
    leftovers,
    source,
  };
}

function readInstructions(body: Fields): readonly TextPart[] {
  const at = body.atOf('instructions');
  const text = body.text('instructions');
  return at === undefined || text === undefined || text === '' ? [] : [{ type: 'text', at, text }];
}

/** Whoever asks for a summary wants to read it. Without a word on effort the model thinks as much as it finds right. */
function readReasoningWish(body: Fields, leave: Leave): Thinking | undefined {
  const reasoning = body.object('reasoning');
  if (reasoning === undefined) return undefined;
  const effort = reasoning.text('effort');
  const summary = reasoning.text('summary') ?? reasoning.text('generate_summary');
  reasoning.take('generate_summary');
  leaveRest(reasoning, 'reasoning', leave);
  const show = summary !== undefined;
  if (effort !== undefined) return thinkingBy(effort, show, `${reasoning.at}.effort`);
  return show ? { mode: 'adaptive', show } : undefined;
}

function readFormat(body: Fields, leave: Leave): OutputFormat | undefined {
  const text = body.object('text');
  const format = text?.object('format');
  if (text !== undefined) leaveRest(text, 'text', leave);
  if (format === undefined) return undefined;
  const type = format.text('type');
  const output = type === 'json_schema' ? readSchema(format) : undefined;
  leaveRest(format, 'format', leave);
  switch (type) {
    case 'text':
      return undefined;
    case 'json_object':
      return {};
    case 'json_schema':
      return output;
    default:
      throw new CallError(`${format.at}.type: must be text, json_object or json_schema`);
  }
}

/** What may be asked for and asks nothing of another vendor: it belongs to OpenAI's own tools, or to what is kept there. */
const OF_OPENAI: ReadonlySet<string> = new Set([
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
]);

function readIncludes(body: Fields, leave: Leave): void {
  const at = body.atOf('include');
  const asked = body.texts('include') ?? [];
  const unknown = asked.some((one) => one !== ENCRYPTED && !OF_OPENAI.has(one));
  if (unknown) leave({ at: at!, advice: false });
}

/** Does the client keep reasoning items itself? */
export function wantsEncryptedReasoning({ source }: Pick<NeutralRequest, 'source'>): boolean {
  const { include } = source;
  return Array.isArray(include) && include.includes(ENCRYPTED);
}
