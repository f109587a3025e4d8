import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { readableTarget } from '../../src/request-head.ts';
import { checkAnswer } from './openapi.ts';

/** Node tells each request that any server of the process begins with. */
const STARTED = 'http.server.request.start';
/** Longer bodies are streams; they are compared byte for byte elsewhere. */
const LONGEST_BODY = 1024 * 1024;

/**
 * Holds every whole answer of one server of this process against the committed document, whoever asked: an SDK, a
 * socket, another test's helper. Answers that were cut are nobody's document.
 */
export class WatchedAnswers {
  private readonly port: number;
  private problems: string[] = [];
  private seen = 0;

  constructor(url: string) {
    this.port = Number(new URL(url).port);
    subscribe(STARTED, this.started);
  }

  /** How many were held against it so far. */
  get count(): number {
    return this.seen;
  }

  /** @throws Error telling what was not as documented since the last time */
  check(): void {
    const problems = this.problems;
    this.problems = [];
    if (problems.length > 0) throw new Error([...new Set(problems)].slice(0, 10).join('\n\n'));
  }

  stop(): void {
    unsubscribe(STARTED, this.started);
  }

  private readonly started = (message: unknown): void => {
    const { request, response, socket } = message as {
      request: IncomingMessage;
      response: ServerResponse;
      socket: Socket;
    };
    if (socket.localPort !== this.port) return;
    const { method = '', url = '' } = request;
    const path = readableTarget(url);
    const copy = copyOf(response);
    response.once('finish', () => {
      if (isOfHttp(request, response)) return;
      this.seen += 1;
      try {
        checkAnswer({ method, path, status: response.statusCode, ...copy() });
      } catch (error) {
        this.problems.push((error as Error).message);
      }
    });
  };
}

/** Refused for its head, before anything was routed: there is no document of it. */
function isOfHttp({ headers }: IncomingMessage, { statusCode }: ServerResponse): boolean {
  return statusCode === 431 || (statusCode === 400 && headers.host === undefined);
}

/** What is written to the answer, from now on. */
function copyOf(response: ServerResponse): () => { headers: Record<string, unknown>; body?: string } {
  const pieces: Buffer[] = [];
  const given: Record<string, unknown> = {};
  let size = 0;
  const keep = ([piece]: readonly unknown[]): void => {
    if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) return;
    size += piece.length;
    if (size <= LONGEST_BODY) pieces.push(Buffer.from(piece as string));
  };
  // `getHeaders` does not tell what `writeHead` is given.
  listen(response, 'writeHead', (told) => {
    for (const [name, value] of Object.entries(told.at(-1) ?? {})) given[name.toLowerCase()] = value;
  });
  listen(response, 'write', keep);
  listen(response, 'end', keep);
  return () => {
    const headers = { ...response.getHeaders(), ...given };
    return size > LONGEST_BODY ? { headers } : { headers, body: Buffer.concat(pieces).toString() };
  };
}

function listen(
  response: ServerResponse,
  method: 'writeHead' | 'write' | 'end',
  hear: (told: readonly unknown[]) => void,
): void {
  const plain = (response[method] as (...told: unknown[]) => unknown).bind(response);
  response[method] = ((...told: unknown[]) => {
    hear(told);
    return plain(...told);
  }) as never;
}
