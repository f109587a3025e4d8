import { setImmediate } from 'node:timers/promises';
import type { Span } from '../dialects/dialect.ts';
import { JsonMachine } from '../dialects/json-machine.ts';
import { type JsonListener, type JsonToken, tokenText } from '../dialects/json-token.ts';

/** A value of a JSON document and where it stands; what lies deeper than was asked for has neither members nor items. */
export interface Node extends Span {
  end: number;
  readonly members?: Member[];
  readonly items?: Node[];
}

/** From the name's quote to the value's end. */
export interface Member extends Span {
  readonly name: string;
  readonly value: Node;
}

const LIMITS = { depth: 1_000, names: Number.MAX_SAFE_INTEGER };
const SLICE_BYTES = 64 * 1024;
const TURN_MS = 4;

/** @param depth levels that are taken apart. @throws Error when it is no JSON document */
export async function spanTree(body: Buffer, depth: number): Promise<Node> {
  const builder = new Builder(depth);
  const machine = new JsonMachine(builder, LIMITS);
  let turn = performance.now();
  for (let at = 0; at < body.length; at += SLICE_BYTES) {
    machine.push(body, at, Math.min(at + SLICE_BYTES, body.length));
    if (performance.now() - turn > TURN_MS) {
      await setImmediate();
      turn = performance.now();
    }
  }
  if (!machine.done || builder.root === undefined) throw new Error('The body is no JSON document');
  return builder.root;
}

/** The value of a name, by the first of its spellings that is there. */
export function memberOf(node: Node | undefined, ...spellings: readonly string[]): Member | undefined {
  return node?.members?.find(({ name }) => spellings.includes(name));
}

/** The string that stands there; undefined for anything else. */
export function textAt(body: Buffer, node: Node | undefined): string | undefined {
  if (node === undefined || body[node.start] !== 0x22) return undefined;
  return JSON.parse(body.toString('utf8', node.start, node.end)) as string;
}

class Builder implements JsonListener {
  root: Node | undefined;

  private readonly depth: number;
  private readonly path: Node[] = [];
  private level = 0;
  private named = '';
  private namedAt = 0;

  constructor(depth: number) {
    this.depth = depth;
  }

  name(token: JsonToken): void {
    if (this.level > this.depth) return;
    this.named = tokenText(token);
    this.namedAt = token.at;
  }

  scalar(_kind: string, token: JsonToken, end: number): void {
    if (this.level <= this.depth) this.add({ start: token.at, end });
  }

  open(array: boolean, at: number): void {
    this.level += 1;
    if (this.level > this.depth + 1) return;
    const apart = this.level <= this.depth;
    const node: Node = { start: at, end: at, ...(apart && (array ? { items: [] } : { members: [] })) };
    this.add(node);
    this.path.push(node);
  }

  close(at: number): void {
    if (this.level <= this.depth + 1) {
      const node = this.path.pop()!;
      node.end = at + 1;
      const member = this.path.at(-1)?.members?.at(-1);
      if (member?.value === node) (member as { end: number }).end = at + 1;
    }
    this.level -= 1;
  }

  private add(node: Node): void {
    const parent = this.path.at(-1);
    this.root ??= node;
    parent?.items?.push(node);
    parent?.members?.push({ name: this.named, start: this.namedAt, end: node.end, value: node });
  }
}
