import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageReader } from './message-reader.ts';

export interface Load {
  readonly port: number;
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
  /** Milliseconds from a request's last byte written to its answer's first byte, and to its last one. */
  readonly firstByte: readonly number[];
  readonly latency: readonly number[];
}

/**
 * A closed loop: each connection sends its next request when it has its answer.
 * @throws Error on any answer that is not 200, and when a connection is closed.
 */
export async function drive(load: Load): Promise<Sample> {
  const firstByte: number[] = [];
  const latency: number[] = [];
  const began = performance.now();
  let begun = 0;
  const goesOn = (): boolean =>
    'ms' in load.enough ? performance.now() - began < load.enough.ms : begun < load.enough.answers;

  const runs = Array.from({ length: load.connections }, async (_, index) => {
    const turn = ((load.spreadMs ?? 0) * index) / load.connections;
    if (turn > 0) await sleep(turn);
    return runConnection(load, () => {
      if (!goesOn()) return undefined;
      begun += 1;
      return (first, whole) => {
        firstByte.push(first);
        latency.push(whole);
      };
    });
  });
  await Promise.all(runs);
  return { answers: latency.length, seconds: (performance.now() - began) / 1000, firstByte, latency };
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

type Note = (firstByteMs: number, wholeMs: number) => void;

function runConnection(load: Load, begin: () => Note | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
    const reader = new MessageReader(false);
    let sent = 0;
    let first = 0;
    let note: Note | undefined;
    const next = (): void => {
      note = begin();
      if (note === undefined) {
        socket.destroy();
        resolve();
        return;
      }
      first = 0;
      reader.reset();
      socket.write(load.request);
      sent = performance.now();
    };
    socket.on('connect', next);
    socket.on('error', reject).on('close', () => reject(new Error('the server closed a connection')));
    socket.on('data', (chunk) => {
      const now = performance.now();
      if (first === 0) first = now;
      if (!reader.take(chunk)) return;
      if (!reader.head.startsWith('HTTP/1.1 200')) {
        socket.destroy();
        reject(new Error(`not 200: ${reader.head}\n${chunk.toString().slice(-500)}`));
        return;
      }
      note?.(first - sent, now - sent);
      next();
    });
  });
}
