import type { Call } from '../../dialects/dialect.ts';
import { Fields, type JsonObject, type Leave } from '../fields.ts';
import { given } from '../given.ts';
import type { Leftover, NeutralRequest } from '../neutral.ts';
import { leaveRest } from './chat-left-out.ts';
import { readConversation } from './read-chat-messages.ts';
import { readSettings } from './read-chat-settings.ts';
import { readToolChoice, readTools } from './read-chat-tools.ts';

/**
 * A request for a chat completion. Field names and their meaning: `ChatCompletionCreateParamsBase` of openai 6.49.
 * @throws CallError that names the field
 */
export function readRequest(call: Call, model: string): NeutralRequest {
  const source = JSON.parse(call.body.toString('utf8')) as JsonObject;
  const leftovers: Leftover[] = [];
  const leave: Leave = (leftover) => leftovers.push(leftover);
  const body = Fields.of(source, '');
  body.take('model');
  body.take('stream');

  const { system, messages } = readConversation(body, leave);
  const tools = readTools(body, leave);
  const choiceAt = body.atOf('tool_choice');
  const choice = readToolChoice(body, leave);
  const settings = readSettings(body, leave);
  readStreamOptions(body, leave);
  leaveRest(body, 'body', leave);
  return {
    lane: call.lane,
    model,
    stream: call.framing !== 'json',
    system,
    messages,
    tools,
    ...given('toolChoice', choiceAt, choice),
    ...settings,
    leftovers,
    source,
  };
}

/** `include_usage` is the writer's to keep, which reads it in the source. */
function readStreamOptions(body: Fields, leave: Leave): void {
  const options = body.object('stream_options');
  if (options === undefined) return;
  options.flag('include_usage');
  leaveRest(options, 'streamOptions', leave);
}
