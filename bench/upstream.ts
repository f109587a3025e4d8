import { createServer, type Socket } from 'node:net';
import { MessageReader } from './message-reader.ts';
import { JSON_ANSWER, readWish, streamEvents, type Wish } from './messages.ts';
import { announce } from './announce.ts';

/** A process of its own: answers each request at once, from bytes made ready before, over bare sockets. */

const HEAD = 'HTTP/1.1 200 OK\r\nrequest-id: req_bench\r\ncontent-type: ';
const JSON_BYTES = Buffer.from(
  `${HEAD}application/json\r\ncontent-length: ${Buffer.byteLength(JSON_ANSWER)}\r\n\r\n${JSON_ANSWER}`,
);
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

const asChunk = (text: string): Buffer =>
  Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);

interface Stream {
  readonly head: Buffer;
  readonly delta: Buffer;
  readonly after: readonly Buffer[];
}
const streams = new Map<number, Stream>();

function streamOf(deltas: number): Stream {
  const known = streams.get(deltas);
  if (known !== undefined) return known;
  const { before, delta, after } = streamEvents(deltas);
  const head = `${HEAD}text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n`;
  const stream = {
    head: Buffer.concat([Buffer.from(head), ...before.map(asChunk)]),
    delta: asChunk(delta),
    after: [...after.map(asChunk), LAST_CHUNK],
  };
  streams.set(deltas, stream);
  return stream;
}

function answer(socket: Socket, wish: Wish): void {
  if (wish === 'json') {
    socket.write(JSON_BYTES);
    return;
  }
  const { head, delta, after } = streamOf(wish.deltas);
  socket.write(head);
  if (wish.paceMs === 0) {
    for (let sent = 0; sent < wish.deltas; sent += 1) socket.write(delta);
    for (const piece of after) socket.write(piece);
    return;
  }
  let sent = 0;
  const pace = setInterval(() => {
    if (sent < wish.deltas && socket.writable) {
      socket.write(delta);
      sent += 1;
      return;
    }
    clearInterval(pace);
    if (socket.writable) for (const piece of after) socket.write(piece);
  }, wish.paceMs);
}

const server = createServer({ noDelay: true }, (socket) => {
  const reader = new MessageReader(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    if (!reader.take(chunk)) return;
    const wish = readWish(reader.body);
    reader.reset();
    answer(socket, wish);
  });
});
announce(server);
