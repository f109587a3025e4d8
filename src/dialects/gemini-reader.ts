import { AnswerDocuments, type DocumentSink } from './answer-documents.ts';
import {
  type AnswerFailure,
  type AnswerReader,
  type Framing,
  NO_USAGE,
  type Operation,
  type Usage,
} from './dialect.ts';
import { GEMINI_COUNTS, geminiUsage, isContradictory } from './gemini-usage.ts';
import { type JsonToken, type ScalarKind, tokenText } from './json-token.ts';
import { compilePaths } from './json-paths.ts';
import { TokenCounts } from './token-counts.ts';

const ERROR = ['error', 'error.code', 'error.message', 'error.status'];
const COUNTS = new Set(GEMINI_COUNTS);
const TEXTS = new Set([
  'candidates[].content.parts[].text',
  'candidates[].content.parts[].executableCode.code',
]);

const GENERATED = compilePaths([
  ...ERROR,
  ...GEMINI_COUNTS,
  'usageMetadata',
  'candidates',
  'candidates[]',
  'candidates[].index',
  'candidates[].finishReason',
  ...TEXTS,
  'candidates[].content.parts[].functionCall.args',
  'promptFeedback',
  'promptFeedback.blockReason',
]);

const COUNTED = compilePaths([...ERROR, 'totalTokens', '*']);

const EMBEDDED = compilePaths([...ERROR, ...GEMINI_COUNTS, 'embedding', 'embeddings']);

/** What one document (frame) says, until it is whole. Candidates are one bit each, by their index. */
interface Heard {
  begun: number;
  finished: number;
  blocked: boolean;
  /** It has a field of this operation's answer. */
  typed: boolean;
  /** It has any field at all. */
  filled: boolean;
  error: { code?: number; message: string; status: string } | undefined;
}

const SILENCE: Readonly<Heard> = {
  begun: 0,
  finished: 0,
  blocked: false,
  typed: false,
  filled: false,
  error: undefined,
};

/** @throws never; see {@link AnswerReader}. */
export function geminiReader(operation: Operation, framing: Framing): AnswerReader {
  return new GeminiReader(operation, framing);
}

class GeminiReader implements AnswerReader, DocumentSink {
  failure: AnswerFailure | undefined;

  private readonly operation: Operation;
  private readonly framing: Framing;
  private readonly documents: AnswerDocuments;
  private readonly counts = new TokenCounts();
  private generated = 0;
  private begun = 0;
  private finished = 0;
  private blocked = false;
  private typed = false;
  private counted = false;
  private heard: Heard = { ...SILENCE };
  /** The candidate at hand. */
  private index = 0;
  private ends = false;

  constructor(operation: Operation, framing: Framing) {
    this.operation = operation;
    this.framing = framing;
    const places = operation === 'generate' ? GENERATED : operation === 'count' ? COUNTED : EMBEDDED;
    this.documents = new AnswerDocuments(framing, places, this);
  }

  get usage(): Usage {
    return this.operation === 'count' ? NO_USAGE : geminiUsage(this.counts);
  }

  get reported(): boolean {
    return this.operation === 'count' ? this.counted : this.counts.reported;
  }

  get suspicious(): boolean {
    return this.counts.suspicious || isContradictory(this.counts);
  }

  get lost(): boolean {
    return this.documents.lost;
  }

  /** A stream ends when each candidate that has begun gave its reason, or the prompt was blocked. */
  get complete(): boolean {
    if (this.failure) return false;
    if (this.framing !== 'sse' && !this.documents.closed) return false;
    if (this.framing === 'json') return this.typed;
    return this.blocked || (this.begun !== 0 && this.begun === this.finished);
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
    if (!this.typed && !this.failure) this.documents.lost = true;
  }

  scalar(path: string, kind: ScalarKind, token: JsonToken): void {
    if (COUNTS.has(path)) {
      this.counts.hear(path, kind, token);
      return;
    }
    this.heard.filled = true;
    switch (path) {
      case 'candidates[].content.parts[].text':
      case 'candidates[].content.parts[].executableCode.code':
        if (kind === 'string') this.generated += token.decodedBytes;
        break;
      case 'candidates[].index':
        this.index = Math.min(this.counts.read(kind, token) ?? 0, 31);
        break;
      case 'candidates[].finishReason':
        this.ends = !['', 'FINISH_REASON_UNSPECIFIED'].includes(textOf(kind, token));
        break;
      case 'promptFeedback.blockReason':
        this.heard.blocked = !['', 'BLOCK_REASON_UNSPECIFIED'].includes(textOf(kind, token));
        break;
      case 'totalTokens':
        this.heard.typed = this.counts.read(kind, token) !== undefined;
        break;
      case 'error.code':
        if (this.heard.error && kind === 'number') this.heard.error.code = Number(tokenText(token));
        break;
      case 'error.message':
        if (this.heard.error) this.heard.error.message = textOf(kind, token);
        break;
      case 'error.status':
        if (this.heard.error) this.heard.error.status = textOf(kind, token);
        break;
      default:
    }
  }

  open(path: string): void {
    this.heard.filled = true;
    switch (path) {
      case 'candidates[]':
        this.index = 0;
        this.ends = false;
        break;
      case 'error':
        this.heard.error = { message: '', status: '' };
        break;
      case 'usageMetadata':
      case 'candidates':
      case 'promptFeedback':
      case 'embedding':
      case 'embeddings':
        this.heard.typed = true;
        break;
      default:
        if (COUNTS.has(path)) this.counts.suspicious = true;
    }
  }

  close(path: string, bytes: number): void {
    if (path === 'candidates[].content.parts[].functionCall.args') this.generated += bytes;
    if (path !== 'candidates[]') return;
    this.heard.begun |= 1 << this.index;
    if (this.ends) this.heard.finished |= 1 << this.index;
  }

  document(): void {
    const { begun, finished, blocked, error, filled } = this.heard;
    // a count of nothing is left out of the answer, as zeros are in the JSON form of protocol buffers
    const typed = this.heard.typed || (this.operation !== 'generate' && !filled);
    if (error) {
      const { code, message, status } = error;
      this.failure ??= { type: status || 'UNKNOWN', message, ...(isStatus(code) ? { status: code } : {}) };
    }
    this.begun |= begun;
    this.finished |= finished;
    this.blocked ||= blocked;
    this.typed ||= typed;
    this.counted ||= typed && this.operation === 'count';
    this.counts.accept();
    this.drop();
  }

  drop(): void {
    this.counts.drop();
    this.heard = { ...SILENCE };
  }
}

function textOf(kind: ScalarKind, token: JsonToken): string {
  return kind === 'string' ? tokenText(token) : '';
}

function isStatus(code: number | undefined): code is number {
  return code !== undefined && Number.isInteger(code) && code >= 400 && code <= 599;
}
