import { AnswerDocuments, type DocumentSink } from './answer-documents.ts';
import { AnthropicUsage, METRIC_PATHS, usagePaths } from './anthropic-usage.ts';
import {
  type AnswerFailure,
  type AnswerReader,
  type Framing,
  NO_USAGE,
  type Operation,
  type Usage,
} from './dialect.ts';
import { type JsonToken, type ScalarKind, tokenText } from './json-token.ts';
import { compilePaths } from './json-paths.ts';

const ERROR = ['type', 'error.type', 'error.message'];

const EVENT_TEXTS = [
  'delta.text',
  'delta.thinking',
  'delta.partial_json',
  'content_block.text',
  'content_block.thinking',
];
const MESSAGE_TEXTS = ['content[].text', 'content[].thinking'];
const TEXTS = new Set([...EVENT_TEXTS, ...MESSAGE_TEXTS]);

/** Of an event: `usage` of a message_delta, `message.usage` of a message_start, and what a delta brings. */
const EVENT = compilePaths([
  ...ERROR,
  ...usagePaths('usage.'),
  ...usagePaths('message.usage.'),
  ...EVENT_TEXTS,
  ...METRIC_PATHS,
]);

/** Each place of `usage`, and what it is called there. */
const USAGE_NAMES = new Map(
  [...usagePaths('usage.'), ...usagePaths('message.usage.')].map((path) => [path, withoutPrefix(path)]),
);

const MESSAGE = compilePaths([...ERROR, ...usagePaths('usage.'), ...MESSAGE_TEXTS, 'content[].input']);

const TOKEN_COUNT = compilePaths([...ERROR, 'input_tokens']);

/** No type that matters here is longer than message_start; the frequent content_block_delta is. */
const LONGEST_TYPE = 'message_start'.length;

/** HTTP statuses of Anthropic's error types (docs, "Errors"). */
const STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  conflict_error: 409,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** @throws never; see {@link AnswerReader}. */
export function anthropicReader(operation: Operation, framing: Framing): AnswerReader {
  return new AnthropicReader(operation, framing);
}

class AnthropicReader implements AnswerReader, DocumentSink {
  failure: AnswerFailure | undefined;

  private readonly operation: Operation;
  private readonly framing: Framing;
  private readonly documents: AnswerDocuments;
  private readonly tokens = new AnthropicUsage();
  private generated = 0;
  private ended = false;
  private counted = false;
  private type = '';
  private errorType = '';
  private errorMessage = '';

  constructor(operation: Operation, framing: Framing) {
    this.operation = operation;
    this.framing = framing;
    const places = operation === 'count' ? TOKEN_COUNT : framing === 'sse' ? EVENT : MESSAGE;
    this.documents = new AnswerDocuments(framing, places, this);
  }

  get usage(): Usage {
    return this.operation === 'count' ? NO_USAGE : this.tokens.value;
  }

  get reported(): boolean {
    return this.operation === 'count' ? this.counted : this.tokens.reported;
  }

  get suspicious(): boolean {
    return this.tokens.suspicious;
  }

  get lost(): boolean {
    return this.documents.lost;
  }

  get complete(): boolean {
    if (!this.ended || this.failure) return false;
    return this.framing === 'sse' || this.documents.closed;
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
    if (this.framing !== 'sse' && !this.ended && !this.failure) this.documents.lost = true;
  }

  scalar(path: string, kind: ScalarKind, token: JsonToken, name: string): void {
    switch (path) {
      case 'delta.text':
      case 'delta.thinking':
      case 'delta.partial_json':
      case 'content_block.text':
      case 'content_block.thinking':
      case 'content[].text':
      case 'content[].thinking':
        if (kind === 'string') this.generated += token.decodedBytes;
        return;
      case 'content[].input':
        return;
      case 'type':
        this.type = kind === 'string' && token.decodedBytes <= LONGEST_TYPE ? tokenText(token) : '';
        return;
      case 'error.type':
        this.errorType = kind === 'string' ? tokenText(token) : '';
        return;
      case 'error.message':
        this.errorMessage = kind === 'string' ? tokenText(token) : '';
        return;
      case 'input_tokens':
        this.tokens.scalar(path, kind, token, name);
        return;
      default: {
        const place = USAGE_NAMES.get(path);
        if (place === undefined) this.tokens.metric(path, kind, token);
        else this.tokens.scalar(place, kind, token, name);
      }
    }
  }

  open(path: string): void {
    const place = USAGE_NAMES.get(path);
    if (place !== undefined) this.tokens.open(place);
  }

  close(path: string, bytes: number): void {
    const place = USAGE_NAMES.get(path);
    if (place !== undefined) this.tokens.close(place);
    else if (path === 'content[].input') this.generated += bytes;
  }

  document(): void {
    if (this.type === 'error') this.fail();
    else if (this.operation === 'count') this.acceptCount();
    else if (this.framing !== 'sse') this.acceptMessage();
    else if (this.type === 'message_start' || this.type === 'message_delta') this.tokens.accept();
    else if (this.type === 'message_stop') this.stop();
    this.drop();
  }

  drop(): void {
    this.tokens.drop();
    this.type = '';
    this.errorType = '';
    this.errorMessage = '';
  }

  private stop(): void {
    this.tokens.acceptMetrics();
    this.ended = true;
  }

  private acceptMessage(): void {
    if (this.type !== 'message') return;
    this.tokens.accept();
    this.ended = true;
  }

  private acceptCount(): void {
    this.tokens.accept();
    this.counted = this.tokens.reported;
    this.ended = this.counted;
  }

  private fail(): void {
    const type = this.errorType === '' ? 'api_error' : this.errorType;
    const status = Object.hasOwn(STATUS, type) ? STATUS[type] : undefined;
    this.failure ??= { type, message: this.errorMessage, ...(status === undefined ? {} : { status }) };
  }
}

function withoutPrefix(path: string): string {
  return path.slice(path.indexOf('usage.') + 'usage.'.length);
}
