import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readTreeMemory } from './cpu.ts';
import { askOnce, drive } from './driver.ts';
import { Inspected } from './inspected.ts';
import { questionTo, type Target } from './measure.ts';
import { number, type Table } from './report.ts';

/** What streams that stay open hold in memory, and what is left of them upstream when their clients hang up. */

const SLOW = { deltas: 3_600, paceMs: 1_000 };
/** About 10 MB. */
const LARGE = { deltas: 160, paceMs: 0, textBytes: 64 * 1024 };
export const STALLED = 100;
const ASKED_AT_ONCE = 50;
const GONE_MS = 1_000;
/** Asked of each target before its memory is read. */
export const WARM_UP_ANSWERS = 3_000;

/** Of one target, while clients hold streams open, and after they hung up all at once. */
export interface HeldOpen {
  readonly name: string;
  /** For each stream: what the process grew by, without garbage. */
  readonly kilobytes: number;
  /** Streams that the upstream has then, and 1 s after. */
  readonly open: number;
  readonly left: number;
}

export async function openStreams(
  targets: readonly Target[],
  upstream: number,
  count: number,
): Promise<readonly HeldOpen[]> {
  const found: HeldOpen[] = [];
  for (const target of targets) {
    await warmUp(target);
    const inspected = await Inspected.of(target.pid);
    await inspected.collectGarbage();
    const before = readTreeMemory(target.pid);
    const sockets = await openMany(target, count);
    await sleep(2_000);
    await inspected.collectGarbage();
    const kilobytes = (readTreeMemory(target.pid) - before) / count / 1024;
    const open = await openAt(upstream);
    for (const socket of sockets) socket.destroy();
    await sleep(GONE_MS);
    found.push({ name: target.name, kilobytes, open, left: await openAt(upstream) });
    await inspected.close();
    await untilNoneIsOpen(upstream);
  }
  return found;
}

export function openStreamsTable(found: readonly HeldOpen[], count: number): Table {
  return {
    title: `${count} streams open at once, a delta each second; then all clients hang up`,
    head: ['', 'KB for each stream', 'open upstream', `upstream ${GONE_MS / 1000} s after`],
    rows: found.map(({ name, kilobytes, open, left }) => [
      name,
      number(kilobytes, 1),
      String(open),
      String(left),
    ]),
  };
}

/** How much a target grows while clients ask for 10 MB each and read nothing. */
export interface Stalled {
  readonly name: string;
  readonly megabytes: number;
}

/** @param ms they wait before it is read what they have grown to */
export async function stalledReaders(targets: readonly Target[], ms: number): Promise<readonly Stalled[]> {
  const found: Stalled[] = [];
  for (const target of targets) {
    await warmUp(target);
    const before = readTreeMemory(target.pid);
    const request = questionTo(target, { wish: LARGE });
    const sockets = await Promise.all(Array.from({ length: STALLED }, () => stallOne(target.port, request)));
    await sleep(ms);
    found.push({ name: target.name, megabytes: (readTreeMemory(target.pid) - before) / 2 ** 20 });
    for (const socket of sockets) socket.destroy();
    await sleep(GONE_MS);
  }
  return found;
}

export function stalledReadersTable(found: readonly Stalled[], ms: number): Table {
  return {
    title: `${STALLED} clients that ask for a stream of 10 MB and read nothing`,
    head: ['', `MB grown after ${ms / 1000} s`],
    rows: found.map(({ name, megabytes }) => [name, number(megabytes, 1)]),
  };
}

/** The heap has grown before, by what ordinary requests need. */
async function warmUp(target: Target): Promise<void> {
  const request = questionTo(target, { wish: 'json' });
  await drive({ ports: [target.port], request, connections: 64, enough: { answers: WARM_UP_ANSWERS } });
}

async function openMany(target: Target, count: number): Promise<Socket[]> {
  const request = questionTo(target, { wish: SLOW });
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const some = Math.min(ASKED_AT_ONCE, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: some }, () => openOne(target.port, request)))));
  }
  return sockets;
}

/** Resolves at the answer's first byte. */
function openOne(port: number, request: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject).write(request);
    socket.once('data', () => {
      socket.off('error', reject).on('error', () => undefined);
      resolve(socket);
    });
  });
}

/** Resolves when the answer has begun: who hangs up before that was perhaps never let in. Nothing of it is read. */
function stallOne(port: number, request: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject).write(request);
    socket.once('readable', () => {
      socket.off('error', reject).on('error', () => undefined);
      resolve(socket);
    });
  });
}

async function openAt(upstream: number): Promise<number> {
  const { body } = await askOnce(upstream, Buffer.from('GET /open HTTP/1.1\r\nhost: bench\r\n\r\n'));
  return Number(body.toString());
}

async function untilNoneIsOpen(upstream: number): Promise<void> {
  for (let waited = 0; waited < 50 && (await openAt(upstream)) > 0; waited += 1) await sleep(100);
}
