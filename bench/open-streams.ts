import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readTreeMemory } from './cpu.ts';
import { askOnce, drive } from './driver.ts';
import { questionTo, type Target } from './measure.ts';
import type { Table } from './report.ts';

/** What streams that stay open hold in memory, and what is left of them upstream when their clients hang up. */

const SLOW = { deltas: 3_600, paceMs: 1_000 };
/** About 10 MB. */
const LARGE = { deltas: 160, paceMs: 0, textBytes: 64 * 1024 };
export const STALLED = 100;
const STALLED_MS = 4_000;
const ASKED_AT_ONCE = 50;
const GONE_MS = 1_000;
/** Asked of each target before its memory is read. */
export const WARM_UP_ANSWERS = 3_000;

/** For each target: what one of `count` open streams takes, and how many the upstream still has 1 s after they hung up. */
export async function openStreams(
  targets: readonly Target[],
  upstream: number,
  count: number,
): Promise<Table> {
  const rows: string[][] = [];
  for (const target of targets) {
    await warmUp(target);
    const before = readTreeMemory(target.pid);
    const sockets = await openMany(target, count);
    await sleep(2_000);
    const each = (readTreeMemory(target.pid) - before) / count;
    const open = await openAt(upstream);
    for (const socket of sockets) socket.destroy();
    await sleep(GONE_MS);
    rows.push([target.name, (each / 1024).toFixed(1), String(open), String(await openAt(upstream))]);
    await untilNoneIsOpen(upstream);
  }
  return {
    title: `${count} streams open at once, a delta each second; then all clients hang up`,
    head: ['', 'KB for each stream', 'open upstream', `upstream ${GONE_MS / 1000} s after`],
    rows,
  };
}

/** How much a target grows while clients ask for 10 MB each and read nothing. */
export async function stalledReaders(targets: readonly Target[]): Promise<Table> {
  const rows: string[][] = [];
  for (const target of targets) {
    await warmUp(target);
    const before = readTreeMemory(target.pid);
    const request = questionTo(target, { wish: LARGE });
    const sockets = Array.from({ length: STALLED }, () => {
      const socket = connect(target.port, '127.0.0.1').on('error', () => undefined);
      socket.pause().write(request);
      return socket;
    });
    await sleep(STALLED_MS);
    rows.push([target.name, ((readTreeMemory(target.pid) - before) / 2 ** 20).toFixed(1)]);
    for (const socket of sockets) socket.destroy();
    await sleep(GONE_MS);
  }
  return {
    title: `${STALLED} clients that ask for a stream of 10 MB and read nothing`,
    head: ['', `MB grown after ${STALLED_MS / 1000} s`],
    rows,
  };
}

/** The heap has grown before, by what ordinary requests need. */
async function warmUp(target: Target): Promise<void> {
  const request = questionTo(target, { wish: 'json' });
  await drive({ port: target.port, request, connections: 64, enough: { answers: WARM_UP_ANSWERS } });
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

async function openAt(upstream: number): Promise<number> {
  const { body } = await askOnce(upstream, Buffer.from('GET /open HTTP/1.1\r\nhost: bench\r\n\r\n'));
  return Number(body.toString());
}

async function untilNoneIsOpen(upstream: number): Promise<void> {
  for (let waited = 0; waited < 50 && (await openAt(upstream)) > 0; waited += 1) await sleep(100);
}
