import { type Call, CallError } from '../../dialects/dialect.ts';
import { Fields, type JsonObject, type Leave } from '../fields.ts';
import { given } from '../given.ts';
import type { Given, Leftover, NeutralRequest, OutputFormat, TextPart, Thinking } from '../neutral.ts';
import { leaveRest } from './left-out.ts';
import { readMessages, readTexts } from './read-messages.ts';
import { readToolChoice, readTools } from './read-tools.ts';

/**
 * A Messages request, or one of count_tokens. Field names: `MessageCreateParams` and `BetaMessageCreateParams` of
 * @anthropic-ai/sdk 1.12.
 * @throws CallError that names the field
 */
export function readRequest(call: Call, model: string): NeutralRequest {
  const source = JSON.parse(call.body.toString('utf8')) as JsonObject;
  const leftovers: Leftover[] = [];
  const leave: Leave = (leftover) => leftovers.push(leftover);
  const body = Fields.of(source, '');
  body.take('model');
  body.take('stream');
  // Requests for features of Anthropic's; what they would allow in the body is read, or refused by its own name.
  if (call.headers['anthropic-beta'] !== undefined) leave({ at: 'anthropic-beta', advice: true });

  const system = readSystem(body, leave);
  const messages = readMessages(body, leave);
  const tools = readTools(body, leave);
  const choice = readToolChoice(body, leave);
  const output = body.object('output_config');
  const settings = {
    ...number(body, 'max_tokens', 'maxOutputTokens'),
    ...number(body, 'temperature', 'temperature'),
    ...number(body, 'top_p', 'topP'),
    ...number(body, 'top_k', 'topK'),
    ...readStop(body),
    ...readThinking(body, output, leave),
    ...readOutput(output, body, leave),
  };
  if (output !== undefined) leaveRest(output, 'output', leave);
  leaveRest(body, 'body', leave);
  return {
    lane: call.lane,
    model,
    stream: call.framing !== 'json',
    system,
    messages,
    tools,
    ...choice,
    ...settings,
    leftovers,
    source,
  };
}

function readSystem(body: Fields, leave: Leave): readonly TextPart[] {
  const at = body.atOf('system');
  return at === undefined ? [] : readTexts(body.take('system'), at, leave);
}

function number<N extends string>(body: Fields, written: string, name: N): Partial<Record<N, Given<number>>> {
  return given(name, body.atOf(written), body.number(written));
}

function readStop(body: Fields): { stop?: Given<readonly string[]> } {
  const at = body.atOf('stop_sequences');
  const value = body.texts('stop_sequences');
  return at === undefined || value === undefined || value.length === 0 ? {} : { stop: { value, at } };
}

const EFFORTS: ReadonlySet<string> = new Set(['low', 'medium', 'high', 'xhigh', 'max']);

/** `thinking` and `output_config.effort` say one thing together: how much, and whether the client reads it. */
function readThinking(
  body: Fields,
  output: Fields | undefined,
  leave: Leave,
): { thinking?: Given<Thinking> } {
  const at = body.atOf('thinking');
  const config = body.object('thinking');
  const effortAt = output?.atOf('effort');
  const effort = output?.text('effort');
  if (effort !== undefined && !EFFORTS.has(effort)) throw new CallError(`${effortAt}: is not known`);
  const said = effort === undefined ? {} : { effort: effort as NonNullable<Thinking['effort']> };
  if (config === undefined || at === undefined) {
    if (effort === undefined) return {};
    return { thinking: { value: { mode: 'effort', ...said, show: false }, at: effortAt! } };
  }
  const type = config.text('type');
  const budgetTokens = config.number('budget_tokens');
  const show = config.text('display') !== 'omitted';
  leaveRest(config, 'thinking', leave);
  switch (type) {
    case 'disabled':
      return { thinking: { value: { mode: 'off', show: false }, at } };
    case 'enabled':
      if (budgetTokens === undefined) throw new CallError(`${at}.budget_tokens: is required`);
      return { thinking: { value: { mode: 'budget', budgetTokens, ...said, show }, at } };
    case 'adaptive':
    case 'between_tools':
      return { thinking: { value: { mode: 'adaptive', ...said, show }, at } };
    default:
      throw new CallError(`${at}.type: must be enabled, adaptive or disabled`);
  }
}

/** `output_config.format`, and the older `output_format` of the beta. */
function readOutput(
  output: Fields | undefined,
  body: Fields,
  leave: Leave,
): { output?: Given<OutputFormat> } {
  const format = output?.object('format') ?? body.object('output_format');
  if (format === undefined) return {};
  if (format.text('type') !== 'json_schema') throw new CallError(`${format.at}.type: must be json_schema`);
  const schema = format.json('schema');
  if (schema === undefined) throw new CallError(`${format.at}.schema: is required`);
  format.take('name');
  leaveRest(format, 'format', leave);
  return { output: { value: { schema }, at: format.at } };
}
