import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { unpackToolId } from '../carried.ts';
import { carriedParts } from '../carried-parts.ts';
import { Fields, type Leave } from '../fields.ts';
import type { Message, Part, TextPart, ToolCallPart } from '../neutral.ts';
import { leaveRest } from './chat-left-out.ts';
import { readArguments } from './read-arguments.ts';
import { readContent, readTexts } from './read-chat-content.ts';

export interface Conversation {
  readonly system: readonly TextPart[];
  readonly messages: readonly Message[];
}

/** What one pass over the conversation remembers. */
interface Reading {
  readonly leave: Leave;
  /** Names of the tools that were called, by the calls' plain ids. */
  readonly names: Map<string, string>;
}

/**
 * `messages` (`ChatCompletionMessageParam` of openai 6.49). What `system` and `developer` say before anybody else are the
 * instructions; later they stay where they stand.
 */
export function readConversation(body: Fields, leave: Leave): Conversation {
  const reading: Reading = { leave, names: new Map() };
  const system: TextPart[] = [];
  const messages: Message[] = [];
  for (const { item, at } of body.list('messages')) {
    const message = readMessage(Fields.of(item, at), reading);
    if (message.role === 'system' && messages.length === 0) system.push(...(message.parts as TextPart[]));
    else if (message.parts.length > 0) messages.push(message);
  }
  return { system, messages };
}

function readMessage(message: Fields, reading: Reading): Message {
  const { at } = message;
  const { leave } = reading;
  const role = message.text('role');
  switch (role) {
    case 'system':
    case 'developer': {
      const parts = readTexts(requiredContent(message), `${at}.content`, leave);
      leaveRest(message, 'message', leave);
      return { role: 'system', at, parts };
    }
    case 'user': {
      const parts = readContent(requiredContent(message), `${at}.content`, leave);
      leaveRest(message, 'message', leave);
      return { role: 'user', at, parts };
    }
    case 'assistant':
      return { role: 'assistant', at, parts: readAnswer(message, reading) };
    case 'tool':
      return { role: 'user', at, parts: [readResult(message, reading)] };
    case 'function':
      throw cannot(`${at}.role`, 'function is no longer used; answer tool_calls with the role tool');
    default:
      throw new CallError(`${at}.role: must be system, developer, user, assistant or tool`);
  }
}

function requiredContent(message: Fields): unknown {
  const content = message.take('content');
  if (content === undefined) throw new CallError(`${message.at}.content: is required`);
  return content;
}

/**
 * What the model said: thoughts that its calls carry, then words, then calls. Thoughts on the first call came before the
 * words as well; those on a later one stand before it.
 */
function readAnswer(message: Fields, { leave, names }: Reading): readonly Part[] {
  const { at } = message;
  const said: Part[] = [...readTexts(message.take('content'), `${at}.content`, leave)];
  const refusal = message.text('refusal');
  if (refusal !== undefined && refusal !== '')
    said.push({ type: 'text', at: `${at}.refusal`, text: refusal });
  const parts: Part[] = [];
  for (const [i, call] of message.list('tool_calls').entries()) {
    const { thoughts, part } = readCall(Fields.of(call.item, call.at), leave);
    names.set(part.id, part.name);
    parts.push(...thoughts, ...(i === 0 ? said : []), part);
  }
  const all = parts.length === 0 ? said : parts;
  dropShown(message, all, leave);
  leaveRest(message, 'message', leave);
  return all;
}

/** A thought that comes back as it was shown and under a seal counts once; without a seal it is told as left out. */
function dropShown(message: Fields, parts: readonly Part[], leave: Leave): void {
  const sealed = parts.map((part) => (part.type === 'thinking' ? part.text : '')).join('\n');
  for (const name of ['reasoning_content', 'reasoning']) {
    const at = message.atOf(name);
    const shown = message.take(name);
    const kept = typeof shown === 'string' && sealed.includes(shown);
    if (at !== undefined && !kept) leave({ at, advice: true });
  }
}

function readCall(
  call: Fields,
  leave: Leave,
): { readonly thoughts: readonly Part[]; readonly part: ToolCallPart } {
  const { at } = call;
  const type = call.text('type') ?? 'function';
  if (type !== 'function') throw cannot(at, `calls a tool of type ${type.slice(0, 64)}`);
  const { id, carried } = unpackToolId(call.text('id') ?? '');
  const called = call.object('function');
  const name = called?.text('name') ?? '';
  if (id === '' || called === undefined || name === '')
    throw new CallError(`${at}: must have id and function.name`);
  const input = readArguments(called);
  leaveRest(called, 'function', leave);
  leaveRest(call, 'call', leave);
  const { thoughts, signature } = carriedParts(carried, at);
  return { thoughts, part: { type: 'tool-call', at, id, name, input, ...(signature && { signature }) } };
}

function readResult(message: Fields, { leave, names }: Reading): Part {
  const { at } = message;
  const idAt = `${at}.tool_call_id`;
  const { id } = unpackToolId(message.text('tool_call_id') ?? '');
  const name = names.get(id);
  if (name === undefined) throw new CallError(`${idAt}: answers none of the tool_calls before it`);
  const content = readContent(requiredContent(message), `${at}.content`, leave);
  message.take('name'); // of the tool, as older clients repeat it
  leaveRest(message, 'message', leave);
  return { type: 'tool-result', at, id, name, content, failed: false };
}
