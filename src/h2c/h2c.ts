import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { H2cConnection, type H2cClocks } from './connection.ts';
import { openingOf } from './opening.ts';
import { PairEnd } from './pair.ts';

const TOO_LATE = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';

type Listener = (socket: Duplex) => void;

/**
 * HTTP/2 with prior knowledge (RFC 9113, section 3.3) on the port of an HTTP/1.1 server. The server owns every socket, and
 * with it its clocks and its drain; each stream reaches it as a request of HTTP/1.1 of its own (`carry`).
 *
 * States of a connection: silent (its first bytes are awaited, under the clock for heads) → the server's own, from its
 * first byte on, when they are no preface | speaking HTTP/2 (`H2cConnection`) → closed.
 * States of the whole: open → going away (GOAWAY to all that are here; those that come are served once) → closed (no new
 * connection; open streams run on).
 */
export class H2c {
  private readonly silent = new Set<Socket>();
  private readonly connections = new Set<H2cConnection>();
  private leaving = false;
  private closed = false;
  private waiting: (() => void)[] = [];
  private readonly listeners: readonly Listener[];

  /** Takes the place of what the server does with a new connection, and gives it those that speak HTTP/1.1. */
  constructor(
    private readonly server: Server,
    private readonly clocks: H2cClocks,
  ) {
    this.listeners = server.listeners('connection') as Listener[];
    server.removeAllListeners('connection');
    server.on('connection', (socket) => this.listen(socket));
  }

  goAway(): void {
    this.leaving = true;
    for (const connection of this.connections) connection.goAway();
  }

  close(): void {
    this.closed = true;
    this.goAway();
    for (const socket of this.silent) socket.destroy();
  }

  /** Resolves when no stream is open, or when `ms` have passed. */
  async ended(ms: number): Promise<void> {
    if (!this.busy) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }

  /** Every stream that is still open is cut. */
  cut(): void {
    this.close();
    for (const connection of this.connections) if (connection.busy) connection.cut();
  }

  private get busy(): boolean {
    return [...this.connections].some(({ busy }) => busy);
  }

  private listen(socket: Socket): void {
    if (this.closed) {
      socket.destroy();
      return;
    }
    this.silent.add(socket);
    let seen = Buffer.alloc(0);
    const gone = (): void => void socket.destroy();
    const stop = (): void => {
      clearTimeout(clock);
      this.silent.delete(socket);
      socket.off('readable', look).off('end', gone).off('error', gone).off('close', stop);
    };
    const clock = setTimeout(() => {
      stop();
      socket.on('error', gone).end(TOO_LATE, gone);
    }, this.clocks.headersMs);
    const look = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      seen = Buffer.concat([seen, bytes]);
      const opening = openingOf(seen);
      if (opening === 'unknown') return;
      stop();
      socket.unshift(seen);
      if (opening === 'http2') this.greet(socket);
      else this.give(socket);
    };
    socket.on('readable', look).on('end', gone).on('error', gone).on('close', stop);
  }

  private greet(socket: Socket): void {
    const connection = new H2cConnection(socket, this.clocks, () => {
      const [near, far] = PairEnd.pair(socket);
      this.give(far);
      return near;
    });
    this.connections.add(connection);
    if (this.leaving) connection.goAwaySoon();
    connection.on('idle', () => this.wake());
    connection.on('close', () => {
      this.connections.delete(connection);
      this.wake();
    });
  }

  private give(socket: Duplex): void {
    for (const listener of this.listeners) listener.call(this.server, socket);
  }

  private wake(): void {
    if (this.busy) return;
    for (const wake of this.waiting.splice(0)) wake();
  }
}
