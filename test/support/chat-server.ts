import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Answering = (response: ServerResponse) => void | Promise<void>;

/**
 * A chat completions server whose every byte a test writes by hand, for what no server of OpenAI's sends; whatever one
 * does send is the simulator's. What no test has said is answered with 404.
 */
export class ChatServer {
  private answering: Answering = say({ error: { message: 'There is nothing here' } }, 404);
  private asked: string | undefined;

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

  /** The body of the last request. */
  last(): string {
    if (this.asked === undefined) throw new Error('Nothing was asked');
    return this.asked;
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    this.asked = Buffer.concat(pieces).toString();
    await this.answering(response);
  }
}

/** One JSON document. */
export function say(document: object, status = 200): Answering {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document));
  };
}

/** Events, each a write of its own. */
export function stream(frames: readonly string[]): Answering {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (const frame of frames) response.write(frame);
    response.end();
  };
}
