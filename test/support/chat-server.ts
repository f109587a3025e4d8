import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as a chat completions server saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads whatever was sent
  readonly json: any;
  /** The client closed before the answer was over. */
  cut: boolean;
}

export type Answering = (response: ServerResponse, seen: Seen) => void | Promise<void>;

/**
 * A server whose every answer a test writes by hand, frame by frame from the documentation. What no test has said is
 * answered with 404.
 */
export class ChatServer {
  readonly seen: Seen[] = [];
  private answering: Answering = refuse(404, {
    message: 'There is nothing here',
    type: 'invalid_request_error',
  });

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ChatServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const chat = new ChatServer(server);
    server.on('request', (request, response) => void chat.take(request, response));
    return chat;
  }

  /** What comes before `/chat/completions`. */
  get baseUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/compatible/v1`;
  }

  answer(answering: Answering): void {
    this.answering = answering;
  }

  last(): Seen {
    const seen = this.seen.at(-1);
    if (seen === undefined) throw new Error('Nothing was asked');
    return seen;
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    const { method = '', url = '', headers } = request;
    const json: unknown = text === '' ? undefined : JSON.parse(text);
    const seen: Seen = { method, url, headers, text, json, cut: false };
    this.seen.push(seen);
    response.on('close', () => {
      seen.cut = !response.writableFinished;
    });
    if (url.endsWith('/models')) say({ object: 'list', data: MODELS })(response, seen);
    else await this.answering(response, seen);
  }
}

const MODELS = ['gpt-5-nano', 'gpt-4.1', 'text-embedding-3-small'].map((id) => ({
  id,
  object: 'model',
  created: 1_700_000_000,
  owned_by: 'system',
}));

/** One JSON document. */
export function say(document: object, status = 200, headers: Record<string, string> = {}) {
  return (response: ServerResponse, _seen?: Seen): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...UPSTREAM, ...headers });
    response.end(JSON.stringify(document));
  };
}

export function refuse(status: number, error: object, headers: Record<string, string> = {}) {
  return say({ error: { param: null, code: null, ...error } }, status, headers);
}

/** Events, each a write of its own; `end` false leaves the stream open. */
export function stream(frames: readonly string[], end = true) {
  return (response: ServerResponse, _seen?: Seen): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...UPSTREAM });
    for (const frame of frames) response.write(frame);
    if (end) response.end();
  };
}

/** Headers of OpenAI's own answers (docs, "Debugging requests"); the account's names must stay behind. */
const UPSTREAM = {
  'x-request-id': 'req_upstream',
  'openai-organization': 'org-of-the-account',
  'openai-processing-ms': '12',
  'x-ratelimit-remaining-requests': '99',
};
