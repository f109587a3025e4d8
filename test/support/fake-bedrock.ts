import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventStreamCodec } from '@smithy/eventstream-codec';

/** One request as it came. */
export interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The client's socket is gone. */
  left: boolean;
}

export type Answer = (response: ServerResponse, asked: Asked) => void;

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text),
);

/** Written by AWS' own codec. */
export function message(headers: Readonly<Record<string, string>>, body: string): Buffer {
  const typed = Object.entries(headers).map(([name, value]) => [name, { type: 'string' as const, value }]);
  return Buffer.from(codec.encode({ headers: Object.fromEntries(typed) as never, body: Buffer.from(body) }));
}

/** An event as InvokeModelWithResponseStream sends it (AWS Bedrock API reference, `ResponseStream`). */
export function chunk(event: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(event)).toString('base64');
  return streamEvent('chunk', { bytes, p: 'abcdefgh' });
}

/** An event of any type, as ConverseStream sends them (the same, `ConverseStreamOutput`). */
export function streamEvent(type: string, body: object): Buffer {
  const headers = { ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' };
  return message(headers, JSON.stringify(body));
}

export function exception(name: string, text: string): Buffer {
  const headers = {
    ':exception-type': name,
    ':content-type': 'application/json',
    ':message-type': 'exception',
  };
  return message(headers, JSON.stringify({ message: text }));
}

export const stream =
  (...pieces: readonly Buffer[]): Answer =>
  (response) => {
    response.writeHead(200, {
      'content-type': 'application/vnd.amazon.eventstream',
      'x-amzn-requestid': 'aws-1',
    });
    for (const piece of pieces) response.write(piece);
    response.end();
  };

export const document =
  (body: object, status = 200, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) => {
    response.writeHead(status, {
      'content-type': 'application/json',
      'x-amzn-requestid': 'aws-1',
      ...headers,
    });
    response.end(JSON.stringify(body));
  };

export const refusal = (status: number, name: string, text: string): Answer =>
  document({ message: text }, status, { 'x-amzn-errortype': `${name}:http://internal.amazon.com/coral/x/` });

/**
 * Bedrock's runtime that answers just what it is told to, whatever it is asked: for bytes that no service would send or
 * take. What the service itself would say is the simulator's.
 */
export class FakeBedrock {
  readonly asked: Asked[] = [];
  answer: Answer = document({});

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (bytes: Buffer) => chunks.push(bytes));
      request.on('end', () => {
        const asked = {
          path: request.url ?? '',
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
          left: false,
        };
        this.asked.push(asked);
        response.on('close', () => {
          asked.left = true;
        });
        this.answer(response, asked);
      });
    });
  }

  static async start(): Promise<FakeBedrock> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeBedrock(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get last(): Asked {
    const asked = this.asked.at(-1);
    if (asked === undefined) throw new Error('Nothing was asked');
    return asked;
  }

  clear(): void {
    this.asked.length = 0;
    this.answer = document({});
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
