import { type JsonToken, tokenText } from './json-machine.ts';

/**
 * Places in a JSON document that somebody wants to see, as a tree: `usage.input_tokens`, `requests[].model`,
 * `server_tool_use.*` (any name), `generationConfig|generation_config.candidateCount` (either spelling; the first
 * one names the place). Everything else in the document is passed over.
 */
export interface PathNode {
  /** The path as compiled, first spellings only; undefined for a mere stage on the way. */
  path: string | undefined;
  names: NamedNode[];
  any: PathNode | undefined;
  items: PathNode | undefined;
}

interface NamedNode {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Spellings of one place share a bit, so that giving both is giving it twice. */
  readonly bit: number;
  readonly node: PathNode;
}

export function compilePaths(paths: readonly string[]): PathNode {
  const root = emptyNode();
  for (const path of paths) {
    let node = root;
    const spelled: string[] = [];
    for (const segment of path.split('.')) {
      const bare = segment.replaceAll('[]', '');
      const spellings = bare.split('|');
      spelled.push(segment.replace(bare, spellings[0] ?? ''));
      if (bare === '*') node = node.any ??= emptyNode();
      else if (bare !== '') node = childOf(node, spellings);
      for (let level = 0; level < (segment.length - bare.length) / 2; level += 1) {
        node = node.items ??= emptyNode();
      }
    }
    node.path = spelled.join('.');
  }
  return root;
}

/** The same places, as the items of an array. */
export function itemsOf(items: PathNode): PathNode {
  return { ...emptyNode(), items };
}

function emptyNode(): PathNode {
  return { path: undefined, names: [], any: undefined, items: undefined };
}

function childOf(parent: PathNode, spellings: readonly string[]): PathNode {
  const known = parent.names.find(({ name }) => name === spellings[0]);
  if (known) return known.node;
  const node = emptyNode();
  const bit = 1 << new Set(parent.names.map((child) => child.bit)).size;
  for (const name of spellings) parent.names.push({ name, bytes: Buffer.from(name), bit, node });
  return node;
}

/** Walks the tree along with a {@link JsonMachine}: tell it every name, opening and closing, in order. */
export class PathCursor {
  /** The last name that `*` stood for. */
  anyName = '';

  private readonly root: PathNode;
  private readonly nodes: (PathNode | undefined)[] = [];
  private readonly seen: number[] = [];
  private node: PathNode | undefined;
  private named: PathNode | undefined;
  private inArray = false;
  private readonly arrays: boolean[] = [];
  /** Levels below the last container that anybody wants to see. */
  private unseen = 0;

  constructor(root: PathNode) {
    this.root = root;
  }

  reset(): void {
    this.nodes.length = 0;
    this.seen.length = 0;
    this.arrays.length = 0;
    this.node = undefined;
    this.named = undefined;
    this.inArray = false;
    this.unseen = 0;
  }

  /** @returns the path of a place that this object names for the second time. */
  name(token: JsonToken): string | undefined {
    if (this.unseen > 0) return undefined;
    const node = this.node;
    this.named = undefined;
    if (node === undefined) return undefined;
    for (const child of node.names) {
      if (!isName(token, child)) continue;
      const top = this.seen.length - 1;
      const seen = this.seen[top] ?? 0;
      this.seen[top] = seen | child.bit;
      this.named = child.node;
      return (seen & child.bit) === 0 ? undefined : (child.node.path ?? child.name);
    }
    if (node.any !== undefined) {
      this.named = node.any;
      this.anyName = tokenText(token);
    }
    return undefined;
  }

  /** The node of the value that begins now. */
  value(): PathNode | undefined {
    if (this.unseen > 0) return undefined;
    if (this.nodes.length === 0) return this.root;
    return this.inArray ? this.node?.items : this.named;
  }

  open(array: boolean): PathNode | undefined {
    const node = this.value();
    if (node === undefined) {
      this.unseen += 1;
      return undefined;
    }
    this.nodes.push(node);
    this.arrays.push(array);
    this.seen.push(0);
    this.node = node;
    this.inArray = array;
    return node;
  }

  /** @returns the node of the container that closes. */
  close(): PathNode | undefined {
    if (this.unseen > 0) {
      this.unseen -= 1;
      return undefined;
    }
    const closed = this.nodes.pop();
    this.arrays.pop();
    this.seen.pop();
    this.node = this.nodes[this.nodes.length - 1];
    this.inArray = this.arrays[this.arrays.length - 1] ?? false;
    return closed;
  }
}

function isName(token: JsonToken, { name, bytes }: NamedNode): boolean {
  if (token.escaped) return tokenText(token) === name;
  const length = token.end - token.start;
  if (length !== bytes.length || token.long) return false;
  for (let i = 0; i < length; i += 1) {
    if (token.bytes[token.start + i] !== bytes[i]) return false;
  }
  return true;
}
