import { isUtf8 } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import { CacheablePrefix, type PrefixShape } from './cacheable-prefix.ts';
import { CallError, type Span } from './dialect.ts';
import { JsonMachine, type JsonProblem } from './json-machine.ts';
import { beginsAsCarried } from './carried-prefix.ts';
import { type JsonListener, type JsonToken, type ScalarKind, tokenText } from './json-token.ts';
import { type PathNode, PathCursor } from './json-paths.ts';

/**
 * Reads a request body without building it: checks that it is one JSON object within bounds, says where its
 * top-level members and the watched places below them stand, and gives the event loop its turn while at it.
 */
export type JsonKind = ScalarKind | 'object' | 'array';

export interface Member {
  readonly kind: JsonKind;
  readonly span: Span;
}

export interface Found extends Member {
  /** The watched path as compiled, e.g. `requests[].model`. */
  readonly path: string;
}

export interface BodyScan {
  /** By decoded name; `__proto__` is a name like any other. */
  readonly members: ReadonlyMap<string, Member>;
  /** In the order of the body. */
  readonly found: readonly Found[];
  /** A string that is a value begins as what the relay has clients carry. */
  readonly carries: boolean;
  /** Only where its shape was given. */
  readonly prefix?: CacheablePrefix | undefined;
}

const LIMITS = { depth: 200, names: 250_000 };
const MAX_MEMBERS = 1_000;
const MAX_NAME_BYTES = 1_024;
const MAX_FOUND = 10_000;
const MAX_VALUE_BYTES = 64 * 1024;
const SLICE_BYTES = 64 * 1024;
/** Bodies up to this size are read in one turn of the event loop. */
const ONE_TURN_BYTES = 256 * 1024;
const TURN_MS = 4;

/**
 * @throws CallError (400) when the body is not UTF-8 JSON with an object on top, breaks a bound (200 levels, 250,000
 * names, 1,000 of them at the top), or gives a top-level name or a watched one twice, however it is spelled.
 */
export async function scanBody(body: Buffer, watch: PathNode, shape?: PrefixShape): Promise<BodyScan> {
  if (body.length === 0) throw new CallError('body: must be a JSON object, but is empty');
  const listener = new BodyListener(watch, shape && new CacheablePrefix(shape));
  const machine = new JsonMachine(listener, LIMITS);
  const yields = body.length > ONE_TURN_BYTES;
  let turn = yields ? performance.now() : 0;

  for (let at = 0; at < body.length;) {
    const end = endOfSlice(body, at);
    const isWhole = end - at === body.length;
    if (!isUtf8(isWhole ? body : body.subarray(at, end))) throw new CallError('body: must be UTF-8');
    machine.push(body, at, end);
    if (machine.problem) throw problem(machine.problem);
    if (listener.problem) throw listener.problem;
    at = end;
    if (yields && at < body.length && performance.now() - turn > TURN_MS) {
      await setImmediate();
      turn = performance.now();
    }
  }
  if (!machine.done) throw new CallError(`body: JSON ends too early, after ${body.length} bytes`);
  return listener;
}

/** The value of a scanned member; for values that are small by nature. @throws CallError over 64 KiB. */
export function readValue(body: Buffer, span: Span, field: string): unknown {
  if (span.end - span.start > MAX_VALUE_BYTES) throw new CallError(`${field}: is too long`);
  return JSON.parse(body.toString('utf8', span.start, span.end));
}

class BodyListener implements JsonListener, BodyScan {
  readonly members = new Map<string, Member>();
  readonly found: Found[] = [];
  carries = false;
  problem: CallError | undefined;

  private readonly cursor: PathCursor;
  private depth = 0;
  private member = '';
  private memberStart = 0;
  private readonly starts: number[] = [];

  constructor(
    watch: PathNode,
    readonly prefix: CacheablePrefix | undefined,
  ) {
    this.cursor = new PathCursor(watch);
  }

  name(token: JsonToken): void {
    const twice = this.cursor.name(token);
    if (twice !== undefined) this.fail(`${twice}: is given twice`);
    if (this.depth > 1) {
      this.prefix?.name(token, this.depth);
      return;
    }
    if (token.long || token.end - token.start > MAX_NAME_BYTES) {
      this.fail(`body: a name has more than ${MAX_NAME_BYTES} bytes`);
      return;
    }
    this.member = tokenText(token);
    if (this.members.has(this.member)) this.fail(`${shown(this.member)}: is given twice`);
    else if (this.members.size === MAX_MEMBERS) this.fail(`body: has more than ${MAX_MEMBERS} fields`);
    this.prefix?.member(this.member);
  }

  scalar(kind: ScalarKind, token: JsonToken, end: number): void {
    const path = this.cursor.value()?.path;
    if (path !== undefined) this.find(path, kind, token.at, end);
    if (this.depth === 1) this.members.set(this.member, { kind, span: { start: token.at, end } });
    this.prefix?.scalar(kind, token, end, this.depth);
    if (kind === 'string' && !this.carries) this.carries = beginsAsCarried(token);
  }

  open(array: boolean, at: number): void {
    if (this.depth === 0 && array) this.fail('body: must be a JSON object');
    if (this.depth === 1) this.memberStart = at;
    if (this.cursor.open(array)?.path !== undefined) this.starts.push(at);
    this.prefix?.open(array, this.depth);
    this.depth += 1;
  }

  close(at: number, array: boolean): void {
    this.depth -= 1;
    this.prefix?.close(at, this.depth);
    const kind = array ? 'array' : 'object';
    const path = this.cursor.close()?.path;
    if (path !== undefined) this.find(path, kind, this.starts.pop() ?? at, at + 1);
    if (this.depth === 1) {
      this.members.set(this.member, { kind, span: { start: this.memberStart, end: at + 1 } });
    }
  }

  private find(path: string, kind: JsonKind, start: number, end: number): void {
    if (this.found.length === MAX_FOUND) this.fail(`${path}: is given more than ${MAX_FOUND} times`);
    else this.found.push({ path, kind, span: { start, end } });
  }

  private fail(message: string): void {
    this.problem ??= new CallError(message);
  }
}

/** Backs off from the middle of a character, so that each slice can be checked for UTF-8 by itself. */
function endOfSlice(body: Buffer, at: number): number {
  const end = Math.min(at + SLICE_BYTES, body.length);
  if (end === body.length) return end;
  let cut = end;
  while (cut > end - 3 && ((body[cut] ?? 0) & 0xc0) === 0x80) cut -= 1;
  return cut;
}

function problem({ reason, at }: JsonProblem): CallError {
  return new CallError(`body: cannot be read as JSON at byte ${at}: ${reason}`);
}

function shown(name: string): string {
  return name.length > 64 ? `${name.slice(0, 64)}…` : name;
}
