import type { Call, DialectName } from '../dialects/dialect.ts';
import { claudeToolId } from './anthropic/tool-id.ts';
import { isCarried, unpackSignature, unpackToolId } from './carried.ts';
import { callId } from './converse/names.ts';
import { isThird, NO_SIGNATURE } from './gemini/models.ts';
import type { NativeCall } from './native-call.ts';
import type { Mint } from './neutral.ts';
import { memberOf, type Node, spanTree, textAt } from './span-tree.ts';
import { type Splice, splicedCall } from './splice.ts';
import { without } from './without.ts';

/** What becomes of one block: it goes, or these places in it change; neither = it stays as it is. */
interface Fate {
  readonly goes: boolean;
  readonly splices: readonly Splice[];
}

/** Where a dialect holds its conversation, and what its blocks carry. */
interface Shape {
  /** Levels down to the deepest place looked at. */
  readonly depth: number;
  readonly conversation: readonly string[];
  readonly blocks: string;
  readonly fate: (block: Node, body: Buffer, model: string) => Fate;
}

const STAYS: Fate = { goes: false, splices: [] };
const GOES: Fate = { goes: true, splices: [] };
/** A count may hold the request it is about (CountTokens of Gemini and of Bedrock), one step a line. */
const AROUND = [['generateContentRequest', 'generate_content_request'], ['input'], ['converse']];

const ANTHROPIC: Shape = {
  depth: 5,
  conversation: ['messages'],
  blocks: 'content',
  fate(block, body) {
    const seal = sealAt(body, memberOf(block, 'signature')?.value, 'anthropic');
    const data = sealAt(body, memberOf(block, 'data')?.value, 'anthropic');
    if (seal === 'foreign' || data === 'foreign') return GOES;
    const ids = [memberOf(block, 'id')?.value, memberOf(block, 'tool_use_id')?.value].flatMap((node) =>
      idAt(body, node, claudeToolId),
    );
    return { goes: false, splices: [...(seal ?? []), ...(data ?? []), ...ids] };
  },
};

const CONVERSE: Shape = {
  depth: 7,
  conversation: ['messages'],
  blocks: 'content',
  fate(block, body) {
    const reasoning = memberOf(block, 'reasoningContent')?.value;
    const text = memberOf(reasoning, 'reasoningText')?.value;
    const seal = sealAt(body, memberOf(text, 'signature')?.value, 'bedrock');
    const data = sealAt(body, memberOf(reasoning, 'redactedContent')?.value, 'bedrock');
    if (seal === 'foreign' || data === 'foreign') return GOES;
    const call = memberOf(block, 'toolUse')?.value;
    const result = memberOf(block, 'toolResult')?.value;
    const ids = [memberOf(call, 'toolUseId')?.value, memberOf(result, 'toolUseId')?.value].flatMap((node) =>
      idAt(body, node, callId),
    );
    return { goes: false, splices: [...(seal ?? []), ...(data ?? []), ...ids] };
  },
};

/**
 * A thought goes with its seal, and so does a text of no length, or nothing at all, that was only there for it. From a call the seal alone is
 * taken; where Gemini would refuse a call without one, Google's own stand-in takes its place.
 */
const GEMINI: Shape = {
  depth: 6,
  conversation: ['contents'],
  blocks: 'parts',
  fate(part, body, model) {
    const seal = memberOf(part, 'thoughtSignature', 'thought_signature');
    const foreign = seal && sealAt(body, seal.value, 'google');
    if (seal === undefined || foreign === undefined) return STAYS;
    if (foreign !== 'foreign') return { goes: false, splices: foreign };
    const thought = memberOf(part, 'thought')?.value;
    const isThought = thought !== undefined && body.toString('latin1', thought.start, thought.end) === 'true';
    const alone = part.members?.length === 1 || textAt(body, memberOf(part, 'text')?.value) === '';
    if (isThought || alone) return GOES;
    const isCall = memberOf(part, 'functionCall', 'function_call') !== undefined;
    if (isCall && isThird(model)) {
      return { goes: false, splices: [{ span: seal.value, text: JSON.stringify(NO_SIGNATURE) }] };
    }
    return { goes: false, splices: without(part.members ?? [], (member) => member === seal) };
  },
};

const SHAPES: Partial<Record<DialectName, Shape>> = {
  anthropic: ANTHROPIC,
  'bedrock-invoke': ANTHROPIC,
  'bedrock-converse': CONVERSE,
  gemini: GEMINI,
};

/**
 * A conversation that another vendor's model took part in, for an account of the client's own dialect: what the client
 * carries for that vendor is taken out with its block, ids become plain again, and not a byte beside changes. A turn of
 * which nothing is left goes with it: both vendors take two turns of the same role for one.
 */
export async function withoutForeignSignatures(call: Call): Promise<NativeCall> {
  const shape = SHAPES[call.dialect];
  if (shape === undefined || call.carries !== true) return { call, edits: [] };
  const root = await spanTree(call.body, shape.depth + 2);
  const request = AROUND.reduce((node, names) => memberOf(node, ...names)?.value ?? node, root);
  const splices = conversationSplices(memberOf(request, ...shape.conversation)?.value, shape, call);
  return splices.length === 0
    ? { call, edits: [] }
    : { call: splicedCall(call, splices), edits: ['signature:foreign'] };
}

function conversationSplices(conversation: Node | undefined, shape: Shape, call: Call): readonly Splice[] {
  const turns = conversation?.items ?? (conversation === undefined ? [] : [conversation]);
  const inside = new Map(turns.map((turn) => [turn, turnSplices(turn, shape, call)]));
  const empty = (turn: Node): boolean => inside.get(turn) === undefined;
  const gone = turns.every(empty) ? [] : without(turns, empty);
  return [...gone, ...turns.flatMap((turn) => inside.get(turn) ?? [])];
}

/** Undefined: nothing is left of the turn. */
function turnSplices(
  turn: Node,
  { blocks, fate }: Shape,
  { body, model }: Call,
): readonly Splice[] | undefined {
  const content = memberOf(turn, blocks)?.value;
  const list = content?.items ?? (content?.members === undefined ? [] : [content]);
  const fates = new Map(list.map((block) => [block, fate(block, body, model)]));
  const goes = (block: Node): boolean => fates.get(block)!.goes;
  if (list.length > 0 && list.every(goes)) return undefined;
  return [...without(list, goes), ...list.flatMap((block) => fates.get(block)!.splices)];
}

/** Undefined: nothing of ours. A seal of the vendor's own that came packed is put back as it was. */
function sealAt(
  body: Buffer,
  node: Node | undefined,
  native: Mint,
): 'foreign' | readonly Splice[] | undefined {
  const value = textAt(body, node);
  if (node === undefined || !isCarried(value)) return undefined;
  const signature = unpackSignature(value, native);
  if (signature?.minted !== native) return 'foreign';
  return [{ span: node, text: JSON.stringify(signature.value) }];
}

/** @param legal the vendor's own form of an id that another one gave */
function idAt(body: Buffer, node: Node | undefined, legal: (id: string) => string): readonly Splice[] {
  const value = textAt(body, node);
  if (node === undefined || !isCarried(value)) return [];
  const { id } = unpackToolId(value);
  return id === value ? [] : [{ span: node, text: JSON.stringify(legal(id)) }];
}
