const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/**
 * Finds the end of one HTTP/1.1 message (a request or an answer) in the bytes of a socket, and not much else: it is
 * the cheapest honest client and server, so that what is measured between them is the proxy. Pipelining is not
 * expected. A chunked body is taken to end where the last five bytes say so, which holds for bodies without CR.
 *
 * States: in the head → in the body → complete. `reset` begins the next message.
 */
export class MessageReader {
  head = '';
  /** Bytes of the body as they came, framing included. */
  bodyBytes = 0;
  private early: Buffer = Buffer.alloc(0);
  private left: number | undefined;
  private tail: Buffer = Buffer.alloc(0);
  private readonly parts: Buffer[] = [];

  constructor(private readonly keepsBody: boolean) {}

  /** True once the message is complete. */
  take(chunk: Buffer): boolean {
    if (this.head !== '') return this.takeBody(chunk);
    const bytes = this.early.length === 0 ? chunk : Buffer.concat([this.early, chunk]);
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) {
      this.early = bytes;
      return false;
    }
    this.head = bytes.toString('latin1', 0, end);
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(this.head) ?? [];
    if (length !== undefined) this.left = Number(length);
    else if (!/\r\ntransfer-encoding: *chunked/i.test(this.head)) this.left = 0;
    return this.takeBody(bytes.subarray(end + HEAD_END.length));
  }

  get body(): Buffer {
    return Buffer.concat(this.parts);
  }

  reset(): void {
    this.head = '';
    this.bodyBytes = 0;
    this.early = Buffer.alloc(0);
    this.left = undefined;
    this.tail = Buffer.alloc(0);
    this.parts.length = 0;
  }

  private takeBody(bytes: Buffer): boolean {
    this.bodyBytes += bytes.length;
    if (this.keepsBody && bytes.length > 0) this.parts.push(bytes);
    if (this.left !== undefined) return this.bodyBytes >= this.left;
    this.tail =
      bytes.length >= LAST_CHUNK.length
        ? bytes.subarray(-LAST_CHUNK.length)
        : Buffer.concat([this.tail, bytes]).subarray(-LAST_CHUNK.length);
    return this.tail.equals(LAST_CHUNK);
  }
}
