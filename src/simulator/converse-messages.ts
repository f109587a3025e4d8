import type { BedrockModel } from './bedrock-models.ts';
import { checkMedia, MEDIA } from './converse-media.ts';
import { constraint, NAME, oneOf, type Member } from './converse-refusal.ts';
import { isRecord, listOf, Refusal } from './exchange.ts';

/** The rules of a conversation, in the words in which Converse refuses what breaks them. */

export const NO_REASONING =
  'User messages cannot contain reasoning content. Please remove the reasoning content and try again.';
const USER_FIRST =
  'A conversation must start with a user message. Try again with a conversation that starts with a user message.';
const ALTERNATE =
  'A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.';
const NO_TOOLS = 'The toolConfig field must be defined when using toolUse and toolResult content blocks.';

const BLOCKS = new Set(
  `text image document video audio toolUse toolResult guardContent cachePoint reasoningContent citationsContent
   searchResult`.split(/\s+/),
);
const RESULTS = new Set(['text', 'json', 'image', 'document', 'video', 'searchResult']);

/** @throws Refusal naming the message */
export function checkConversation(json: Record<string, unknown>, model: BedrockModel): void {
  const messages = listOf(json['messages']);
  if (messages.length === 0) throw new Refusal(400, USER_FIRST);
  let asked: readonly string[] = [];
  for (const [n, message] of messages.entries()) {
    const where = `messages.${n}`;
    const blocks = checkMessage(message, n, where, model);
    asked = checkResults(blocks, asked, where);
    const tools = blocks.some(([kind]) => kind === 'toolUse' || kind === 'toolResult');
    if (tools && json['toolConfig'] === undefined) throw new Refusal(400, NO_TOOLS);
  }
}

function checkMessage(message: unknown, n: number, where: string, model: BedrockModel): readonly Member[] {
  const role = isRecord(message) ? message['role'] : undefined;
  if (!isRecord(message) || (role !== 'user' && role !== 'assistant')) {
    throw constraint(`${where}.member.role`, 'Member must satisfy enum value set: [user, assistant]');
  }
  if (n === 0 && role !== 'user') throw new Refusal(400, USER_FIRST);
  if (role !== (n % 2 === 0 ? 'user' : 'assistant')) throw new Refusal(400, ALTERNATE);
  const content = listOf(message['content']);
  if (content.length === 0) {
    throw new Refusal(
      400,
      `The content field in the Message object at ${where} is empty. Add a ContentBlock object to the content field and try again.`,
    );
  }
  const blocks = content.map((block, k) => oneOf(block, `${where}.content.${k}`, BLOCKS));
  for (const [k, [kind, value]] of blocks.entries()) {
    checkBlock(kind, value, `${where}.content.${k}`, role, model);
  }
  if (blocks.some(([kind]) => kind === 'document') && !blocks.some(([kind]) => kind === 'text')) {
    throw new Refusal(
      400,
      `Add a text block to the content field of ${where}: a document needs one beside it.`,
    );
  }
  return blocks;
}

function checkBlock(kind: string, value: unknown, where: string, role: string, model: BedrockModel): void {
  switch (kind) {
    case 'text':
      return checkText(value, where);
    case 'reasoningContent':
      if (role !== 'assistant') throw new Refusal(400, NO_REASONING);
      return;
    case 'cachePoint':
      return checkCachePoint(value, where);
    case 'toolUse':
      return checkToolUse(value, where);
    case 'toolResult':
      return checkToolResult(value, where);
    default:
      if (!MEDIA.has(kind)) return;
      if (role !== 'user') throw new Refusal(400, `${where}.${kind}: only user messages may hold it`);
      checkMedia(kind, value, `${where}.${kind}`, model);
  }
}

function checkText(text: unknown, where: string): void {
  if (typeof text !== 'string') throw new Refusal(400, `${where}.text: Expected string`);
  if (text.trim() !== '') return;
  throw new Refusal(
    400,
    `The text field in the ContentBlock object at ${where} is blank. Add text to the text field, and try again.`,
  );
}

function checkToolUse(value: unknown, where: string): void {
  const { toolUseId, name, input } = isRecord(value) ? value : {};
  checkName(toolUseId, `${where}.toolUse.toolUseId`);
  checkName(name, `${where}.toolUse.name`);
  if (!isRecord(input)) throw notObject(`${where}.toolUse.input`);
}

function checkToolResult(value: unknown, where: string): void {
  const { toolUseId, content, status } = isRecord(value) ? value : {};
  checkName(toolUseId, `${where}.toolResult.toolUseId`);
  if (!Array.isArray(content)) throw new Refusal(400, `${where}.toolResult.content: Expected list`);
  if (status !== undefined && status !== 'success' && status !== 'error') {
    throw constraint(`${where}.toolResult.status`, 'Member must satisfy enum value set: [success, error]');
  }
  for (const [k, inner] of content.entries()) {
    const at = `${where}.toolResult.content.${k}`;
    const [kind, media] = oneOf(inner, at, RESULTS);
    if (MEDIA.has(kind)) checkMedia(kind, media, `${at}.${kind}`);
    if (kind === 'json' && !isRecord(media)) throw notObject(`${at}.json`);
  }
}

function checkName(value: unknown, at: string): void {
  if (typeof value === 'string' && NAME.test(value)) return;
  throw constraint(at, 'Member must have length 1 to 64 and satisfy the pattern [a-zA-Z0-9_-]+');
}

function checkCachePoint(value: unknown, where: string): void {
  const { type, ttl } = isRecord(value) ? value : {};
  if (type !== 'default') {
    throw constraint(`${where}.cachePoint.type`, 'Member must satisfy enum value set: [default]');
  }
  if (ttl !== undefined && ttl !== '5m' && ttl !== '1h') {
    throw constraint(`${where}.cachePoint.ttl`, 'Member must satisfy enum value set: [5m, 1h]');
  }
}

/** Every call of the turn before is answered, and no other. Answers the calls of this turn. */
function checkResults(blocks: readonly Member[], asked: readonly string[], where: string): readonly string[] {
  const ids = (kind: string): string[] =>
    blocks
      .filter(([one]) => one === kind)
      .map(([, value]) => String((value as { toolUseId: unknown }).toolUseId));
  const answered = ids('toolResult');
  const open = asked.filter((id) => !answered.includes(id));
  if (open.length > 0) {
    throw new Refusal(
      400,
      `Expected toolResult blocks at ${where}.content for the following Ids: ${open.join(', ')}`,
    );
  }
  if (answered.some((id) => !asked.includes(id)) || new Set(answered).size !== answered.length) {
    throw new Refusal(
      400,
      `The number of toolResult blocks at ${where}.content exceeds the number of toolUse blocks of previous turn.`,
    );
  }
  return ids('toolUse');
}

function notObject(at: string): Refusal {
  return new Refusal(
    400,
    `The format of the value at ${at} is invalid. Provide a json object for the field and try again.`,
  );
}
