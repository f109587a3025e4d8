import { type Call, CallError } from '../../dialects/dialect.ts';
import type { Leftover, NeutralRequest, TextPart } from '../neutral.ts';
import type { Fields, JsonObject, Leave } from '../fields.ts';
import { fieldsOf } from './gemini-fields.ts';
import { leaveRest } from './left-out.ts';
import { readContents } from './read-contents.ts';
import { readSettings } from './read-settings.ts';
import { readToolChoice, readTools } from './read-tools.ts';

/**
 * A GenerateContentRequest, or the CountTokensRequest around one. Field names and their meaning: `GenerateContentConfig`
 * and `Content` of @google/genai 2.32 and what `generateContentParametersToMldev` there makes of them.
 * @throws CallError that names the field
 */
export function readRequest(call: Call, model: string): NeutralRequest {
  const source = JSON.parse(call.body.toString('utf8')) as JsonObject;
  const leftovers: Leftover[] = [];
  const leave: Leave = (leftover) => leftovers.push(leftover);
  const body = bodyOf(source, call, leave);

  const system = readSystem(body, leave);
  const messages = readContents(body, leave);
  const tools = readTools(body, leave);
  const toolChoice = readToolChoice(body, leave);
  const settings = readSettings(body.object('generationConfig'), leave);
  readSafety(body, leave);
  body.take('model'); // the path's, as the dialect has checked
  leaveRest(body, 'body', leave);

  return {
    lane: call.lane,
    model,
    stream: call.framing !== 'json',
    system,
    messages,
    tools,
    ...(toolChoice && { toolChoice }),
    ...settings,
    leftovers,
    source,
  };
}

function bodyOf(source: JsonObject, call: Call, leave: Leave): Fields {
  const body = fieldsOf(source, '');
  const nested = call.operation === 'count' ? body.object('generateContentRequest') : undefined;
  if (nested === undefined) return body;
  body.take('model');
  leaveRest(body, 'body', leave);
  return nested;
}

/** A Content whose role says nothing; a bare string is what some clients write for one. */
function readSystem(body: Fields, leave: Leave): readonly TextPart[] {
  const at = body.atOf('systemInstruction');
  const value = body.take('systemInstruction');
  if (at === undefined) return [];
  if (typeof value === 'string') return value === '' ? [] : [{ type: 'text', at, text: value }];
  const content = fieldsOf(value, at);
  content.take('role');
  const parts = content.list('parts').flatMap((one): TextPart[] => {
    const part = fieldsOf(one.item, one.at);
    const text = part.text('text');
    leaveRest(part, 'part', leave);
    return text === undefined || text === '' ? [] : [{ type: 'text', at: `${one.at}.text`, text }];
  });
  leaveRest(content, 'content', leave);
  return parts;
}

/**
 * Thresholds below which Google's own filters let everything pass: nothing that another vendor would have to do. One
 * that asks for a filter is refused, for nobody would filter.
 */
function readSafety(body: Fields, leave: Leave): void {
  for (const { item, at } of body.list('safetySettings')) {
    const setting = fieldsOf(item, at);
    const threshold = setting.text('threshold') ?? 'HARM_BLOCK_THRESHOLD_UNSPECIFIED';
    if (typeof setting.take('category') !== 'string') throw new CallError(`${at}.category: is required`);
    const asks = !['OFF', 'BLOCK_NONE', 'HARM_BLOCK_THRESHOLD_UNSPECIFIED'].includes(threshold);
    leaveRest(setting, 'content', leave);
    leave({ at: asks ? `${at}.threshold` : at, advice: !asks });
  }
}
