import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** Where a connection comes from and goes to, as Node's sockets tell it. */
export type Addresses = Pick<
  Socket,
  'remoteAddress' | 'remotePort' | 'remoteFamily' | 'localAddress' | 'localPort' | 'localFamily'
>;

/** A long write is read piece by piece, so that a slow reader shows that it reads. */
const MOST_AT_ONCE = 16 * 1024;

type Done = (error?: Error) => void;

/**
 * Two ends of a connection inside the process: what is written at one is read at the other, and waits there until it is.
 *
 * States of an end: open → closed, by itself or with the other. What was written before the other closed has one turn of
 * the event loop to be read, and to the near end (the client's) its closing looks like an end: an answer may be as long as
 * its connection. What is still being written then is cut. What was written to its end is the near one's, as bytes are
 * that a socket has handed to the system: it closes when it has read them.
 */
export class PairEnd extends Duplex implements Addresses {
  private other: PairEnd | undefined;
  /** The other's write, done once this end has room again. */
  private waiting: (() => void) | undefined;

  private constructor(
    private readonly addresses: Addresses,
    private readonly near: boolean,
  ) {
    super({ allowHalfOpen: true });
  }

  /** The second end has the addresses of the connection that it stands for. */
  static pair(addresses: Addresses): [PairEnd, PairEnd] {
    const [near, far] = [new PairEnd({} as Addresses, true), new PairEnd(addresses, false)];
    near.other = far;
    far.other = near;
    return [near, far];
  }

  get remoteAddress(): string | undefined {
    return this.addresses.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.addresses.remotePort;
  }

  get remoteFamily(): string | undefined {
    return this.addresses.remoteFamily;
  }

  get localAddress(): string | undefined {
    return this.addresses.localAddress;
  }

  get localPort(): number | undefined {
    return this.addresses.localPort;
  }

  get localFamily(): string | undefined {
    return this.addresses.localFamily;
  }

  override _read(): void {
    const done = this.waiting;
    this.waiting = undefined;
    done?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    this.give(chunk, 0, done);
  }

  override _final(done: () => void): void {
    if (this.other?.destroyed === false) this.other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { other } = this;
    this.other = undefined;
    this._read();
    if (other?.near === true && !other.destroyed && !this.writableEnded) other.push(null);
    if (other?.near === true && this.writableFinished && !other.readableEnded) {
      other.once('end', () => other.destroy());
    } else if (other !== undefined) {
      setImmediate(() => other.destroy());
    }
    done(error);
  }

  /** From there on, as far as the other has room, and the rest when it has. */
  private give(chunk: Buffer, from: number, done: Done): void {
    for (let at = from; at < chunk.length;) {
      const { other } = this;
      if (other === undefined || other.destroyed) {
        done(new Error('The other end is closed'));
        return;
      }
      const piece = chunk.subarray(at, at + MOST_AT_ONCE);
      at += piece.length;
      if (other.push(piece)) continue;
      const rest = (): void => this.give(chunk, at, done);
      other.waiting = rest;
      return;
    }
    done();
  }
}
