import type { Socket } from 'node:net';
import { UpstreamFailure } from './upstream-failure.ts';

/**
 * What is said with a proxy before the tunnel stands. Nothing is read past what was asked for, so that the socket goes
 * on to TLS or HTTP as if it were new; bytes that come before anybody spoke to the upstream are no upstream's, and
 * would be taken for the first answer.
 *
 * States: asking (a read is pending) ↔ idle → over, by `silent` or by the socket's end.
 */
export class ProxyDialogue {
  constructor(private readonly socket: Socket) {}

  say(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** @throws UpstreamFailure when the proxy closes first */
  async read(count: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let missing = count; missing > 0; missing -= pieces.at(-1)?.length ?? 0) {
      while (this.socket.readableLength === 0) await this.readable();
      // A stream that holds less than it is asked for would say at once, and again, that it is readable.
      pieces.push(this.socket.read(Math.min(missing, this.socket.readableLength)) as Buffer);
    }
    return Buffer.concat(pieces);
  }

  /** Up to and with the blank line that ends an HTTP head. @throws UpstreamFailure when there is none within `limit` */
  async readHead(limit: number): Promise<string> {
    let head = '';
    while (!head.endsWith('\r\n\r\n')) {
      if (head.length >= limit) throw new UpstreamFailure('proxy-refused', 'PROXY_PROTOCOL');
      head += (await this.read(1)).toString('latin1');
    }
    return head;
  }

  /** @throws UpstreamFailure when the proxy has said more than it was asked */
  silent(): void {
    if (this.socket.readableLength > 0) throw new UpstreamFailure('proxy-refused', 'PROXY_PROTOCOL');
  }

  private readable(): Promise<void> {
    const { socket } = this;
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
      };
      const onReadable = (): void => {
        stop();
        resolve();
      };
      const onEnd = (): void => {
        stop();
        reject(new UpstreamFailure('proxy-refused', 'PROXY_CLOSED'));
      };
      const onError = (error: Error): void => {
        stop();
        reject(error);
      };
      if (socket.destroyed || socket.readableEnded) return onEnd();
      socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onError);
    });
  }
}
