import { AnswerDocuments, type DocumentSink } from './answer-documents.ts';
import { CONVERSE_USAGE, ConverseUsage } from './converse-usage.ts';
import type { AnswerReader, Framing, Usage } from './dialect.ts';
import type { EventMeter } from './event-stream-reader.ts';
import { compilePaths } from './json-paths.ts';
import type { JsonToken, ScalarKind } from './json-token.ts';

const EVENT_TEXTS = new Set(['delta.text', 'delta.toolUse.input', 'delta.reasoningContent.text']);
const BLOCK = 'output.message.content[]';
const MESSAGE_TEXTS = new Set([`${BLOCK}.text`, `${BLOCK}.reasoningContent.reasoningText.text`]);
const TOOL_INPUT = `${BLOCK}.toolUse.input`;

const EVENT = compilePaths([...CONVERSE_USAGE, ...EVENT_TEXTS]);
const MESSAGE = compilePaths([...CONVERSE_USAGE, 'output', ...MESSAGE_TEXTS, TOOL_INPUT]);

/** An answer of Converse. @throws never; see {@link AnswerReader}. */
export function converseDocumentReader(): AnswerReader {
  return new ConverseReader('json');
}

/**
 * The events of ConverseStream: `messageStop` ends the message, and `metadata` with the usage comes behind it (AWS Bedrock
 * API reference, `ConverseStreamOutput`).
 */
export function converseMeter(): EventMeter {
  return new ConverseReader('sse');
}

class ConverseReader implements AnswerReader, EventMeter, DocumentSink {
  readonly failure = undefined;
  private readonly documents: AnswerDocuments;
  private readonly tokens = new ConverseUsage();
  private readonly texts: ReadonlySet<string>;
  private generated = 0;
  private type = '';
  private typed = false;
  private stopped = false;
  private accounted = false;
  private ended = false;

  /** `sse`: the events, each handed over as one document. */
  constructor(private readonly framing: Extract<Framing, 'json' | 'sse'>) {
    this.texts = framing === 'json' ? MESSAGE_TEXTS : EVENT_TEXTS;
    this.documents = new AnswerDocuments(framing, framing === 'json' ? MESSAGE : EVENT, this);
  }

  get usage(): Usage {
    return this.tokens.value;
  }

  get reported(): boolean {
    return this.tokens.reported;
  }

  get suspicious(): boolean {
    return this.tokens.suspicious;
  }

  get lost(): boolean {
    return this.documents.lost;
  }

  /** A stream without metadata is whole all the same, once it has come to its end. */
  get complete(): boolean {
    if (this.framing === 'json') return this.documents.closed && this.typed;
    return this.stopped && (this.accounted || this.ended);
  }

  get generatedBytes(): number {
    return this.generated + this.documents.unfinishedBytes(this.texts);
  }

  get atBoundary(): boolean {
    return this.documents.atBoundary;
  }

  push(chunk: Uint8Array): void {
    this.documents.push(chunk);
  }

  event(type: string, payload: Buffer): void {
    this.type = type;
    this.documents.data(payload, 0, payload.length);
    this.documents.end();
  }

  finish(): void {
    this.ended = true;
    this.documents.finish();
    if (this.framing === 'json' && !this.typed) this.documents.lost = true;
  }

  scalar(path: string, kind: ScalarKind, token: JsonToken): void {
    if (this.texts.has(path)) {
      if (kind === 'string') this.generated += token.decodedBytes;
    } else {
      this.tokens.scalar(path, kind, token);
    }
  }

  open(path: string): void {
    if (path === 'output') this.typed = true;
    else this.tokens.open(path);
  }

  close(path: string, bytes: number): void {
    if (path === TOOL_INPUT) this.generated += bytes;
    else this.tokens.close(path);
  }

  document(): void {
    if (this.framing === 'json' || this.type === 'metadata') this.tokens.accept();
    this.stopped ||= this.type === 'messageStop';
    this.accounted ||= this.type === 'metadata';
    this.drop();
  }

  drop(): void {
    this.tokens.drop();
  }
}
