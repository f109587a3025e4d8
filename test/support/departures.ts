import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { type Asking, asking, isClaude, type Way, WAYS } from './asking.ts';
import type { Rehearsal } from './relay.ts';

/** Clients that leave at random moments, the same ones for the same seed. */

export type Leaving = 'FIN' | 'RST';

export interface Departure {
  readonly way: Way;
  readonly asking: Asking;
  readonly marker: string;
  /** The text that its answer has, and no other call's: its marker again and again. */
  readonly said: string;
  /** Bytes of the answer, head included, after which it leaves; 0: `afterMs` after the upstream was asked. */
  readonly afterBytes: number;
  readonly afterMs: number;
  readonly leaving: Leaving;
}

/** What the client had when it left, or when the answer was over before. */
export interface Departed extends Departure {
  readonly received: Buffer;
}

/** Mulberry32: small, seeded, good enough to choose offsets. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Given by RELAY_TEST_SEED to see one run again, else by the clock; told at once, for a run may not come to its end. */
export function seedOfRun(): number {
  const seed = Number(process.env['RELAY_TEST_SEED'] ?? Date.now() % 1_000_000_007);
  process.stdout.write(`RELAY_TEST_SEED=${seed}\n`);
  return seed;
}

/** A little less than the shortest streamed answer asked for here. */
const STREAM_BYTES = 4_800;
const WORDS = 10;
/** As many of all clients stay to the end. */
const STAYING = 0.08;

export function departures(count: number, random: () => number, key: string): Departure[] {
  return Array.from({ length: count }, () => {
    const way = WAYS[Math.floor(random() * WAYS.length)] as Way;
    const whole = way.endsWith('JSON');
    const staying = random() < STAYING;
    const early = !staying && (whole || random() < 0.15);
    const pace = whole ? `latency=${50 + Math.floor(random() * 20)}` : 'every=1';
    const marker = randomUUID();
    const said = Array.from({ length: WORDS }, () => marker).join(' ');
    const directives = `deltas=30 ${pace} marker=${marker} say="${said}"`;
    return {
      way,
      asking: asking(way, key, `Leave when you like. [[sim: ${directives}]]`),
      marker,
      said,
      afterBytes: staying ? Infinity : early ? 0 : Math.ceil(random() * STREAM_BYTES),
      afterMs: Math.floor(random() * 50),
      leaving: random() < 0.5 ? 'FIN' : 'RST',
    };
  });
}

/** All of them, so many at a time. */
export async function depart(
  rehearsal: Rehearsal,
  all: readonly Departure[],
  atOnce: number,
): Promise<Departed[]> {
  const left: Departed[] = [];
  const waiting = [...all];
  const lane = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      left.push({ ...one, received: await departOnce(rehearsal, one) });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return left;
}

/** Answers the bytes received, head included. */
function departOnce({ url, simulator }: Rehearsal, one: Departure): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = ask(url, one.asking);
    const pieces: Buffer[] = [];
    let size = 0;
    let timer: NodeJS.Timeout | undefined;
    const over = (): void => {
      clearTimeout(timer);
      resolve(Buffer.concat(pieces));
    };
    const leaveOnceAsked = (): void => {
      const asked = simulator.find(one.marker) !== undefined;
      timer = asked
        ? setTimeout(() => leave(socket, one.leaving), one.afterMs)
        : setTimeout(leaveOnceAsked, 2);
    };
    if (one.afterBytes === 0) leaveOnceAsked();
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece);
      size += piece.length;
      if (one.afterBytes > 0 && size >= one.afterBytes) leave(socket, one.leaving);
    });
    socket.on('error', () => undefined).on('close', over);
  });
}

/** A connection that has sent the request and waits; `connection: close`, so that a whole answer ends it. */
export function ask(url: string, { path, headers, body }: Asking): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const lines = Object.entries({
    host: hostname,
    connection: 'close',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  });
  socket.write(
    `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  );
  return socket;
}

export function leave(socket: Socket, how: Leaving): void {
  if (how === 'RST') socket.resetAndDestroy();
  else socket.destroy();
}

/** The text that the client has certainly been told: that of whole frames in what it received. */
export function textReceived({ way, received }: Departed): string {
  const body = unchunked(received);
  const texts = isClaude(way)
    ? [...body.matchAll(/"delta":\{"type":"text_delta","text":("(?:[^"\\]|\\.)*")\}\}\n\n/g)]
    : way.startsWith('OpenAI')
      ? [...body.matchAll(/"content":\s*("(?:[^"\\]|\\.)*")/g)]
      : [...body.matchAll(/"text":\s*("(?:[^"\\]|\\.)*")/g)];
  return texts.map(([, text]) => JSON.parse(text ?? '""') as string).join('');
}

/** I9: not a letter that was said to somebody else, and none left out. */
export function heardOthers(one: Departed): boolean {
  return !one.said.startsWith(textReceived(one));
}

/** The body, as far as it came, without the framing of its chunks. */
function unchunked(received: Buffer): string {
  const start = received.indexOf('\r\n\r\n');
  if (start < 0) return '';
  const rest = received.subarray(start + 4);
  if (!received.subarray(0, start).toString().toLowerCase().includes('transfer-encoding: chunked')) {
    return rest.toString();
  }
  const pieces: Buffer[] = [];
  for (let at = 0; at < rest.length;) {
    const line = rest.indexOf('\r\n', at);
    if (line < 0) break;
    const size = Number.parseInt(rest.toString('latin1', at, line), 16);
    if (!(size > 0)) break;
    pieces.push(rest.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return Buffer.concat(pieces).toString();
}
