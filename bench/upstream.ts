import { createServer, type Socket } from 'node:net';
import { MessageReader } from './message-reader.ts';
import { JSON_ANSWER, readWish, streamEvents, type Wish } from './messages.ts';
import { announce } from './announce.ts';
import { NO_STAMP, stamped } from './stamp.ts';

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
  /** Where the delta's stamp begins, if it has one. */
  readonly stampAt: number;
  readonly after: readonly Buffer[];
}
const streams = new Map<string, Stream>();
/** Streams that have not ended, and whose client is still there. */
let open = 0;

function streamOf(wish: Exclude<Wish, 'json'>): Stream {
  const name = JSON.stringify(wish);
  const known = streams.get(name);
  if (known !== undefined) return known;
  const { before, delta, after } = streamEvents(wish);
  const head = `${HEAD}text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n`;
  const stream = {
    head: Buffer.concat([Buffer.from(head), ...before.map(asChunk)]),
    delta: asChunk(delta),
    stampAt: asChunk(delta).indexOf(NO_STAMP),
    after: [...after.map(asChunk), LAST_CHUNK],
  };
  streams.set(name, stream);
  return stream;
}

function answer(socket: Socket, wish: Wish): void {
  if (wish === 'json') {
    socket.write(JSON_BYTES);
    return;
  }
  const { head, delta, stampAt, after } = streamOf(wish);
  socket.write(head);
  if (wish.paceMs === 0) {
    for (let sent = 0; sent < wish.deltas; sent += 1) socket.write(delta);
    for (const piece of after) socket.write(piece);
    return;
  }
  let sent = 0;
  open += 1;
  const end = (): void => {
    clearInterval(pace);
    socket.off('close', end);
    open -= 1;
  };
  const pace = setInterval(() => {
    if (sent < wish.deltas) {
      socket.write(stamped(delta, stampAt));
      sent += 1;
      return;
    }
    end();
    for (const piece of after) socket.write(piece);
  }, wish.paceMs);
  socket.on('close', end);
}

/** `GET /open`: how many streams are. */
function tellOpen(socket: Socket): void {
  const told = String(open);
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${told.length}\r\n\r\n${told}`);
}

const server = createServer({ noDelay: true }, (socket) => {
  const reader = new MessageReader(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    if (!reader.take(chunk)) return;
    const { head, body } = reader;
    reader.reset();
    if (head.startsWith('GET /open ')) tellOpen(socket);
    else answer(socket, readWish(body));
  });
});
announce(server);
