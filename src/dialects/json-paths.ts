import { type JsonToken, tokenText } from './json-token.ts';

/**
 * Places in a JSON document that somebody wants to see, as a tree: `usage.input_tokens`, `requests[].model`,
 * `server_tool_use.*` (any name), `generationConfig|generation_config.candidateCount` (either spelling; the first
 * one names the place). A name that ends with `+` may come more than once: nothing hangs on which one counts. Everything
 * else in the document is passed over.
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
  /** Spellings of one place share a bit, so that giving both is giving it twice; 0 = it may be. */
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
      const often = bare.endsWith('+');
      const spellings = (often ? bare.slice(0, -1) : bare).split('|');
      spelled.push(segment.replace(bare, spellings[0] ?? ''));
      if (bare === '*') node = node.any ??= emptyNode();
      else if (bare !== '') node = childOf(node, spellings, often);
      for (let level = 0; level < (segment.length - bare.length) / 2; level += 1) {
        node = node.items ??= emptyNode();
      }
    }
    node.path = interned(spelled.join('.'));
  }
  return root;
}

/** Readers switch on paths for every value they hear: a string that V8 keeps once is compared by its address. */
function interned(path: string): string {
  return Object.keys({ [path]: true })[0] ?? path;
}

function emptyNode(): PathNode {
  return { path: undefined, names: [], any: undefined, items: undefined };
}

function childOf(parent: PathNode, spellings: readonly string[], often: boolean): PathNode {
  const known = parent.names.find(({ name }) => name === spellings[0]);
  if (known) return known.node;
  const node = emptyNode();
  const bit = often ? 0 : 1 << new Set(parent.names.map((child) => child.bit)).size;
  for (const name of spellings) parent.names.push({ name, bytes: Buffer.from(name), bit, node });
  return node;
}

/** Walks the tree along with a {@link JsonMachine}: tell it every name, opening and closing, in order. */
export class PathCursor {
  /** The last name that `*` stood for. */
  anyName = '';

  private readonly root: PathNode;
  /** Of each open container that somebody wants to see: its node, whether it is an array, the bits of its names. */
  private readonly nodes: PathNode[] = [];
  private readonly arrays: boolean[] = [];
  private readonly seen: number[] = [];
  private level = 0;
  /** Levels below the last container that anybody wants to see. */
  private unseen = 0;
  private node: PathNode;
  private inArray = false;
  private named: PathNode | undefined;

  constructor(root: PathNode) {
    this.root = root;
    this.node = root;
  }

  reset(): void {
    this.level = 0;
    this.unseen = 0;
    this.inArray = false;
    this.named = undefined;
  }

  /** @returns the name of a place that this object names for the second time. */
  name(token: JsonToken): string | undefined {
    if (this.unseen > 0) return undefined;
    this.named = undefined;
    const names = this.node.names;
    for (let i = 0; i < names.length; i += 1) {
      const child = names[i]!;
      if (!isName(token, child)) continue;
      const seen = this.seen[this.level - 1]!;
      this.seen[this.level - 1] = seen | child.bit;
      this.named = child.node;
      return (seen & child.bit) === 0 ? undefined : (child.node.path ?? child.name);
    }
    if (this.node.any !== undefined) {
      this.named = this.node.any;
      this.anyName = tokenText(token);
    }
    return undefined;
  }

  /** The node of the value that begins now. */
  value(): PathNode | undefined {
    if (this.unseen > 0) return undefined;
    if (this.level === 0) return this.root;
    return this.inArray ? this.node.items : this.named;
  }

  /** @returns the node of the container that opens. */
  open(array: boolean): PathNode | undefined {
    const node = this.value();
    if (node === undefined) {
      this.unseen += 1;
      return undefined;
    }
    this.nodes[this.level] = node;
    this.arrays[this.level] = array;
    this.seen[this.level] = 0;
    this.level += 1;
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
    const closed = this.node;
    this.level -= 1;
    if (this.level > 0) {
      this.node = this.nodes[this.level - 1]!;
      this.inArray = this.arrays[this.level - 1]!;
    }
    return closed;
  }
}

function isName(token: JsonToken, child: NamedNode): boolean {
  if (token.escaped) return tokenText(token) === child.name;
  const wanted = child.bytes;
  const start = token.start;
  if (token.end - start !== wanted.length || token.long) return false;
  const bytes = token.bytes;
  for (let i = 0; i < wanted.length; i += 1) {
    if (bytes[start + i] !== wanted[i]) return false;
  }
  return true;
}
