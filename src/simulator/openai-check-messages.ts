import { isRecord, listOf } from './exchange.ts';
import { only } from './openai-check-tools.ts';
import { checkPart } from './openai-check-parts.ts';
import { invalid, missing, tooLong, wrongType, wrongValue } from './openai-error.ts';

const ROLES = ['system', 'assistant', 'user', 'function', 'tool', 'developer'];

const MAX_ID = 40;

/** Fields of a message by its role, and what the API's own answers put into an assistant's. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  system: ['role', 'content', 'name'],
  developer: ['role', 'content', 'name'],
  user: ['role', 'content', 'name'],
  tool: ['role', 'content', 'tool_call_id'],
  assistant: [
    'role',
    'content',
    'name',
    'refusal',
    'tool_calls',
    'audio',
    'function_call',
    'annotations',
    'parsed',
  ],
};

/** @param thoughts the field in which the model wants its thoughts back. @throws OpenaiRefusal naming the field */
export function checkMessages(messages: unknown, thoughts: string | undefined): void {
  if (!Array.isArray(messages)) throw wrongType('messages', 'an array of objects', messages);
  if (messages.length === 0) {
    throw invalid(
      'messages',
      'empty_array',
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    );
  }
  let open = new Set<string>();
  let calling = false;
  for (const [n, message] of (messages as unknown[]).entries()) {
    const at = `messages[${n}]`;
    if (!isRecord(message)) throw wrongType(at, 'an object', message);
    const role = checkMessage(message, at, thoughts);
    if (role === 'tool') {
      answer(message, at, open, calling);
      continue;
    }
    if (open.size > 0) throw unanswered(open, n);
    const calls = listOf(message['tool_calls']).filter(isRecord);
    open = new Set(calls.map((call) => String(call['id'])));
    calling = calls.length > 0;
  }
  if (open.size > 0) throw unanswered(open, messages.length);
}

function checkMessage(message: Record<string, unknown>, at: string, thoughts: string | undefined): string {
  const { role, content } = message;
  if (role === undefined) throw missing(`${at}.role`);
  if (typeof role !== 'string' || !ROLES.includes(role)) throw wrongValue(`${at}.role`, role, ROLES);
  if (role === 'function')
    throw invalid(`${at}.role`, undefined, 'The simulator knows no function messages.');
  only(message, [...(FIELDS[role] ?? []), ...(thoughts === undefined ? [] : [thoughts])], at);
  const calls = message['tool_calls'];
  if (calls !== undefined && calls !== null) checkCalls(calls, `${at}.tool_calls`);
  const called = role === 'assistant' && (calls !== undefined || typeof message['refusal'] === 'string');
  if (content === undefined || content === null) {
    if (!called) throw wrongType(`${at}.content`, 'one of a string or array of objects', content ?? null);
  } else if (Array.isArray(content)) {
    for (const [k, part] of (content as unknown[]).entries()) {
      checkPart(part, `${at}.content[${k}]`, role, at);
    }
  } else if (typeof content !== 'string') {
    throw wrongType(`${at}.content`, 'one of a string or array of objects', content);
  }
  if (role === 'tool' && typeof message['tool_call_id'] !== 'string') throw missing(`${at}.tool_call_id`);
  if (thoughts !== undefined && calls !== undefined && typeof message[thoughts] !== 'string') {
    throw invalid(
      at,
      'invalid_request_error',
      `The \`${thoughts}\` in the thinking mode must be passed back to the API.`,
    );
  }
  return role;
}

function checkCalls(calls: unknown, at: string): void {
  if (!Array.isArray(calls)) throw wrongType(at, 'an array of objects', calls);
  if (calls.length === 0) {
    throw invalid(
      at,
      'empty_array',
      `Invalid '${at}': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
    );
  }
  for (const [k, call] of (calls as unknown[]).entries()) {
    const where = `${at}[${k}]`;
    if (!isRecord(call)) throw wrongType(where, 'an object', call);
    only(call, ['id', 'type', 'function', 'index'], where);
    if (typeof call['id'] !== 'string' || call['id'] === '') throw missing(`${where}.id`);
    if (call['id'].length > MAX_ID) throw tooLong(`${where}.id`, MAX_ID, call['id'].length);
    if (call['type'] !== 'function') throw wrongValue(`${where}.type`, call['type'], ['function']);
    const told = call['function'];
    if (!isRecord(told)) throw missing(`${where}.function`);
    only(told, ['name', 'arguments', 'parsed_arguments'], `${where}.function`);
    for (const name of ['name', 'arguments']) {
      if (told[name] === undefined) throw missing(`${where}.function.${name}`);
      if (typeof told[name] !== 'string')
        throw wrongType(`${where}.function.${name}`, 'a string', told[name]);
    }
  }
}

/** A tool's message must answer a call of the assistant's message before it, each once. */
function answer(message: Record<string, unknown>, at: string, open: Set<string>, called: boolean): void {
  const id = String(message['tool_call_id']);
  if (!called || !open.delete(id)) {
    throw invalid(
      called ? `${at}.tool_call_id` : at.replace('[', '.['),
      undefined,
      called
        ? `Invalid parameter: 'tool_call_id' of '${id}' not found in 'tool_calls' of previous message.`
        : "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
    );
  }
}

function unanswered(open: ReadonlySet<string>, n: number): Error {
  return invalid(
    `messages.[${n}].role`,
    undefined,
    `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(', ')}`,
  );
}
