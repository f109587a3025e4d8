import { type IncomingMessage, request } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { answerHeaders, requestLines } from './request-lines.ts';

const { NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_INTERNAL_ERROR } = constants;
/** More than the server's own answers have with all that they pass on. */
const MOST_HEADER_BYTES = 64 * 1024;

/**
 * Carries one stream to the server as a request of HTTP/1.1, over a connection that is made for it and used for nothing
 * else, and the answer back.
 *
 * States: asked (the body goes in as the server takes it) → answered (the answer goes out as the client takes it) → over.
 * A reset by the client cuts the connection; a connection that is cut resets the stream. A client that is still sending
 * when its answer is whole is told to stop (RFC 9113, section 8.1). One that takes nothing of its answer for the stall
 * time is reset: the server is done with what it has handed over, and nothing else would end the stream.
 *
 * @param raw the request's headers, names and values in turn
 * @param ended it has no body
 */
export function carry(
  stream: ServerHttp2Stream,
  raw: readonly string[],
  ended: boolean,
  connect: () => Duplex,
  stallMs: number,
): void {
  // What breaks a stream is told by its closing.
  stream.on('error', () => undefined);
  const lines = requestLines(raw, ended);
  if (lines === undefined) {
    stream.close(NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  const { method, path, headers } = lines;
  const asked = request({
    method,
    path,
    headers: headers as string[],
    createConnection: connect,
    maxHeaderSize: MOST_HEADER_BYTES,
  });
  const fail = (code = NGHTTP2_INTERNAL_ERROR): void => {
    // To close it would end it first, and what was cut must not look whole.
    if (stream.headersSent) stream.destroy(new Error('The answer was cut'));
    else if (!stream.closed) stream.close(code);
    asked.destroy();
  };
  asked.on('error', () => fail());
  asked.on('information', ({ statusCode }) => {
    if (!stream.headersSent && !stream.closed) stream.additionalHeaders({ ':status': statusCode });
  });
  asked.on('response', (answer) => giveBack(stream, answer, fail, stallMs));
  stream.on('close', () => asked.destroy());

  const measured = lines.length !== undefined;
  let left = lines.length ?? Number.MAX_SAFE_INTEGER;
  stream.on('data', (bytes: Buffer) => {
    left -= bytes.length;
    // Beyond its length a body would be the next request.
    if (left < 0) fail(NGHTTP2_PROTOCOL_ERROR);
    else if (!asked.destroyed && !asked.write(bytes)) stream.pause();
  });
  asked.on('drain', () => stream.resume());
  stream.on('end', () => {
    // A reset ends it as well.
    const whole = !stream.aborted && stream.rstCode === NGHTTP2_NO_ERROR && (left === 0 || !measured);
    if (whole) asked.end();
    else fail(NGHTTP2_PROTOCOL_ERROR);
  });
}

function giveBack(
  stream: ServerHttp2Stream,
  answer: IncomingMessage,
  fail: () => void,
  stallMs: number,
): void {
  if (stream.closed || stream.destroyed) {
    answer.destroy();
    return;
  }
  let stall: NodeJS.Timeout | undefined;
  const wait = (): void => {
    clearTimeout(stall);
    stall = setTimeout(fail, stallMs);
  };
  answer.on('error', () => fail());
  try {
    stream.respond({ ':status': answer.statusCode, ...answerHeaders(answer.rawHeaders) });
  } catch {
    // HTTP/2 has no such headers, for example two types; that ends one stream, not the process.
    fail();
    return;
  }
  answer.on('data', (bytes: Buffer) => {
    if (stream.writable && stream.write(bytes)) return;
    answer.pause();
    wait();
  });
  stream.on('drain', () => {
    clearTimeout(stall);
    answer.resume();
  });
  stream.on('close', () => clearTimeout(stall));
  answer.on('end', () => {
    wait();
    stream.end(() => {
      if (!stream.readableEnded) stream.close(NGHTTP2_NO_ERROR);
    });
  });
}
