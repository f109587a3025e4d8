import type { IncomingMessage } from 'node:http';
import { RequestIds } from './request-ids.ts';

/** What is known of a request before anything else is. */
export interface RequestContext {
  /** The ledger's id, uuidv7: made here, never taken from a client, and in the order of arrival. */
  readonly requestId: string;
  /** The client's own id, to be echoed: printable ASCII, at most 128 characters. */
  readonly clientRequestId: string | undefined;
  /** `performance.now()` at the first look. */
  readonly receivedAt: number;
}

const CLIENT_ID_LENGTH = 128;
const ids = new RequestIds();
/** On the request itself: a look into a weak map costs more, and each of its entries is the garbage collector's work. */
const CONTEXT = Symbol('RequestContext');

/** The same context for the whole life of a request. */
export function contextOf(request: IncomingMessage & { [CONTEXT]?: RequestContext }): RequestContext {
  return (request[CONTEXT] ??= {
    requestId: ids.next(),
    clientRequestId: clientIdOf(request),
    receivedAt: performance.now(),
  });
}

function clientIdOf({ headers }: IncomingMessage): string | undefined {
  const given = headers['x-relay-client-request-id'] ?? headers['x-request-id'];
  if (typeof given !== 'string') return undefined;
  const printable = given.replace(/[^\x20-\x7e]/g, '').trim();
  return printable === '' ? undefined : printable.slice(0, CLIENT_ID_LENGTH);
}
