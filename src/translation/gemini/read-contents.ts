import { CallError } from '../../dialects/dialect.ts';
import type { Message, Part } from '../neutral.ts';
import { CallIds } from './call-ids.ts';
import { Fields, type Leave } from './fields.ts';
import { leaveRest } from './left-out.ts';
import { mediaPart } from './read-media.ts';
import { readFunctionCall, readFunctionResponse } from './read-functions.ts';
import { type Seal, sealOf } from './seals.ts';

const ROLES: Readonly<Record<string, Message['role']>> = {
  user: 'user',
  function: 'user',
  model: 'assistant',
};

/** `contents`: a list, or one Content; without a role it is the user's (`Content.role`). */
export function readContents(body: Fields, leave: Leave): readonly Message[] {
  const ids = new CallIds();
  return body.list('contents').map(({ item, at }) => {
    if (typeof item === 'string') return { role: 'user', at, parts: [{ type: 'text', at, text: item }] };
    const content = Fields.of(item, at);
    const role = content.text('role') ?? '';
    if (role !== '' && !Object.hasOwn(ROLES, role)) {
      throw new CallError(`${at}.role: must be user or model`);
    }
    const parts = readParts(content, ids, leave);
    leaveRest(content, 'content', leave);
    return { role: role === '' ? 'user' : ROLES[role]!, at, parts };
  });
}

/**
 * Thoughts that the relay showed without a seal come back twice, if they come at all: once as they were shown, and once,
 * whole, in the seal of a later part (clients drop the first from their history and keep the second). The sealed ones
 * count. What was shown is dropped, which is told only where no seal has it.
 */
function readParts(content: Fields, ids: CallIds, leave: Leave): readonly Part[] {
  const parts: Part[] = [];
  const shown: { readonly at: string; readonly text: string }[] = [];
  for (const { item, at } of content.list('parts')) {
    const part = Fields.of(item, at);
    const seal = sealOf(part, leave);
    if (seal !== undefined) parts.push(...seal.thoughts);
    const thoughtAt = part.atOf('thought');
    if (part.take('thought') === true) {
      const text = part.text('text') ?? '';
      if (seal?.signature) parts.push({ type: 'thinking', at, text, signature: seal.signature });
      else shown.push({ at: thoughtAt!, text });
    } else {
      parts.push(...readPart(part, seal, ids, leave));
    }
    leaveRest(part, 'part', leave);
  }
  const sealed = parts.map((part) => (part.type === 'thinking' ? part.text : '')).join('\n');
  for (const { at, text } of shown) if (!sealed.includes(text)) leave({ at, advice: true });
  return parts;
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
  return parts;
}
