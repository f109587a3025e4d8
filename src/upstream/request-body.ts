/**
 * A request body that lets go of its bytes as they are taken to be sent. The client library holds the body's object
 * until the answer has ended, which for a stream may be an hour; with a Buffer it would hold the bytes as long.
 */
export class OneShotBody implements Iterable<Buffer> {
  private readonly chunks: Buffer[];
  readonly byteLength: number;

  constructor(body: Buffer | readonly Buffer[]) {
    this.chunks = (Buffer.isBuffer(body) ? [body] : [...body]).filter((chunk) => chunk.length > 0);
    this.byteLength = this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  *[Symbol.iterator](): Iterator<Buffer> {
    for (let chunk = this.chunks.shift(); chunk !== undefined; chunk = this.chunks.shift()) yield chunk;
  }
}
