import { CallError } from '../../dialects/dialect.ts';
import type { Message, Part } from '../neutral.ts';
import { CallIds } from './call-ids.ts';
import type { Fields, Leave } from '../fields.ts';
import { fieldsOf } from './gemini-fields.ts';
import { leaveRest } from './left-out.ts';
import { mediaPart } from './read-media.ts';
import { readFunctionCall, readFunctionResponse } from './read-functions.ts';
import { type Seal, sealOf } from './seals.ts';
import { firstUnsealed, type ShownThought } from '../unsealed.ts';

const ROLES: Readonly<Record<string, Message['role']>> = {
  user: 'user',
  function: 'user',
  model: 'assistant',
};

/** What one side said until the other spoke. */
interface Turn {
  readonly role: Message['role'];
  readonly at: string;
  readonly parts: Part[];
  /** Thoughts as they were shown. */
  readonly shown: ShownThought[];
  /** Where what was said since the last call begins. */
  since: number;
}

/**
 * `contents`: a list, or one Content; without a role it is the user's (`Content.role`). Several of the model's in a row
 * are one turn: a chat of @google/genai keeps each frame of a stream as a Content of its own. A turn of nothing is none
 * (Gemini CLI stands one that only thinks between two of the user's).
 */
export function readContents(body: Fields, leave: Leave): readonly Message[] {
  const ids = new CallIds();
  const turns: Turn[] = [];
  for (const { item, at } of body.list('contents')) {
    if (typeof item === 'string') {
      turns.push({ ...turnOf('user', at), parts: [{ type: 'text', at, text: item }] });
      continue;
    }
    const content = fieldsOf(item, at);
    const role = roleOf(content);
    const last = turns.at(-1);
    const turn = role === 'assistant' && last?.role === role ? last : turnOf(role, at);
    if (turn !== last) turns.push(turn);
    for (const part of content.list('parts')) readInto(turn, fieldsOf(part.item, part.at), ids, leave);
    leaveRest(content, 'content', leave);
  }
  for (const turn of turns) leaveUnsealed(turn, leave);
  return turns.flatMap(({ role, at, parts }) => (parts.length === 0 ? [] : [{ role, at, parts }]));
}

function turnOf(role: Message['role'], at: string): Turn {
  return { role, at, parts: [], shown: [], since: 0 };
}

function roleOf(content: Fields): Message['role'] {
  const role = content.text('role') ?? '';
  if (role === '') return 'user';
  if (!Object.hasOwn(ROLES, role)) throw new CallError(`${content.at}.role: must be user or model`);
  return ROLES[role]!;
}

/**
 * Thoughts that the relay showed without a seal come back twice, if they come at all: once as they were shown, and once,
 * whole, in the seal of a later part (clients drop the first from their history and keep the second). The sealed ones
 * count, and stand before all that was said since the last call, where Anthropic wants them.
 */
function readInto(turn: Turn, part: Fields, ids: CallIds, leave: Leave): void {
  const seal = sealOf(part, leave);
  if (seal !== undefined) {
    turn.parts.splice(turn.since, 0, ...seal.thoughts);
    turn.since += seal.thoughts.length;
  }
  const thoughtAt = part.atOf('thought');
  if (part.take('thought') === true) {
    const text = part.text('text') ?? '';
    if (seal?.signature) turn.parts.push({ type: 'thinking', at: part.at, text, signature: seal.signature });
    else turn.shown.push({ at: thoughtAt!, text });
  } else {
    turn.parts.push(...readPart(part, seal, ids, leave));
  }
  if (turn.parts.at(-1)?.type === 'tool-call') turn.since = turn.parts.length;
  leaveRest(part, 'part', leave);
}

/** What was shown is dropped; told only where no seal has it. */
function leaveUnsealed({ parts, shown }: Turn, leave: Leave): void {
  const sealed = parts.map((part) => (part.type === 'thinking' ? part.text : '')).join('\n');
  const lost = firstUnsealed(shown, sealed);
  if (lost !== undefined) leave({ at: lost.at, advice: true });
}

function readPart(part: Fields, seal: Seal | undefined, ids: CallIds, leave: Leave): readonly Part[] {
  const { at } = part;
  const textAt = part.atOf('text');
  const text = part.text('text');
  const call = part.object('functionCall');
  const response = part.object('functionResponse');
  const inline = part.object('inlineData');
  const file = part.object('fileData');
  const signature = seal?.signature && { signature: seal.signature };
  const parts: Part[] = [];
  if (textAt !== undefined && (text !== '' || signature)) {
    parts.push({ type: 'text', at: textAt, text: text ?? '', ...signature });
  }
  if (call !== undefined) parts.push({ ...readFunctionCall(call, ids, leave), ...signature });
  if (response !== undefined) parts.push(readFunctionResponse(response, ids, leave));
  if (inline !== undefined) parts.push(mediaPart(inline, 'inline', leave));
  if (file !== undefined) parts.push(mediaPart(file, 'file', leave));
  const data = [textAt, call, response, inline, file].filter((one) => one !== undefined);
  if (data.length > 1) throw new CallError(`${at}: must hold one kind of data`);
  // Gemini CLI takes the empty text from a part that has a seal beside it
  if (data.length === 0 && signature) parts.push({ type: 'text', at, text: '', ...signature });
  return parts;
}
