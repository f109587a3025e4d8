import { CallError } from '../../dialects/dialect.ts';
import type { MediaPart, TextPart, ToolCallPart, ToolResultPart } from '../neutral.ts';
import type { CallIds } from './call-ids.ts';
import type { Fields, JsonObject, Leave } from '../fields.ts';
import { fieldsOf } from './gemini-fields.ts';
import { leaveRest } from './left-out.ts';
import { mediaPart } from './read-media.ts';

export function readFunctionCall(call: Fields, ids: CallIds, leave: Leave): ToolCallPart {
  const name = nameOf(call);
  const id = call.text('id');
  const args = call.json('args') ?? {};
  leaveRest(call, 'functionCall', leave);
  return {
    type: 'tool-call',
    at: call.at,
    id: ids.call(id, name, call.at),
    name,
    input: JSON.stringify(args),
  };
}

/**
 * `response` tells the result under `output` or what went wrong under `error`; without either it is itself the result
 * (`FunctionResponse.response`).
 */
export function readFunctionResponse(response: Fields, ids: CallIds, leave: Leave): ToolResultPart {
  const { at } = response;
  const name = nameOf(response);
  const id = ids.answer(response.text('id'), name);
  if (id === undefined) throw new CallError(`${at}: answers no functionCall before it`);
  const jsonAt = response.atOf('response') ?? at;
  const json = response.json('response') ?? {};
  const media = response.list('parts').map(({ item, at: itemAt }) => {
    const part = fieldsOf(item, itemAt);
    const file = part.object('fileData');
    const inline = part.object('inlineData');
    leaveRest(part, 'part', leave);
    const data = inline ?? file;
    if (data === undefined) throw new CallError(`${itemAt}: must hold inlineData or fileData`);
    return mediaPart(data, inline === undefined ? 'file' : 'inline', leave);
  });
  leaveRest(response, 'functionResponse', leave);
  const text = textOf(json);
  const content: (TextPart | MediaPart)[] = [...media];
  if (text !== '') content.unshift({ type: 'text', at: jsonAt, text });
  return { type: 'tool-result', at, id, name, content, json, failed: Object.hasOwn(json, 'error') };
}

/** The one text that the object is about, or the object as JSON. */
function textOf(json: JsonObject): string {
  const names = Object.keys(json);
  const only =
    names.length === 1 && ['output', 'error', 'result'].includes(names[0]!) ? json[names[0]!] : json;
  if (typeof only === 'string') return only;
  return names.length === 0 ? '' : JSON.stringify(only);
}

function nameOf(fields: Fields): string {
  const name = fields.text('name');
  if (name === undefined || name === '') throw new CallError(`${fields.at}.name: is required`);
  return name;
}
