import { CallError } from '../../dialects/dialect.ts';
import { cannot } from '../cannot.ts';
import { unpackToolId } from '../carried.ts';
import { carriedParts } from '../carried-parts.ts';
import { Fields, type Leave } from '../fields.ts';
import type { Message, Part, TextPart } from '../neutral.ts';
import { readArguments } from '../openai/read-arguments.ts';
import { readContent } from './read-item-content.ts';
import { readReasoning } from './read-reasoning-item.ts';
import { firstUnsealed, type ShownThought } from '../unsealed.ts';
import { leaveRest } from './responses-left-out.ts';

/** What one side said until the other spoke; results of calls are a turn of their own. */
interface Turn {
  readonly role: Message['role'];
  readonly results: boolean;
  readonly at: string;
  readonly parts: Part[];
  /** Thoughts as they were shown. */
  readonly shown: ShownThought[];
  /** Where what was said since the last call begins. */
  since: number;
}

/** What one pass over the items remembers. */
interface Reading {
  readonly leave: Leave;
  readonly turns: Turn[];
  /** Names of the tools that were called, by the calls' plain ids. */
  readonly names: Map<string, string>;
}

/**
 * `input`: a text of the user's, or items (`ResponseInputItem` of openai 6.49). The model's items in a row are one turn,
 * and so are results. What `system` and `developer` say before anybody else are instructions; later they stay.
 */
export function readInput(
  body: Fields,
  leave: Leave,
): { readonly system: readonly TextPart[]; readonly messages: readonly Message[] } {
  const reading: Reading = { leave, turns: [], names: new Map() };
  for (const { item, at } of body.list('input')) {
    if (typeof item === 'string') turnOf(reading, 'user', at).parts.push(...readContent(item, at, leave));
    else readItem(Fields.of(item, at), reading);
  }
  const said = reading.turns.filter(({ parts }) => parts.length > 0);
  for (const turn of reading.turns) leaveUnsealed(turn, leave);
  const first = said.findIndex(({ role }) => role !== 'system');
  const head = first < 0 ? said.length : first;
  return {
    system: said.slice(0, head).flatMap(({ parts }) => parts as TextPart[]),
    messages: said.slice(head).map(({ role, at, parts }) => ({ role, at, parts })),
  };
}

function readItem(item: Fields, reading: Reading): void {
  const { at } = item;
  const type = item.text('type') ?? 'message';
  switch (type) {
    case 'message':
      readMessage(item, reading);
      break;
    case 'function_call':
      readCall(item, reading);
      break;
    case 'function_call_output':
      readResult(item, reading);
      break;
    case 'reasoning':
      readThought(item, reading);
      return;
    case 'item_reference':
      throw cannot(
        at,
        'is an item_reference, and no items are kept here; send the item itself (store: false)',
      );
    default:
      throw cannot(at, `is an item of type ${type.slice(0, 64)}, which only OpenAI knows`);
  }
  leaveRest(item, 'item', reading.leave);
}

function readMessage(item: Fields, reading: Reading): void {
  const { at } = item;
  const role = roleOf(item.text('role'), at);
  const content = item.take('content');
  if (content === undefined) throw new CallError(`${at}.content: is required`);
  const parts = readContent(content, `${at}.content`, reading.leave);
  const other = role === 'user' ? undefined : parts.find((part) => part.type !== 'text');
  if (other !== undefined) throw new CallError(`${other.at}: must be text`);
  turnOf(reading, role, at).parts.push(...parts);
}

function roleOf(role: string | undefined, at: string): Message['role'] {
  switch (role) {
    case 'user':
    case 'assistant':
    case 'system':
      return role;
    case 'developer':
      return 'system';
    default:
      throw new CallError(`${at}.role: must be user, assistant, system or developer`);
  }
}

/** The model's own items are one turn; anybody else's message is one by itself. */
function turnOf({ turns }: Reading, role: Message['role'], at: string, results = false): Turn {
  const last = turns.at(-1);
  const goesOn = role === 'assistant' || results;
  if (goesOn && last?.role === role && last.results === results) return last;
  const turn: Turn = { role, results, at, parts: [], shown: [], since: 0 };
  turns.push(turn);
  return turn;
}

/** Thoughts that the id carries stand before all that was said since the last call, where Anthropic wants them. */
function readCall(item: Fields, reading: Reading): void {
  const { at } = item;
  const { id, carried } = unpackToolId(item.text('call_id') ?? '');
  const name = item.text('name') ?? '';
  if (id === '' || name === '') throw new CallError(`${at}: must have call_id and name`);
  const input = readArguments(item);
  const { thoughts, signature } = carriedParts(carried, at);
  const turn = turnOf(reading, 'assistant', at);
  turn.parts.splice(turn.since, 0, ...thoughts);
  turn.parts.push({ type: 'tool-call', at, id, name, input, ...(signature && { signature }) });
  turn.since = turn.parts.length;
  reading.names.set(id, name);
}

function readResult(item: Fields, reading: Reading): void {
  const { at } = item;
  const { id } = unpackToolId(item.text('call_id') ?? '');
  const name = reading.names.get(id);
  if (name === undefined) throw new CallError(`${at}.call_id: answers no function_call before it`);
  const output = item.take('output');
  if (output === undefined) throw new CallError(`${at}.output: is required`);
  const content = readContent(output, `${at}.output`, reading.leave);
  turnOf(reading, 'user', at, true).parts.push({ type: 'tool-result', at, id, name, content, failed: false });
}

/** A seal alone is over the text before it (`ResponseEvents`). */
function readThought(item: Fields, reading: Reading): void {
  const turn = turnOf(reading, 'assistant', item.at);
  const { carried, shown } = readReasoning(item, reading.leave);
  const { thoughts, signature } = carried;
  turn.shown.push(...shown);
  turn.parts.push(...thoughts);
  if (signature === undefined) return;
  const before = turn.parts.at(-1);
  if (before?.type === 'text') turn.parts[turn.parts.length - 1] = { ...before, signature };
  else turn.parts.push({ type: 'text', at: item.at, text: '', signature });
}

/** A thought that comes back as it was shown and under a seal counts once; without a seal it is told as left out. */
function leaveUnsealed({ parts, shown }: Turn, leave: Leave): void {
  const sealed = parts.map((part) => (part.type === 'thinking' ? part.text : '')).join('\n');
  const foreign = parts.some((part) => part.type === 'thinking' && part.redacted?.minted === 'openai');
  const lost = foreign ? undefined : firstUnsealed(shown, sealed);
  if (lost !== undefined) leave({ at: lost.at, advice: true });
}
