import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import type { CacheMark, MediaPart, Message, Part, TextPart, ThinkingPart } from '../neutral.ts';
import { claudeToolId } from './tool-id.ts';

interface Written {
  readonly role: 'user' | 'assistant';
  readonly content: Readonly<Record<string, unknown>>[];
}

export interface WrittenMessages {
  readonly messages: readonly object[];
  /** The turn at hand has calls of tools without the thoughts that came before them. */
  readonly unthought: boolean;
}

/**
 * The conversation: turns of one role are one message; results come first in theirs, as the API wants them right after
 * their calls. A system message in mid-conversation keeps its place among the user's: the role of that name is a beta.
 */
export function writeMessages(messages: readonly Message[], edits: Set<string>): WrittenMessages {
  const written: Written[] = [];
  for (const { role, parts } of messages) {
    const content = parts.flatMap((part) => block(part, edits));
    if (content.length === 0) continue;
    const as = role === 'assistant' ? 'assistant' : 'user';
    const last = written.at(-1);
    if (last?.role === as) last.content.push(...content);
    else written.push({ role: as, content });
  }
  const sorted = written.map(({ role, content }) => ({ role, content: resultsFirst(content) }));
  return { messages: sorted, unthought: isUnthought(sorted) };
}

export function cacheControl(cache: CacheMark | undefined): object {
  if (cache === undefined) return {};
  return { cache_control: { type: 'ephemeral', ...(cache.ttl !== undefined && { ttl: cache.ttl }) } };
}

function block(part: Part, edits: Set<string>): Readonly<Record<string, unknown>>[] {
  switch (part.type) {
    case 'text':
      if (part.signature !== undefined) edits.add('signature:foreign');
      return part.text === '' ? [] : [{ type: 'text', text: part.text, ...cacheControl(part.cache) }];
    case 'thinking':
      return thought(part, edits);
    case 'tool-call': {
      if (part.signature !== undefined) edits.add('signature:foreign');
      const input: unknown = JSON.parse(part.input);
      return [
        { type: 'tool_use', id: claudeToolId(part.id), name: part.name, input, ...cacheControl(part.cache) },
      ];
    }
    case 'tool-result': {
      const content = part.content.flatMap((one) => inner(one, edits));
      return [
        {
          type: 'tool_result',
          tool_use_id: claudeToolId(part.id),
          ...(content.length > 0 && { content }),
          ...(part.failed && { is_error: true }),
          ...cacheControl(part.cache),
        },
      ];
    }
    default:
      return [media(part, edits)];
  }
}

function inner(part: TextPart | MediaPart, edits: Set<string>): Readonly<Record<string, unknown>>[] {
  return part.type === 'text' ? block(part, edits) : [media(part, edits)];
}

/** Claude reads its own thoughts back, and nobody else's. */
function thought(part: ThinkingPart, edits: Set<string>): Readonly<Record<string, unknown>>[] {
  const { text, signature, redacted } = part;
  if (redacted?.minted === 'anthropic') return [{ type: 'redacted_thinking', data: redacted.value }];
  if (signature?.minted === 'anthropic') {
    return [{ type: 'thinking', thinking: text, signature: signature.value }];
  }
  edits.add('signature:foreign');
  return [];
}

function media(part: MediaPart, edits: Set<string>): Readonly<Record<string, unknown>> {
  const { type, at, media, name, detail, cache } = part;
  if (type === 'audio' || type === 'video') throw cannot(at, `is ${type}, which Claude does not take`);
  if (detail !== undefined && detail !== 'auto') edits.add(leftOut(`${at}.detail`));
  if (name !== undefined && type === 'image') edits.add(leftOut(`${at}.title`));
  const title = name !== undefined && type === 'document' ? { title: name } : {};
  return { type, source: sourceOf(media), ...title, ...cacheControl(cache) };
}

function sourceOf(media: MediaPart['media']): object {
  switch (media.from) {
    case 'base64':
      if (media.mediaType.startsWith('text/')) {
        const data = Buffer.from(media.data, 'base64').toString('utf8');
        return { type: 'text', media_type: 'text/plain', data };
      }
      return { type: 'base64', media_type: media.mediaType, data: media.data };
    case 'url':
      return { type: 'url', url: media.url };
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: media.text };
  }
}

function resultsFirst(content: Written['content']): Written['content'] {
  const isResult = (one: Readonly<Record<string, unknown>>): boolean => one['type'] === 'tool_result';
  return [...content.filter(isResult), ...content.filter((one) => !isResult(one))];
}

/** The last answer is a result's turn, and the calls that it answers stand without a thought before them. */
function isUnthought(messages: readonly Written[]): boolean {
  const last = messages.at(-1);
  if (last?.role !== 'user' || last.content[0]?.['type'] !== 'tool_result') return false;
  const calling = messages.at(-2)?.content ?? [];
  return !['thinking', 'redacted_thinking'].includes(String(calling[0]?.['type']));
}
