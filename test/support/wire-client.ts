import { createHash } from 'node:crypto';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';

/** One exchange as bytes: nothing is added to what is sent, nothing is read into what comes. */
export interface WireRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: Buffer | string;
  /** Without it the length is told. */
  readonly chunked?: boolean;
  /** Leaves: the connection is cut. */
  readonly signal?: AbortSignal;
  /** Called with each piece as the socket gave it. */
  readonly onData?: (piece: Buffer, sofar: Buffer) => void;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly text: string;
  readonly sha256: string;
  /** The connection broke before the body's end. */
  readonly broken: boolean;
}

/** Sends the bytes on a connection of their own, and waits for the whole answer or its breaking off. */
export function onWire(url: string, options: WireRequest = {}): Promise<WireAnswer> {
  const { method = 'POST', headers = {}, body = '', chunked = false, signal, onData } = options;
  const agent = new Agent({ keepAlive: false });
  return new Promise((resolve, reject) => {
    const length = Buffer.byteLength(body);
    const sized = length === 0 || chunked ? headers : { 'content-length': String(length), ...headers };
    const asked = request(url, { method, headers: sized, agent, ...(signal && { signal }) }, (answer) => {
      const pieces: Buffer[] = [];
      let broken = false;
      answer.on('data', (piece: Buffer) => {
        pieces.push(piece);
        onData?.(piece, Buffer.concat(pieces));
      });
      answer.on('error', () => {
        broken = true;
      });
      answer.on('close', () => {
        const bytes = Buffer.concat(pieces);
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          rawHeaders: answer.rawHeaders,
          body: bytes,
          text: bytes.toString(),
          sha256: sha256(bytes),
          broken: broken || !answer.complete,
        });
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
