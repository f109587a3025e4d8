import type { Call } from '../dialects/dialect.ts';
import { EventStreamBroken, EventStreamDecoder } from '../dialects/event-stream.ts';
import { type AnswerBytes, chunksOf } from '../upstream/answer-bytes.ts';
import { readJson, valueAt } from '../upstream/json-fields.ts';
import type { UpstreamStream } from '../upstream/upstream.ts';
import { AnthropicFrames } from './anthropic-frames.ts';
import { anthropicErrorType, readAwsError } from './aws-error.ts';

const EVENT_STREAM = 'application/vnd.amazon.eventstream';
/** Counts and errors; of an error no more is read than this before. */
const MOST_DOCUMENT_BYTES = 1024 * 1024;

/** An answer of the runtime as Anthropic's API gives it: SSE for the event stream, its own counts and errors. */
export function anthropicAnswer(call: Call, answer: UpstreamStream): UpstreamStream {
  const { 'content-length': _length, ...rest } = answer.headers;
  const id = rest['x-amzn-requestid'];
  const headers = id === undefined ? rest : { ...rest, 'request-id': id };
  const type = (rest['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (answer.status >= 400) {
    if (!/\bx-amz-json\b|\bjson$/.test(type)) return answer;
    const read = (body: Buffer): string => errorDocument(answer, body, id);
    return {
      status: answer.status,
      headers: asJson(headers),
      body: new Stepped(answer.body, document(read)),
    };
  }
  if (call.framing === 'sse' && type === EVENT_STREAM) {
    const told = { ...headers, 'content-type': 'text/event-stream; charset=utf-8' };
    return { status: answer.status, headers: told, body: new Stepped(answer.body, frames(id)) };
  }
  if (call.operation === 'count') {
    return { status: answer.status, headers, body: new Stepped(answer.body, document(countDocument)) };
  }
  return { ...answer, headers: { ...answer.headers, ...(id !== undefined && { 'request-id': id }) } };
}

/** Takes an answer's bytes and gives others; both may break. */
interface Step {
  take(chunk: Buffer): Buffer | undefined;
  end(): Buffer | undefined;
}

/**
 * Reads the upstream only when its own reader takes, so that nothing is given up that came before a breakage. A step
 * that cannot go on cuts the upstream.
 */
class Stepped implements AnswerBytes {
  private ended = false;
  private broken: Error | undefined;

  constructor(
    private readonly body: AnswerBytes,
    private readonly step: Step,
  ) {}

  take(): Buffer | undefined | null {
    if (this.broken !== undefined) throw this.broken;
    try {
      while (!this.ended) {
        const chunk = this.body.take();
        if (chunk === null) return null;
        this.ended = chunk === undefined;
        const told = chunk === undefined ? this.step.end() : this.step.take(chunk);
        if (told !== undefined) return told;
      }
      return undefined;
    } catch (error) {
      this.broken = error as Error;
      this.destroy(this.broken);
      throw error;
    }
  }

  listen(news: () => void): void {
    this.body.listen(news);
  }

  destroy(reason?: Error): void {
    this.body.destroy(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return chunksOf(this);
  }
}

function frames(requestId: string | undefined): Step {
  const decoder = new EventStreamDecoder();
  const told = new AnthropicFrames(requestId);
  return {
    take(chunk) {
      const pieces = decoder.push(chunk).flatMap((message) => told.of(message));
      return pieces.length === 0 ? undefined : Buffer.concat(pieces);
    },
    end() {
      if (decoder.failure !== undefined) throw decoder.failure;
      if (!decoder.atBoundary) throw new EventStreamBroken('The event stream ends inside a message');
      return undefined;
    },
  };
}

function document(read: (body: Buffer) => string): Step {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    take(chunk) {
      size += chunk.length;
      chunks.push(chunk);
      if (size > MOST_DOCUMENT_BYTES) throw new Error('The document is too long');
      return undefined;
    },
    end: () => Buffer.from(read(Buffer.concat(chunks))),
  };
}

/** What is no count goes on as it came; the reader behind it says so. */
function countDocument(body: Buffer): string {
  const count = valueAt(readJson(body), 'inputTokens');
  return typeof count === 'number' ? JSON.stringify({ input_tokens: count }) : body.toString('utf8');
}

function errorDocument(answer: UpstreamStream, body: Buffer, id: string | undefined): string {
  const { name, message } = readAwsError(answer.headers, body);
  const type = anthropicErrorType(name, answer.status);
  const error = { type, message: message === '' ? name : message };
  return JSON.stringify({ type: 'error', error, ...(id !== undefined && { request_id: id }) });
}

function asJson(headers: Readonly<Record<string, string>>): Record<string, string> {
  return { ...headers, 'content-type': 'application/json' };
}
