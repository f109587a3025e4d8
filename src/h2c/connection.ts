import { EventEmitter } from 'node:events';
import { maxHeaderSize } from 'node:http';
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carry } from './carry.ts';

export interface H2cClocks {
  /** To a connection's first request. */
  readonly headersMs: number;
  /** Without a stream. */
  readonly idleMs: number;
  /** For a client to take something of an answer that waits for it. */
  readonly stallMs: number;
}

/** As many requests on one connection at once; the next are refused, and may be made again. */
const MOST_STREAMS = 100;
/** What a client may send of one body before it is taken, and of all of them on a connection. */
const STREAM_WINDOW = 256 * 1024;
const CONNECTION_WINDOW = 4 * 1024 * 1024;
/** Each header counts 32 bytes besides its own, so that there are fewer than this in a whole list. */
const MOST_HEADERS = maxHeaderSize / 32;
/** How long a client that was told to go gets to take its last bytes and to close its side. */
const PARTING_MS = 2_000;

interface Events {
  /** No stream is open any more. */
  idle: [];
  /** Once. */
  close: [];
}

/**
 * A connection that speaks HTTP/2.
 *
 * States: open → going (GOAWAY is sent, open streams run on, new ones are refused) → closed. It is told to go when it has
 * had no stream for the idle time, or none at all within the clock for heads, however many other frames it sends.
 */
export class H2cConnection extends EventEmitter<Events> {
  private readonly session: ServerHttp2Session;
  private streams = 0;
  private leaving = false;
  private clock: NodeJS.Timeout;

  /** @param connect a connection of the server's own, for one request */
  constructor(
    socket: Socket,
    private readonly clocks: H2cClocks,
    private readonly connect: () => Duplex,
  ) {
    super();
    // A client that closes its side has left; the server's own sockets may be half open.
    socket.allowHalfOpen = false;
    this.session = performServerHandshake(socket, {
      maxHeaderListPairs: MOST_HEADERS,
      settings: {
        enablePush: false,
        maxConcurrentStreams: MOST_STREAMS,
        maxHeaderListSize: maxHeaderSize,
        initialWindowSize: STREAM_WINDOW,
      },
    });
    this.clock = setTimeout(() => this.goAway(), clocks.headersMs);
    // The socket's, or a client that breaks the protocol: the session ends with it.
    this.session.on('error', () => undefined);
    this.session.on('connect', () => this.session.setLocalWindowSize(CONNECTION_WINDOW));
    this.session.on('close', () => this.gone());
    // The raw headers are told, too (Node's documentation of Http2Session, event 'stream'), but not typed.
    this.session.on('stream', this.take as () => void);
  }

  get busy(): boolean {
    return this.streams > 0;
  }

  goAway(): void {
    if (!this.session.closed) this.session.close();
    if (!this.busy) this.wait(PARTING_MS, () => this.session.destroy());
  }

  /** GOAWAY after the first streams that come: for one that came too late. */
  goAwaySoon(): void {
    this.leaving = true;
  }

  cut(): void {
    this.session.destroy();
  }

  private readonly take = (
    stream: ServerHttp2Stream,
    _headers: object,
    flags: number,
    raw: readonly string[],
  ): void => {
    clearTimeout(this.clock);
    this.streams += 1;
    stream.once('close', () => this.over());
    const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    carry(stream, raw, ended, this.connect, this.clocks.stallMs);
    if (this.leaving) this.goAway();
  };

  private over(): void {
    this.streams -= 1;
    if (this.busy) return;
    this.emit('idle');
    if (this.session.closed) this.goAway();
    else this.wait(this.clocks.idleMs, () => this.goAway());
  }

  private gone(): void {
    clearTimeout(this.clock);
    this.emit('close');
  }

  private wait(ms: number, then: () => void): void {
    clearTimeout(this.clock);
    if (!this.session.destroyed) this.clock = setTimeout(then, ms);
  }
}
