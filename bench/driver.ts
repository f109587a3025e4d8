import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageReader } from './message-reader.ts';
import { delaysIn } from './stamp.ts';

/** Milliseconds from a request's last byte written to its answer's first byte, and to its last one. */
export interface Times {
  readonly first: number;
  readonly whole: number;
  /** How long each delta was under way, where deltas tell when they left. */
  readonly delays: readonly number[];
}

/**
 * One connection of a client, a request at a time.
 *
 * States: connecting → idle ↔ asking → closed.
 */
export class Connection {
  private readonly socket: Socket;
  private readonly reader = new MessageReader(false);
  private sent = 0;
  private first = 0;
  private delays: number[] = [];
  private answered: ((times: Times) => void) | undefined;
  private failed: (error: Error) => void = () => undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', (error) => this.failed(error));
    this.socket.on('close', () => this.failed(new Error('the server closed a connection')));
    this.socket.on('data', (chunk) => this.take(chunk));
  }

  /** @throws Error on any answer that is not 200, and when the connection is closed */
  ask(request: Buffer): Promise<Times> {
    return new Promise((resolve, reject) => {
      this.answered = resolve;
      this.failed = reject;
      this.first = 0;
      this.delays = [];
      this.reader.reset();
      this.socket.write(request);
      this.sent = performance.now();
    });
  }

  close(): void {
    this.failed = () => undefined;
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    const now = performance.now();
    if (this.first === 0) this.first = now;
    for (const delay of delaysIn(chunk)) this.delays.push(delay);
    if (!this.reader.take(chunk)) return;
    const { head } = this.reader;
    if (head.startsWith('HTTP/1.1 200'))
      this.answered?.({ first: this.first - this.sent, whole: now - this.sent, delays: this.delays });
    else this.failed(new Error(`not 200: ${head}\n${chunk.toString().slice(-500)}`));
  }
}

export interface Load {
  /** Connections are shared out among them. */
  readonly ports: readonly number[];
  readonly request: Buffer;
  readonly connections: number;
  /** No request is begun after so many answers, or so many milliseconds; those begun are waited for. */
  readonly enough: { readonly answers: number } | { readonly ms: number };
  /** The connections begin one after the other over so many milliseconds; otherwise all at once. */
  readonly spreadMs?: number;
}

export interface Sample {
  readonly answers: number;
  readonly seconds: number;
  readonly firstByte: readonly number[];
  readonly latency: readonly number[];
  readonly delays: readonly number[];
}

/** A closed loop: each connection sends its next request when it has its answer. @throws Error as `Connection.ask` */
export async function drive({ ports, request, connections, enough, spreadMs = 0 }: Load): Promise<Sample> {
  const times: Times[] = [];
  const began = performance.now();
  let begun = 0;
  const goesOn = (): boolean =>
    'ms' in enough ? performance.now() - began < enough.ms : begun < enough.answers;

  const run = async (index: number): Promise<void> => {
    const turn = (spreadMs * index) / connections;
    if (turn > 0) await sleep(turn);
    const connection = new Connection(ports[index % ports.length] ?? 0);
    while (goesOn()) {
      begun += 1;
      times.push(await connection.ask(request));
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, (_, index) => run(index)));
  return sampleOf(times, performance.now() - began);
}

export interface Rate {
  readonly port: number;
  readonly request: Buffer;
  readonly perSecond: number;
  readonly requests: number;
}

/**
 * An open loop: requests begin by the clock, whatever became of those before, each on an idle connection or a new one.
 * @throws Error as `Connection.ask`
 */
export async function driveAt({ port, request, perSecond, requests }: Rate): Promise<Sample> {
  const times: Times[] = [];
  const idle: Connection[] = [];
  const began = performance.now();
  const one = async (): Promise<void> => {
    const connection = idle.pop() ?? new Connection(port);
    times.push(await connection.ask(request));
    idle.push(connection);
  };
  const running: Promise<void>[] = [];
  for (let begun = 0; begun < requests; begun += 1) {
    const wait = began + (begun * 1000) / perSecond - performance.now();
    if (wait > 0) await sleep(wait);
    const pending = one();
    pending.catch(() => undefined);
    running.push(pending);
  }
  await Promise.all(running);
  for (const connection of idle) connection.close();
  return sampleOf(times, performance.now() - began);
}

/** Asks once, for the bytes: whatever stands between must not change them. */
export async function askOnce(port: number, request: Buffer): Promise<{ head: string; body: Buffer }> {
  const socket = connect(port, '127.0.0.1');
  const reader = new MessageReader(true);
  return new Promise((resolve, reject) => {
    socket.on('error', reject).on('close', () => reject(new Error('closed before its answer')));
    socket.on('data', (chunk) => {
      if (!reader.take(chunk)) return;
      resolve({ head: reader.head, body: reader.body });
      socket.destroy();
    });
    socket.write(request);
  });
}

function sampleOf(times: readonly Times[], ms: number): Sample {
  return {
    answers: times.length,
    seconds: ms / 1000,
    firstByte: times.map(({ first }) => first),
    latency: times.map(({ whole }) => whole),
    delays: times.flatMap(({ delays }) => delays),
  };
}
