import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';

/** One request as it came, and by whom it was signed: a key id, `bearer …`, or why the signature is none. */
export interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly signedBy: string;
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

/** Bedrock's runtime and STS for tests: it checks every signature with AWS' own signer and answers what it is told to. */
export class FakeBedrock {
  readonly asked: Asked[] = [];
  /** Of STS: which secret belongs to a key that it has given. */
  readonly secrets = new Map<string, string>();
  answer: Answer = document({});
  assumeRole: Answer = document({ message: 'no' }, 500);

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (bytes: Buffer) => chunks.push(bytes));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        void this.signer(request.url ?? '', request.method ?? '', request.headers, body).then((signedBy) => {
          const asked = {
            path: request.url ?? '',
            headers: request.headers,
            body: body.toString(),
            signedBy,
            left: false,
          };
          this.asked.push(asked);
          response.on('close', () => {
            asked.left = true;
          });
          (asked.path === '/' ? this.assumeRole : this.answer)(response, asked);
        });
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

  private async signer(
    path: string,
    method: string,
    headers: IncomingHttpHeaders,
    body: Buffer,
  ): Promise<string> {
    const authorization = headers.authorization ?? '';
    if (authorization.startsWith('Bearer ')) return `bearer ${authorization.slice(7)}`;
    const told =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=\w+$/;
    const [, accessKeyId = '', region = '', service = '', names = ''] = told.exec(authorization) ?? [];
    const secretAccessKey = this.secrets.get(accessKeyId) ?? `simulator-secret-${accessKeyId}`;
    const signer = new SignatureV4({
      service,
      region,
      credentials: { accessKeyId, secretAccessKey },
      sha256: Sha256,
    });
    const date = String(headers['x-amz-date']);
    const signed = await signer.sign(
      {
        method,
        protocol: 'http:',
        hostname: '127.0.0.1',
        path: path.split('?')[0]!,
        query: Object.fromEntries(new URL(path, 'http://x').searchParams),
        headers: Object.fromEntries(names.split(';').map((name) => [name, String(headers[name])])),
        body,
      },
      { signingDate: new Date(date.replace(/^(....)(..)(..T..)(..)(..)Z$/, '$1-$2-$3:$4:$5Z')) },
    );
    const same =
      signed.headers['authorization']?.split('Signature=')[1] === authorization.split('Signature=')[1];
    return same ? accessKeyId : `wrong signature by ${accessKeyId}`;
  }
}
