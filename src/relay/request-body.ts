import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { ENV } from '../config/config.module.ts';
import type { Env } from '../config/env.ts';
import { RelayError } from '../errors/relay-error.ts';

/** A body must bring at least this much in each window of the body clock, or be done. */
const PROGRESS_BYTES = 4096;

const EMPTY = Buffer.alloc(0);

/** A request body in memory and its share of the byte budget, given back once. */
export interface HeldBody {
  readonly bytes: Buffer;
  /** Refers to the share only: who keeps it to call it later does not keep the bytes. */
  readonly release: () => void;
}

/**
 * Reads request bodies, bounded one by one and all together. A body that trickles is refused: each window of
 * `RELAY_BODY_IDLE_TIMEOUT_MS` must bring 4 KiB, so that one byte a second does not hold memory for hours.
 *
 * State: `held` is the sum of the bytes reserved by bodies being read or still in use.
 */
@Injectable()
export class RequestBodies {
  private held = 0;

  constructor(@Inject(ENV) private readonly env: Env) {}

  /** @throws RelayError `body-too-large`, `body-slow`, `body-encoded`, `bodies-full`, `call-invalid` */
  async read(request: IncomingMessage): Promise<HeldBody> {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new RelayError('body-encoded', 'content-encoding is not supported: send the body as it is');
    }
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > this.env.maxBodyBytes) throw this.tooLarge();

    const share = new Share(this.env.maxBodiesBytes, (bytes) => this.reserve(bytes));
    try {
      share.grow(declared);
      const bytes = request.complete ? this.whole(request, share) : await this.collect(request, share);
      return { bytes, release: () => share.release() };
    } catch (error) {
      share.release();
      throw error;
    }
  }

  /** A body that has come to its end while its key was looked up, as a small one does: there is nothing to wait for. */
  private whole(request: IncomingMessage, share: Share): Buffer {
    if (request.destroyed) throw endedEarly();
    if (request.readableLength > this.env.maxBodyBytes) throw this.tooLarge();
    share.grow(request.readableLength);
    return (request.read() as Buffer | null) ?? EMPTY;
  }

  private collect(request: IncomingMessage, share: Share): Promise<Buffer> {
    // A client that left while its key was looked up: nothing more is told about this request.
    if (request.destroyed) return Promise.reject(endedEarly());
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      let sizeAtWindow = 0;

      const stop = (): void => {
        clearInterval(clock);
        // None of these stays: they hold the bytes, and the request lives as long as its answer.
        request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      };
      const refuse = (error: unknown): void => {
        stop();
        // What still comes is read and dropped, so that the client can read our answer before the socket closes.
        request.resume();
        reject(error instanceof Error ? error : new Error('The request body cannot be read'));
      };
      const onData = (chunk: Buffer): void => {
        size += chunk.length;
        if (size > this.env.maxBodyBytes) return refuse(this.tooLarge());
        try {
          share.grow(size);
        } catch (error) {
          return refuse(error);
        }
        chunks.push(chunk);
      };
      const onEnd = (): void => {
        stop();
        resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size));
      };
      const onClose = (): void => refuse(endedEarly());
      const clock = setInterval(() => {
        if (size - sizeAtWindow < PROGRESS_BYTES) {
          refuse(new RelayError('body-slow', 'The request body came too slowly'));
        }
        sizeAtWindow = size;
      }, this.env.clocks.bodyIdleMs);

      request.on('error', ignore);
      request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
    });
  }

  private reserve(bytes: number): boolean {
    if (bytes > 0 && this.held + bytes > this.env.maxBodiesBytes) return false;
    this.held += bytes;
    return true;
  }

  private tooLarge(): RelayError {
    return new RelayError('body-too-large', `The request body is larger than ${this.env.maxBodyBytes} bytes`);
  }
}

function endedEarly(): RelayError {
  return new RelayError('call-invalid', 'The request body ended early');
}

/** A request that breaks off after its body was read is noticed by its answer. */
function ignore(): void {}

/** What one body has reserved of the budget; grows with the bytes seen, never shrinks until released. */
class Share {
  private bytes = 0;

  constructor(
    private readonly budget: number,
    private readonly reserve: (bytes: number) => boolean,
  ) {}

  grow(to: number): void {
    const more = to - this.bytes;
    if (more <= 0) return;
    if (!this.reserve(more)) {
      throw new RelayError(
        'bodies-full',
        `More than ${this.budget} bytes of request bodies are in flight`,
        1,
      );
    }
    this.bytes = to;
  }

  release(): void {
    this.reserve(-this.bytes);
    this.bytes = 0;
  }
}
