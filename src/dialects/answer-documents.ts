import type { Framing } from './dialect.ts';
import { JsonMachine } from './json-machine.ts';
import type { JsonListener, JsonToken, ScalarKind } from './json-token.ts';
import { type PathNode, PathCursor } from './json-paths.ts';
import { SseFramer, type SseListener } from './sse.ts';

/** What a dialect's reader hears about each document of an answer; paths as compiled by `compilePaths`. */
export interface DocumentSink {
  /** `name` is the last name that `*` stood for. */
  scalar(path: string, kind: ScalarKind, token: JsonToken, name: string): void;
  open(path: string): void;
  /** `bytes` is the length of the container as written. */
  close(path: string, bytes: number): void;
  /** The document is whole: what was heard since the last one counts. */
  document(): void;
  /** What was heard since the last whole document does not count. */
  drop(): void;
  /** The event that says that nothing follows, where the dialect has one. */
  over?(): void;
}

const LIMITS = { depth: 1_000, names: Number.MAX_SAFE_INTEGER };

/**
 * The JSON documents of an answer, in each framing: the data of an SSE event, an item of a streamed array, or the
 * body itself. They are read as the bytes pass, so nothing of them is kept, however large they are.
 */
export class AnswerDocuments implements JsonListener, SseListener {
  lost = false;
  /** The body (not of SSE, which has no end of its own) is a whole document. */
  closed = false;

  private readonly framing: Framing;
  private readonly sink: DocumentSink;
  private readonly machine = new JsonMachine(this, LIMITS);
  private readonly cursor: PathCursor;
  private readonly framer: SseFramer | undefined;
  private readonly starts: number[] = [];
  private documents = 0;
  private empty = true;
  private itemDepth = 0;
  private readonly last: Uint8Array | undefined;
  /** Bytes of `last` that the event at hand began with; -1 once it is another event. */
  private matched = 0;

  /** @param last how the data of an SSE dialect's last event begins, when that is no JSON */
  constructor(framing: Framing, document: PathNode, sink: DocumentSink, last?: string) {
    this.framing = framing;
    this.sink = sink;
    this.last = last === undefined ? undefined : Buffer.from(last);
    this.cursor = new PathCursor(framing === 'json-array' ? { ...document, items: document } : document);
    this.framer = framing === 'sse' ? new SseFramer(this) : undefined;
  }

  get atBoundary(): boolean {
    if (this.framer) return this.framer.atBoundary;
    if (this.framing === 'json') return false;
    return this.empty || (this.itemDepth === 1 && this.machine.depth === 1 && this.machine.afterItem);
  }

  /** Decoded bytes so far of a string at one of these places that has not ended. */
  unfinishedBytes(paths: ReadonlySet<string>): number {
    const bytes = this.machine.unfinishedBytes;
    if (bytes === 0) return 0;
    return paths.has(this.cursor.value()?.path ?? '') ? bytes : 0;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.empty = false;
    if (this.framer) {
      this.framer.push(chunk);
      return;
    }
    this.machine.push(chunk, 0, chunk.length);
    if (this.machine.problem) {
      this.lost = true;
      this.closed = false;
    }
  }

  /** No more bytes. */
  finish(): void {
    if (this.documents === 0) this.lost = true;
    if (!this.framer && !this.closed) this.lost = true;
  }

  data(bytes: Uint8Array, start: number, end: number): void {
    const { last } = this;
    if (last === undefined || this.matched < 0) {
      this.machine.push(bytes, start, end);
      return;
    }
    let at = start;
    while (at < end && this.matched < last.length && bytes[at] === last[this.matched]) {
      at += 1;
      this.matched += 1;
    }
    if (at === end || this.matched === last.length) return;
    if (this.matched > 0) this.machine.push(last, 0, this.matched);
    this.matched = -1;
    this.machine.push(bytes, at, end);
  }

  end(): void {
    const { last, matched } = this;
    this.matched = 0;
    if (last !== undefined && matched === last.length) {
      this.sink.over?.();
      return;
    }
    if (this.machine.done) {
      this.documents += 1;
      this.sink.document();
    } else {
      this.lost = true;
      this.sink.drop();
    }
    this.machine.reset();
    this.cursor.reset();
    if (this.starts.length > 0) this.starts.length = 0;
  }

  name(token: JsonToken): void {
    this.cursor.name(token);
  }

  scalar(kind: ScalarKind, token: JsonToken): void {
    const path = this.cursor.value()?.path;
    if (path !== undefined) this.sink.scalar(path, kind, token, this.cursor.anyName);
  }

  open(array: boolean, _at: number, offset: number): void {
    if (this.machine.depth === 1) {
      this.itemDepth = array ? 1 : 0;
      if (array !== (this.framing === 'json-array')) this.lost = true;
    }
    const path = this.cursor.open(array)?.path;
    if (path === undefined) return;
    this.starts.push(offset);
    this.sink.open(path);
  }

  close(_at: number, _array: boolean, offset: number): void {
    const path = this.cursor.close()?.path;
    if (path !== undefined) this.sink.close(path, offset + 1 - (this.starts.pop() ?? offset));
    if (this.framer) return;
    if (this.machine.depth === this.itemDepth) {
      this.documents += 1;
      this.sink.document();
    }
    if (this.machine.depth === 0) this.closed = true;
  }
}
