import { pipeline, type Readable, Transform } from 'node:stream';
import type { Call } from '../dialects/dialect.ts';
import { EventStreamBroken, EventStreamDecoder } from '../dialects/event-stream.ts';
import { readJson, valueAt } from '../upstream/json-fields.ts';
import type { UpstreamStream } from '../upstream/upstream.ts';
import { AnthropicFrames } from './anthropic-frames.ts';
import { anthropicError, readAwsError } from './aws-error.ts';

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
    const { status } = anthropicError(readAwsError(rest, Buffer.of()).name, answer.status);
    const read = (body: Buffer): string => errorDocument(answer, body, id);
    return { status, headers: asJson(headers), body: through(answer.body, document(read)) };
  }
  if (call.framing === 'sse' && type === EVENT_STREAM) {
    const told = { ...headers, 'content-type': 'text/event-stream; charset=utf-8' };
    return { status: answer.status, headers: told, body: through(answer.body, frames(id)) };
  }
  if (call.operation === 'count') {
    return { status: answer.status, headers, body: through(answer.body, document(countDocument)) };
  }
  return { ...answer, headers: { ...answer.headers, ...(id !== undefined && { 'request-id': id }) } };
}

/** Both ends as one: what breaks or is destroyed on either side ends the other, so that the socket is cut. */
function through(body: Readable, step: Transform): Readable {
  // Destroyed early, the upstream's end is told the reason as an error, which nobody waits for.
  body.on('error', () => undefined);
  return pipeline(body, step, () => undefined);
}

function frames(requestId: string | undefined): Transform {
  const decoder = new EventStreamDecoder();
  const told = new AnthropicFrames(requestId);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        const pieces: Buffer[] = [];
        for (const message of decoder.push(chunk)) pieces.push(...told.of(message));
        done(null, pieces.length === 0 ? undefined : Buffer.concat(pieces));
      } catch (error) {
        done(error as Error);
      }
    },
    flush(done) {
      done(decoder.atBoundary ? null : new EventStreamBroken('The event stream ends inside a message'));
    },
  });
}

function document(read: (body: Buffer) => string): Transform {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      chunks.push(chunk);
      done(size > MOST_DOCUMENT_BYTES ? new Error('The document is too long') : null);
    },
    flush(done) {
      done(null, Buffer.from(read(Buffer.concat(chunks))));
    },
  });
}

/** What is no count goes on as it came; the reader behind it says so. */
function countDocument(body: Buffer): string {
  const count = valueAt(readJson(body), 'inputTokens');
  return typeof count === 'number' ? JSON.stringify({ input_tokens: count }) : body.toString('utf8');
}

function errorDocument(answer: UpstreamStream, body: Buffer, id: string | undefined): string {
  const { name, message } = readAwsError(answer.headers, body);
  const { type } = anthropicError(name, answer.status);
  const error = { type, message: message === '' ? name : message };
  return JSON.stringify({ type: 'error', error, ...(id !== undefined && { request_id: id }) });
}

function asJson(headers: Readonly<Record<string, string>>): Record<string, string> {
  return { ...headers, 'content-type': 'application/json' };
}
