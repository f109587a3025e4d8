import { createHash, type Hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** `cut-by-fault` is every end that a fault made (reset, early end, cut chunk), however it looked on the wire. */
export type Ending = 'finished' | 'client-closed' | 'cut-by-fault';

/** One request as it was seen. Times are milliseconds since the epoch, with fractions. */
export interface SimulatedRequest {
  /** 1, 2, 3 … in the order of arrival. */
  readonly id: number;
  /** The `request-id` given in the answer. */
  readonly requestId: string;
  readonly receivedAt: number;
  readonly endedAt: number | undefined;
  readonly method: string;
  /** As on the wire, query included. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** The first 64 KiB; empty once the memory for bodies is used up by later requests. */
  readonly body: Buffer;
  readonly bodyBytes: number;
  readonly bodySha256: string;
  readonly socket: number;
  readonly operation: string;
  readonly model: string | undefined;
  /** `[[sim: marker=…]]` */
  readonly marker: string | undefined;
  /** The account's credential, wherever it stood. */
  readonly credential: string | undefined;
  readonly credentialIn: string | undefined;
  readonly status: number | undefined;
  /** Body bytes the kernel took, chunk framing not counted. */
  readonly bytesSent: number;
  /** Whole frames among them. */
  readonly framesSent: number;
  /** The first 64 KiB of what was sent. */
  readonly answer: Buffer;
  /** Of all that was sent; undefined while it runs. */
  readonly answerSha256: string | undefined;
  /** Undefined while it runs. */
  readonly ended: Ending | undefined;
}

export interface SimulatedSocket {
  readonly id: number;
  readonly openedAt: number;
  readonly closedAt: number | undefined;
  /** Ids of the requests it carried. */
  readonly requests: readonly number[];
  /** Requests that came on it after one of its requests had been cut by either side: always 0 in a sound client. */
  readonly usedAfterCut: number;
}

export type OpenSocket = { -readonly [K in keyof SimulatedSocket]: SimulatedSocket[K] } & {
  requests: number[];
  cut: boolean;
};

export type OpenRequest = { -readonly [K in keyof SimulatedRequest]: SimulatedRequest[K] } & {
  hash: Hash | undefined;
  /** Room for `answer`, grown by doubling. */
  store: Buffer;
  /** Counts towards what is in flight: it generates, it does not merely count or list. */
  counted: boolean;
};

const KEPT_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);

/**
 * The test's oracle: what came, on which socket, what was sent, how it ended. States: records in order of arrival
 * (the oldest dropped beyond `limit`), sockets likewise, requests in flight and the most there were, by credential.
 */
export class Journal {
  readonly requests: OpenRequest[] = [];
  readonly sockets: OpenSocket[] = [];
  private readonly running = new Map<string, number>();
  private readonly most = new Map<string, number>();
  private requestCount = 0;
  private socketCount = 0;
  private kept = 0;
  private oldestKept = 0;

  constructor(
    private readonly limit: number,
    private readonly memory: number,
  ) {}

  openSocket(): OpenSocket {
    this.socketCount += 1;
    const socket: OpenSocket = {
      id: this.socketCount,
      openedAt: now(),
      closedAt: undefined,
      requests: [],
      usedAfterCut: 0,
      cut: false,
    };
    this.sockets.push(socket);
    if (this.sockets.length > this.limit * 1.1) this.sockets.splice(0, this.limit * 0.1);
    return socket;
  }

  nextId(): number {
    this.requestCount += 1;
    return this.requestCount;
  }

  open(record: OpenRequest, socket: OpenSocket): void {
    this.requests.push(record);
    if (this.requests.length > this.limit * 1.1) {
      for (const old of this.requests.splice(0, this.limit * 0.1)) this.forget(old);
      this.oldestKept = 0;
    }
    socket.requests.push(record.id);
    if (socket.cut) socket.usedAfterCut += 1;
  }

  /** Keeps the body's beginning, and drops the oldest ones kept beyond the memory allowed. */
  keepBody(record: OpenRequest, body: Buffer, sha256: string): void {
    record.body = this.copied(body.subarray(0, KEPT_BYTES));
    record.bodyBytes = body.length;
    record.bodySha256 = sha256;
  }

  /** From here on the request holds a place of its credential's; counting requests hold none. */
  start(record: OpenRequest): void {
    record.counted = true;
    for (const name of ['', record.credential ?? '-']) {
      const running = (this.running.get(name) ?? 0) + 1;
      this.running.set(name, running);
      this.most.set(name, Math.max(running, this.most.get(name) ?? 0));
    }
  }

  sent(record: OpenRequest, bytes: Buffer): void {
    record.bytesSent += bytes.length;
    record.hash ??= createHash('sha256');
    record.hash.update(bytes);
    const length = Math.min(KEPT_BYTES, record.answer.length + bytes.length);
    if (length === record.answer.length) return;
    if (length > record.store.length) {
      const store = Buffer.alloc(Math.min(KEPT_BYTES, Math.max(1024, length * 2)));
      record.answer.copy(store);
      record.store = store;
    }
    bytes.copy(record.store, record.answer.length);
    record.answer = record.store.subarray(0, length);
  }

  end(record: OpenRequest, socket: OpenSocket, ending: Ending): void {
    if (record.ended !== undefined) return;
    record.ended = ending;
    record.endedAt = now();
    record.answerSha256 = (record.hash ?? createHash('sha256')).digest('hex');
    record.hash = undefined;
    record.answer = this.copied(record.answer);
    record.store = EMPTY;
    if (ending !== 'finished') socket.cut = true;
    if (!record.counted) return;
    for (const name of ['', record.credential ?? '-']) {
      const running = this.running.get(name);
      // After clear() there is nothing of this request left to take back.
      if (running !== undefined && running > 0) this.running.set(name, running - 1);
    }
  }

  inFlight(credential = ''): number {
    return this.running.get(credential) ?? 0;
  }

  maxInFlight(credential = ''): number {
    return this.most.get(credential) ?? 0;
  }

  /** Forgets what is over; what runs stays counted, and the most becomes what runs now. */
  clear(): void {
    this.requests.splice(0, this.requests.length, ...this.requests.filter((r) => r.ended === undefined));
    this.sockets.splice(0, this.sockets.length, ...this.sockets.filter((s) => s.closedAt === undefined));
    this.most.clear();
    for (const [name, running] of this.running) {
      if (running > 0) this.most.set(name, running);
      else this.running.delete(name);
    }
    this.kept = this.requests.reduce((sum, running) => sum + running.body.length, 0);
    this.oldestKept = 0;
  }

  private copied(bytes: Buffer): Buffer {
    this.kept += bytes.length;
    while (this.kept > this.memory && this.oldestKept < this.requests.length) {
      const old = this.requests[this.oldestKept];
      if (old === undefined || old.ended === undefined) break;
      this.forget(old);
      this.oldestKept += 1;
    }
    return bytes.length === 0 ? EMPTY : Buffer.from(bytes);
  }

  private forget(old: OpenRequest): void {
    this.kept -= old.body.length + (old.ended === undefined ? 0 : old.answer.length);
    old.body = EMPTY;
    old.answer = EMPTY;
  }
}

/** Milliseconds since the epoch, monotonic within the process. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
