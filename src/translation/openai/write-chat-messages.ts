import type { Message, NeutralRequest } from '../neutral.ts';
import type { ChatModel } from './chat-models.ts';
import { writeAnswer } from './write-chat-answer-turn.ts';
import { contentOf, type ContentPart, writePart } from './write-chat-content.ts';
import { writeResult } from './write-chat-result.ts';

/**
 * The conversation. Turns of one role are one message, as many chat templates want user and assistant in turn; what a
 * system message says in mid-conversation stays where it stands. The results of a turn's calls come first after it, each
 * a message of its own: the API refuses whatever stands between.
 */
export function writeMessages(
  { system, messages }: Pick<NeutralRequest, 'system' | 'messages'>,
  model: ChatModel,
  edits: Set<string>,
): readonly object[] {
  const instructions = system.flatMap((part) => writePart(part, edits));
  const written: object[] = [];
  if (instructions.length > 0) written.push({ role: 'system', content: contentOf(instructions) });
  for (const turn of turnsOf(messages)) {
    const answer = turn[0]?.role === 'assistant';
    written.push(...(answer ? writeAnswer(turn, model, edits) : writeAsked(turn, edits)));
  }
  return written;
}

/** Runs of the assistant's messages, and runs of everybody else's. */
function turnsOf(messages: readonly Message[]): readonly (readonly Message[])[] {
  const turns: Message[][] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last !== undefined && isAnswer(last[0]!) === isAnswer(message)) last.push(message);
    else turns.push([message]);
  }
  return turns;
}

function isAnswer({ role }: Message): boolean {
  return role === 'assistant';
}

/** Results, then the media that they held, then what the user and the system said, in its order. */
function writeAsked(turn: readonly Message[], edits: Set<string>): readonly object[] {
  const results: object[] = [];
  const said: { role: 'user' | 'system'; content: ContentPart[] }[] = [];
  const say = (role: 'user' | 'system', content: readonly ContentPart[]): void => {
    const last = said.at(-1);
    if (content.length === 0) return;
    if (last?.role === role) last.content.push(...content);
    else said.push({ role, content: [...content] });
  };
  for (const { parts } of turn) {
    for (const part of parts) {
      if (part.type !== 'tool-result') continue;
      const { message, media } = writeResult(part, edits);
      results.push(message);
      say('user', media);
    }
  }
  for (const { role, parts } of turn) {
    for (const part of parts) {
      if (part.type === 'tool-result' || part.type === 'tool-call' || part.type === 'thinking') continue;
      say(role === 'system' ? 'system' : 'user', writePart(part, edits));
    }
  }
  return [...results, ...said.map(({ role, content }) => ({ role, content: contentOf(content) }))];
}
