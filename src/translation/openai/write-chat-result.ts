import { createHash } from 'node:crypto';
import { leftOut } from '../left-out-name.ts';
import type { ToolResultPart } from '../neutral.ts';
import { type ContentPart, writePart } from './write-chat-content.ts';

/** "Expected a string with maximum length 40", as the API refuses longer ids of tool calls. */
const MAX_ID = 40;

export interface WrittenResult {
  readonly message: object;
  /** For the user's message after all results of the turn. */
  readonly media: readonly ContentPart[];
}

/**
 * A result is text, and nothing else (`ChatCompletionToolMessageParam` of openai 6.49: "Image URLs are only allowed for
 * messages with role 'user'"). What else it holds goes into the user's next message, after a line that says whose result
 * it is. There is no field for failure either, so the text begins with it.
 */
export function writeResult(part: ToolResultPart, edits: Set<string>): WrittenResult {
  const { id, name, content, failed, cache } = part;
  if (cache !== undefined) edits.add(leftOut(cache.at));
  const texts: string[] = [];
  const media: ContentPart[] = [];
  for (const one of content) {
    for (const written of writePart(one, edits)) {
      if (typeof written['text'] === 'string') texts.push(written['text']);
      else media.push(written);
    }
  }
  if (texts.length === 0 && media.length > 0) texts.push('(See the next message.)');
  const text = texts.join('\n\n');
  const tool_call_id = callIdOf(id);
  const label = { type: 'text', text: `From the result of ${name} (${tool_call_id}):` };
  return {
    message: { role: 'tool', tool_call_id, content: failed ? `Error: ${text}` : text },
    media: media.length === 0 ? [] : [label, ...media],
  };
}

/** The same id for the same id, of a length that the API takes. */
export function callIdOf(id: string): string {
  if (id.length <= MAX_ID) return id;
  return `call_${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;
}
