import { AnswerDocuments, type DocumentSink } from './answer-documents.ts';
import type { AnswerFailure, AnswerReader, Framing, Operation, Usage } from './dialect.ts';
import { type JsonToken, type ScalarKind, tokenText } from './json-token.ts';
import { compilePaths } from './json-paths.ts';
import { openaiFailure } from './openai-failure.ts';
import { isContradictory, OPENAI_COUNTS, openaiUsage } from './openai-usage.ts';
import { TokenCounts } from './token-counts.ts';

const COUNTS = new Set(OPENAI_COUNTS);
/** What is generated; `reasoning_content` and `reasoning` as compatible servers name it. */
const SPOKEN = [
  'content',
  'refusal',
  'reasoning_content',
  'reasoning',
  'tool_calls[].function.arguments',
  'function_call.arguments',
];
const TEXTS = new Set(['delta', 'message'].flatMap((of) => SPOKEN.map((name) => `choices[].${of}.${name}`)));

const OBJECT_OF_ERROR = 'error';

const DOCUMENT = compilePaths([
  'error',
  'error.message',
  'error.type',
  'error.code',
  // How vLLM told an error before it had one: `{"object":"error","message":…,"type":…,"code":…}`.
  'object',
  'message',
  'type',
  'code',
  ...OPENAI_COUNTS,
  'choices',
  'choices[]',
  'choices[].index',
  'choices[].finish_reason',
  ...TEXTS,
  'data',
]);

/** What one document says, until it is whole. Choices are one bit each, by their index. */
interface Heard {
  begun: number;
  finished: number;
  typed: boolean;
  error: { type: string; code: string; message: string } | undefined;
  /** The fields on top, where a document is an error itself. */
  object: string;
  type: string;
  code: string;
  message: string;
}

const SILENCE: Readonly<Heard> = {
  begun: 0,
  finished: 0,
  typed: false,
  error: undefined,
  object: '',
  type: '',
  code: '',
  message: '',
};

/**
 * Chat completions and embeddings. Usage is cumulative wherever it stands: in one more chunk before `[DONE]`, in the
 * last chunk or in every one. A stream is whole at `[DONE]`, and also at an end without it once every choice has told
 * why it stopped: many compatible servers leave the terminator out.
 * @throws never; see {@link AnswerReader}.
 */
export function openaiReader(operation: Operation, framing: Framing): AnswerReader {
  return new OpenaiReader(operation, framing);
}

class OpenaiReader implements AnswerReader, DocumentSink {
  failure: AnswerFailure | undefined;

  private readonly framing: Framing;
  private readonly embeds: boolean;
  private readonly documents: AnswerDocuments;
  private readonly counts = new TokenCounts();
  private heard: Heard = { ...SILENCE };
  private generated = 0;
  private begun = 0;
  private finished = 0;
  private typed = false;
  private done = false;
  private ended = false;
  /** The choice at hand. */
  private index = 0;
  private ends = false;

  constructor(operation: Operation, framing: Framing) {
    this.framing = framing;
    this.embeds = operation === 'embed' || operation === 'batch-embed';
    this.documents = new AnswerDocuments(framing, DOCUMENT, this, '[DONE]');
  }

  get usage(): Usage {
    return openaiUsage(this.counts);
  }

  get reported(): boolean {
    return this.counts.reported;
  }

  get suspicious(): boolean {
    return this.counts.suspicious || isContradictory(this.counts);
  }

  get lost(): boolean {
    return this.documents.lost;
  }

  get complete(): boolean {
    if (this.failure) return false;
    if (this.framing === 'json') return this.documents.closed && this.typed;
    return this.done || (this.ended && this.begun !== 0 && this.begun === this.finished);
  }

  get generatedBytes(): number {
    return this.generated + this.documents.unfinishedBytes(TEXTS);
  }

  get atBoundary(): boolean {
    return this.documents.atBoundary;
  }

  push(chunk: Uint8Array): void {
    this.documents.push(chunk);
  }

  finish(): void {
    this.documents.finish();
    // An end inside an event is a cut, whatever came before it.
    this.ended = this.documents.atBoundary;
    if (!this.typed && !this.failure) this.documents.lost = true;
  }

  scalar(path: string, kind: ScalarKind, token: JsonToken): void {
    if (COUNTS.has(path)) {
      this.counts.hear(path, kind, token);
    } else if (TEXTS.has(path)) {
      if (kind === 'string') this.generated += token.decodedBytes;
    } else if (path === 'choices[].index') {
      this.index = Math.min(this.counts.read(kind, token) ?? 0, 31);
    } else if (path === 'choices[].finish_reason') {
      this.ends = kind === 'string' && token.decodedBytes > 0;
    } else if (path === 'error') {
      // Some servers put a bare text where the object belongs.
      if (kind === 'string') this.heard.error = { type: '', code: '', message: tokenText(token) };
    } else if (path.startsWith('error.') && this.heard.error) {
      this.heard.error[path.slice('error.'.length) as 'type' | 'code' | 'message'] = textOf(kind, token);
    } else if (path === 'object') {
      // Every chunk has one; only an error's is of interest.
      this.heard.object = token.decodedBytes === OBJECT_OF_ERROR.length ? textOf(kind, token) : '';
    } else if (path === 'type' || path === 'code' || path === 'message') {
      this.heard[path] = textOf(kind, token);
    }
  }

  open(path: string): void {
    switch (path) {
      case 'choices[]':
        this.index = 0;
        this.ends = false;
        break;
      case 'choices':
        this.heard.typed ||= !this.embeds;
        break;
      case 'data':
        this.heard.typed ||= this.embeds;
        break;
      case 'error':
        this.heard.error = { type: '', code: '', message: '' };
        break;
      default:
        if (COUNTS.has(path)) this.counts.suspicious = true;
    }
  }

  close(path: string): void {
    if (path !== 'choices[]') return;
    this.heard.begun |= 1 << this.index;
    if (this.ends) this.heard.finished |= 1 << this.index;
  }

  document(): void {
    const { begun, finished, typed, error, object } = this.heard;
    if (error) this.failure ??= openaiFailure(error);
    else if (object === OBJECT_OF_ERROR) this.failure ??= openaiFailure(this.heard);
    this.begun |= begun;
    this.finished |= finished;
    this.typed ||= typed;
    this.counts.accept();
    this.drop();
  }

  over(): void {
    this.done = true;
    this.drop();
  }

  drop(): void {
    this.counts.drop();
    this.heard = { ...SILENCE };
  }
}

function textOf(kind: ScalarKind, token: JsonToken): string {
  return kind === 'string' || kind === 'number' ? tokenText(token) : '';
}
