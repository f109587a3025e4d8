import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Fault, Point } from './faults.ts';
import type { Journal, OpenRequest, OpenSocket } from './journal.ts';
import { pieces } from './pieces.ts';
import type { Reply } from './reply.ts';

type Stop = 'hang' | 'reset' | 'end' | 'fin' | 'cut';
const STOPS: readonly Stop[] = ['hang', 'reset', 'end', 'fin', 'cut'];

/** Data and RST that arrive together look like a FIN to libuv: the client gets this long to read before. */
const RESET_AFTER_MS = 20;

/** A fault ended the answer; nothing more is to be written. */
class Ended extends Error {}

/**
 * Writes one answer, doing to its bytes what the fault says. Each piece waits until the kernel has taken the one
 * before, so a client that stops reading stops the answer, and `bytesSent` says how far it came.
 * States: before the head → head written → body → over (finished, cut by the fault, or left by the client).
 */
export class Wire {
  private closed = false;
  private wake: (() => void) | undefined;
  private sent = 0;
  private frames = 0;
  private readonly done = new Set<Stop>();
  private fault: Fault = {};

  constructor(
    private readonly response: ServerResponse,
    private readonly journal: Journal,
    private readonly record: OpenRequest,
    private readonly socket: OpenSocket,
  ) {
    response.once('close', () => {
      this.closed = true;
      journal.end(record, socket, response.writableFinished ? 'finished' : 'client-closed');
      this.wake?.();
    });
    response.once('finish', () => journal.end(record, socket, 'finished'));
  }

  async deliver(reply: Reply, fault: Fault): Promise<void> {
    this.fault = fault;
    try {
      if (this.fault.latency !== undefined) await this.wait(this.fault.latency);
      await this.stopAt('head');
      this.head(reply);
      await this.body(reply.frames);
      await this.stopAt('tail');
      this.response.end();
      this.closeIdle();
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
    }
  }

  private head(reply: Reply): void {
    if (this.closed) throw new Ended();
    this.record.status = reply.status;
    if (this.fault.untilClose === true) this.response.useChunkedEncodingByDefault = false;
    this.response.writeHead(reply.status, reply.headers);
    this.response.flushHeaders();
  }

  private async body(frames: Reply['frames']): Promise<void> {
    for await (const frame of frames) {
      const next = this.byteStop(frame.length);
      await this.stopAt(this.frames, frame);
      if (this.frames > 0 && this.fault.every !== undefined) await this.wait(this.fault.every);
      if (next === undefined) {
        await this.write(frame);
      } else {
        const keep = next - this.sent;
        await this.write(frame.subarray(0, keep));
        await this.stopAt(`${next}b`, frame.subarray(keep));
        await this.write(frame.subarray(keep));
      }
      this.frames += 1;
      this.record.framesSent = this.frames;
    }
  }

  /** The offset of a byte stop inside the next so many bytes. */
  private byteStop(length: number): number | undefined {
    for (const stop of STOPS) {
      const point = this.fault[stop];
      if (typeof point !== 'string' || !point.endsWith('b') || this.done.has(stop)) continue;
      const at = Number.parseInt(point, 10);
      if (at < this.sent + length) return at;
    }
    return undefined;
  }

  private async stopAt(here: Point, rest?: Buffer): Promise<void> {
    for (const stop of STOPS) {
      if (this.fault[stop] !== here || this.done.has(stop)) continue;
      this.done.add(stop);
      if (stop !== 'hang') return this.cutOff(stop, rest);
      await this.wait(this.fault.hangFor);
    }
    if (this.closed) throw new Ended();
  }

  /** Ends the answer the way the fault says. @throws Ended always */
  private cutOff(stop: Exclude<Stop, 'hang'>, rest: Buffer | undefined): never {
    const { socket } = this.response;
    this.journal.end(this.record, this.socket, 'cut-by-fault');
    if (stop === 'end') this.response.end();
    else if (stop === 'reset')
      setTimeout(() => reset(socket), this.response.headersSent ? RESET_AFTER_MS : 0);
    else {
      if (stop === 'cut') {
        // A chunk that announces more than comes.
        const part = rest ?? Buffer.from('torso');
        const length = part.length + 16;
        socket?.write(
          Buffer.concat([Buffer.from(`${length.toString(16)}\r\n`), part.subarray(0, part.length / 2)]),
        );
      }
      socket?.destroySoon();
    }
    throw new Ended();
  }

  private async write(frame: Buffer): Promise<void> {
    const split = this.fault.split ?? (this.fault.drip === undefined ? undefined : 1);
    for (const piece of pieces(frame, split, this.sent)) {
      if (piece.length === 0) continue;
      if (this.fault.drip !== undefined) await this.wait(this.fault.drip);
      await this.accepted(piece);
      this.sent += piece.length;
    }
  }

  /** Resolves when the kernel has taken the piece. @throws Ended when the client has gone */
  private accepted(piece: Buffer): Promise<void> {
    if (this.closed) throw new Ended();
    const { socket } = this.response;
    return new Promise((resolve, reject) => {
      this.wake = () => reject(new Ended());
      this.response.write(piece, (error) => {
        // Node calls back without an error when the connection broke before the bytes were taken.
        if (error || socket?.destroyed === true) return reject(new Ended());
        this.journal.sent(this.record, piece);
        resolve();
      });
    });
  }

  /** So long, or until the connection closes. @throws Ended when it has closed */
  private async wait(ms: number | undefined): Promise<void> {
    if (this.closed) throw new Ended();
    await new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    if (this.closed) throw new Ended();
  }

  /** Closes the idle socket without having said `connection: close`, as a vendor's edge does. */
  private closeIdle(): void {
    const { idleClose } = this.fault;
    const { socket } = this.response;
    if (idleClose === undefined || socket === null) return;
    setTimeout(() => socket.destroySoon(), idleClose).unref();
  }
}

/** RST and nothing before it: `resetAndDestroy()` shuts down first, so that the client would see FIN, then RST. */
function reset(socket: (Socket & { resetAndClosing?: boolean }) | null): void {
  if (socket === null) return;
  socket.resetAndClosing = true;
  socket.destroy();
}
