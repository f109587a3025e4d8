import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { type Carried, isCarried, unpackCarried, unpackSignature, unpackToolId } from '../carried.ts';
import { bounded, Fields, type Leave } from '../fields.ts';
import type { Media, MediaPart, Message, Part, Signature, TextPart, ThinkingPart } from '../neutral.ts';
import { leaveRest } from './left-out.ts';
import { cacheMark } from './read-cache-mark.ts';

const ROLES: ReadonlySet<string> = new Set(['user', 'assistant', 'system']);

/** What one pass over the conversation remembers. */
interface Reading {
  readonly leave: Leave;
  /** Names of the tools that were called, by the calls' plain ids. */
  readonly names: Map<string, string>;
  /** The seal on the tool call that comes next, which an empty thought before it carries. */
  seal: Signature | undefined;
}

export function readMessages(body: Fields, leave: Leave): readonly Message[] {
  const reading: Reading = { leave, names: new Map(), seal: undefined };
  return body.list('messages').map(({ item, at }) => {
    const message = Fields.of(item, at);
    const role = message.text('role') ?? '';
    if (!ROLES.has(role)) throw new CallError(`${at}.role: must be user, assistant or system`);
    const contentAt = message.atOf('content');
    if (contentAt === undefined) throw new CallError(`${at}.content: is required`);
    const parts = readContent(message.take('content'), contentAt, reading);
    leaveRest(message, 'block', leave);
    return { role: role as Message['role'], at, parts };
  });
}

/** Text alone, as a string or in blocks. */
export function readTexts(value: unknown, at: string, leave: Leave): readonly TextPart[] {
  const parts = readContent(value, at, { leave, names: new Map(), seal: undefined });
  const other = parts.find((part) => part.type !== 'text');
  if (other !== undefined) throw new CallError(`${other.at}: must be text`);
  return parts as readonly TextPart[];
}

function readContent(value: unknown, at: string, reading: Reading): readonly Part[] {
  if (typeof value === 'string') return value === '' ? [] : [{ type: 'text', at, text: value }];
  if (!Array.isArray(value)) throw new CallError(`${at}: must be a string or a list of blocks`);
  const parts: Part[] = [];
  for (const [i, item] of bounded(value, at).entries()) {
    readBlock(Fields.of(item, `${at}[${i}]`), parts, reading);
  }
  return parts;
}

function readBlock(block: Fields, parts: Part[], reading: Reading): void {
  const { at } = block;
  const type = block.text('type');
  const cache = cacheMark(block, reading.leave);
  switch (type) {
    case 'text':
      parts.push({ type: 'text', at, text: block.text('text') ?? '', ...cache });
      break;
    case 'image':
      parts.push({ type: 'image', at, media: readSource(block, reading.leave), ...cache });
      break;
    case 'document':
      parts.push({ ...readDocument(block, reading.leave), ...cache });
      break;
    case 'tool_use':
      parts.push(
        ...readCall(block, reading).map((part) => (part.type === 'tool-call' ? { ...part, ...cache } : part)),
      );
      break;
    case 'tool_result':
      parts.push({ ...readResult(block, reading), ...cache });
      break;
    case 'thinking':
      readThought(block, parts, reading);
      break;
    case 'redacted_thinking': {
      const redacted = unpackSignature(block.text('data') ?? '', 'anthropic');
      if (redacted === undefined) reading.leave({ at, advice: true });
      else parts.push({ type: 'thinking', at, text: '', redacted });
      break;
    }
    default:
      throw cannot(
        at,
        `is a block of type ${String(type).slice(0, 64)}, which the account that serves this model does not know`,
      );
  }
  leaveRest(block, type === 'tool_use' ? 'call' : 'block', reading.leave);
}

/** `source`: bytes, a URL, or a text; files by id lie at Anthropic. */
function readSource(block: Fields, leave: Leave): Media {
  const source = block.object('source');
  if (source === undefined) throw new CallError(`${block.at}.source: is required`);
  const type = source.text('type');
  const mediaType = source.text('media_type');
  const data = source.text('data');
  const url = source.text('url');
  if (type === 'base64' || type === 'url' || type === 'text') leaveRest(source, 'source', leave);
  switch (type) {
    case 'base64':
      if (mediaType === undefined || data === undefined)
        throw new CallError(`${source.at}: must have media_type and data`);
      return { from: 'base64', mediaType, data };
    case 'url':
      if (url === undefined) throw new CallError(`${source.at}.url: is required`);
      return { from: 'url', url };
    case 'text':
      return { from: 'text', text: data ?? '' };
    default:
      throw cannot(`${source.at}.type`);
  }
}

function readDocument(block: Fields, leave: Leave): MediaPart {
  const name = block.text('title');
  const context = block.text('context');
  if (context !== undefined && context !== '') throw cannot(`${block.at}.context`);
  return {
    type: 'document',
    at: block.at,
    media: readSource(block, leave),
    ...(name === undefined || name === '' ? {} : { name }),
  };
}

/** What an id carries stands before the call: thoughts of other vendors' models, or the seal on the call itself. */
function readCall(block: Fields, reading: Reading): readonly Part[] {
  const { at } = block;
  const { id, carried } = unpackToolId(block.text('id') ?? '');
  const name = block.text('name');
  if (id === '' || name === undefined || name === '') throw new CallError(`${at}: must have id and name`);
  const input = JSON.stringify(block.json('input') ?? {});
  reading.names.set(id, name);
  const thoughts = carried.flatMap((one) => thoughtOf(one, at));
  const signature = carried.find((one) => one.kind === 'call')?.signature ?? reading.seal;
  reading.seal = undefined;
  return [...thoughts, { type: 'tool-call', at, id, name, input, ...(signature && { signature }) }];
}

function readResult(block: Fields, reading: Reading): Part {
  const { at } = block;
  const { id } = unpackToolId(block.text('tool_use_id') ?? '');
  const name = reading.names.get(id);
  if (name === undefined) throw new CallError(`${at}.tool_use_id: answers no tool_use before it`);
  const contentAt = block.atOf('content') ?? at;
  const content = readContent(block.take('content') ?? [], contentAt, reading);
  const other = content.find(({ type }) => !['text', 'image', 'document'].includes(type));
  if (other !== undefined) throw cannot(other.at);
  return {
    type: 'tool-result',
    at,
    id,
    name,
    content: content as readonly (TextPart | MediaPart)[],
    failed: block.flag('is_error') ?? false,
  };
}

/**
 * A thought in the place where the relay put it (`AnthropicWriter`): with its vendor's signature; empty, with the seal of
 * the call after it or of the text before it; or with nothing sealed at all.
 */
function readThought(block: Fields, parts: Part[], reading: Reading): void {
  const { at } = block;
  const text = block.text('thinking') ?? '';
  const value = block.text('signature') ?? '';
  const carried = isCarried(value) ? unpackCarried(value) : undefined;
  if (carried !== undefined) {
    if (text !== '' && carried.every(({ kind }) => kind === 'call'))
      parts.push({ type: 'thinking', at, text });
    parts.push(...carried.flatMap((one) => thoughtOf(one, at)));
    reading.seal = carried.find((one) => one.kind === 'call')?.signature ?? reading.seal;
    return;
  }
  const signature = value === '' ? undefined : unpackSignature(value, 'anthropic');
  const before = parts.at(-1);
  if (text === '' && signature !== undefined && signature.minted !== 'anthropic' && before?.type === 'text') {
    parts[parts.length - 1] = { ...before, signature };
    return;
  }
  parts.push({ type: 'thinking', at, text, ...(signature && { signature }) });
}

function thoughtOf(carried: Carried, at: string): readonly ThinkingPart[] {
  switch (carried.kind) {
    case 'thinking':
      return [
        {
          type: 'thinking',
          at,
          text: carried.text,
          ...(carried.signature && { signature: carried.signature }),
        },
      ];
    case 'redacted':
      return [{ type: 'thinking', at, text: '', redacted: carried.data }];
    case 'call':
      return [];
  }
}
