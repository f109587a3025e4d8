/** What is shorter costs less to be held for as long as its answer takes than to be let go of. */
const SHORT_BYTES = 4 * 1024;

export type SentBody = Buffer | OneShotBody;

/** A request's body as it is given to undici. */
export function sentBody(body: Buffer | readonly Buffer[]): SentBody {
  return Buffer.isBuffer(body) && body.length <= SHORT_BYTES ? body : new OneShotBody(body);
}

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
