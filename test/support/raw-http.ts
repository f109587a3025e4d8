import { createConnection, type Socket } from 'node:net';

/** HTTP/1.1 as bytes on a socket: what no client library would send, and what came back, uninterpreted. */

export interface RawAnswer {
  readonly status: number;
  /** Lower-case names; values of a name that came twice are joined with a line feed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface RawExchange {
  readonly answers: readonly RawAnswer[];
  /** All that came, as latin1. */
  readonly text: string;
}

export type HeaderLines = readonly (readonly [string, string])[];

/** A request as it should be; `connection: close`, so that the answer ends with the socket. */
export function rawRequest(
  method: string,
  target: string,
  headers: HeaderLines = [],
  body: Buffer | string = '',
): Buffer {
  const bytes = Buffer.from(body);
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  if (!given.has('host')) lines.unshift('host: relay');
  if (!given.has('connection')) lines.push('connection: close');
  const sized = given.has('content-length') || given.has('transfer-encoding');
  if (!sized && bytes.length > 0) lines.push(`content-length: ${bytes.length}`);
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1'),
    bytes,
  ]);
}

/** A connection of its own; what goes wrong on it later is told by what was read. */
export function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port: Number(port), host: hostname, noDelay: true });
    socket.once('error', reject).once('connect', () => {
      socket.off('error', reject).on('error', () => undefined);
      resolve(socket);
    });
  });
}

/** Everything that comes until the other side closes. @throws Error when it does not close in time */
export function readAll(socket: Socket, withinMs = 20_000): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const clock = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection stayed open; so far came ${JSON.stringify(text.slice(0, 500))}`));
    }, withinMs);
    socket.on('data', (piece: Buffer) => (text += piece.toString('latin1')));
    socket.once('close', () => {
      clearTimeout(clock);
      resolve(text);
    });
  });
}

/** Sends the bytes and reads until the relay closes. */
export async function exchangeBytes(url: string, bytes: Buffer | string, head = false): Promise<RawExchange> {
  const socket = await openSocket(url);
  const read = readAll(socket);
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  const text = await read;
  return { text, answers: answersIn(text, head) };
}

/** One request, one answer. */
export async function askRaw(
  url: string,
  method: string,
  target: string,
  headers: HeaderLines = [],
  body: Buffer | string = '',
): Promise<RawAnswer> {
  const { answers, text } = await exchangeBytes(
    url,
    rawRequest(method, target, headers, body),
    method === 'HEAD',
  );
  if (answers.length !== 1 || answers[0] === undefined) {
    throw new Error(`${answers.length} answers to one request: ${JSON.stringify(text.slice(0, 500))}`);
  }
  return answers[0];
}

/** @param head the answers are to HEAD, so that none has a body */
export function answersIn(text: string, head = false): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(rest)?.[1];
    if (end < 0 || status === undefined)
      throw new Error(`not an answer: ${JSON.stringify(rest.slice(0, 200))}`);
    const headers = headersIn(rest.slice(0, end));
    rest = rest.slice(end + 4);
    if (status.startsWith('1')) continue;
    const { body, length } = bodyIn(rest, headers, head || status === '204' || status === '304');
    rest = rest.slice(length);
    answers.push({ status: Number(status), headers, body: Buffer.from(body, 'latin1').toString('utf8') });
  }
  return answers;
}

function headersIn(head: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}\n${value}`;
  }
  return headers;
}

function bodyIn(
  rest: string,
  headers: Readonly<Record<string, string>>,
  none: boolean,
): { body: string; length: number } {
  if (none) return { body: '', length: 0 };
  if (headers['transfer-encoding'] === 'chunked') return chunksIn(rest);
  const length = headers['content-length'] === undefined ? rest.length : Number(headers['content-length']);
  return { body: rest.slice(0, length), length };
}

function chunksIn(rest: string): { body: string; length: number } {
  let body = '';
  for (let at = 0; ;) {
    const end = rest.indexOf('\r\n', at);
    const size = parseInt(rest.slice(at, end), 16);
    if (end < 0 || Number.isNaN(size)) return { body, length: rest.length };
    body += rest.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
    if (size === 0) return { body, length: at };
  }
}
