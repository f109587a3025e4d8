import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import type { Message, ThinkingPart, ToolCallPart } from '../neutral.ts';
import type { ChatModel } from './chat-models.ts';
import { contentOf, type ContentPart, writePart } from './write-chat-content.ts';
import { callIdOf } from './write-chat-result.ts';

/** What the assistant said and called, as one message; none where nothing of it can be said again. */
export function writeAnswer(
  turn: readonly Message[],
  model: ChatModel,
  edits: Set<string>,
): readonly object[] {
  const said: ContentPart[] = [];
  const calls: object[] = [];
  const thoughts: ThinkingPart[] = [];
  for (const part of turn.flatMap(({ parts }) => parts)) {
    switch (part.type) {
      case 'text':
        said.push(...writePart(part, edits));
        break;
      case 'tool-call':
        calls.push(writeCall(part, edits));
        break;
      case 'thinking':
        thoughts.push(part);
        break;
      case 'tool-result':
        throw cannot(part.at, 'is the result of a tool in a message of the assistant');
      default:
        throw cannot(part.at, `is ${part.type} of the assistant's own, which chat completions do not take`);
    }
  }
  const kept = writeThoughts(thoughts, model.thoughts && calls.length > 0, edits);
  if (said.length === 0 && calls.length === 0) return [];
  return [
    {
      role: 'assistant',
      content: said.length === 0 ? null : contentOf(said),
      ...(kept !== '' && { reasoning_content: kept }),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
  ];
}

function writeCall(part: ToolCallPart, edits: Set<string>): object {
  if (part.signature !== undefined) edits.add('signature:foreign');
  if (part.cache !== undefined) edits.add(leftOut(part.cache.at));
  return { id: callIdOf(part.id), type: 'function', function: { name: part.name, arguments: part.input } };
}

/**
 * A model that wants its thoughts back takes them as text, whoever thought them, without any seal. The others take none,
 * not even what OpenAI itself sealed: that is for the Responses API.
 */
function writeThoughts(thoughts: readonly ThinkingPart[], wanted: boolean, edits: Set<string>): string {
  const kept: string[] = [];
  for (const { text, signature, redacted } of thoughts) {
    if (signature !== undefined || redacted !== undefined) edits.add('signature:foreign');
    else if (!wanted && text !== '') edits.add('left-out:thinking');
    if (wanted && text !== '') kept.push(text);
  }
  return kept.join('\n\n');
}
