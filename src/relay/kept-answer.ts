import { dialectOf } from '../dialects/dialect-of.ts';
import type { Call } from '../dialects/dialect.ts';
import { RelayError } from '../errors/relay-error.ts';
import { dialectError, foreignRefusal } from './error-words.ts';
import type { Exchange } from './exchange.ts';
import { forwardedHeaders } from './forwarded-headers.ts';
import type { KeptAnswer } from './miss.ts';
import { type Told, withoutWaits } from './refusal.ts';
import type { RelayEvent } from './relay-event.ts';
import type { Tell } from './relay-observable.ts';
import type { SignedAnswer } from './upstream-call.ts';

/** As much of an error document as is kept to be told later. */
const MOST_BYTES = 64 * 1024;

/** The vendor's refusal as the client would see it; undefined when its document is too long to be kept. */
export async function keptAnswer(
  exchange: Exchange,
  call: Call,
  sent: Call,
  answer: SignedAnswer,
  refusal: Told,
): Promise<KeptAnswer | undefined> {
  const { bytes, whole } = await answer.body.peek(MOST_BYTES);
  if (sent.dialect !== call.dialect) {
    const words = foreignRefusal(dialectOf(sent.dialect), answer.status, bytes);
    const told = dialectError(words, exchange.requestId);
    const body = Buffer.from(exchange.dialect.errorBody(told));
    const headers = { 'content-type': 'application/json', ...exchange.dialect.errorHeaders?.(told) };
    return { status: words.status, headers: { ...headers, ...refusal.headers }, body };
  }
  if (!whole) return undefined;
  return { status: answer.status, headers: refusedHeaders(exchange, answer, refusal), body: bytes };
}

/** The headers of a refusal that passes in the vendor's own words. */
export function refusedHeaders(
  exchange: Exchange,
  answer: SignedAnswer,
  refusal: Told,
): Record<string, string> {
  const forwarded = forwardedHeaders(answer.headers, exchange.dialect, 'json');
  return { ...withoutWaits(forwarded, answer.status), ...refusal.headers };
}

/** The kept answer, as if it came now. */
export async function tellKept(
  { status, headers, body }: KeptAnswer,
  end: Extract<RelayEvent, { type: 'end' }>,
  tell: Tell,
): Promise<void> {
  const length = { 'content-length': String(body.length) };
  await tell({
    type: 'head',
    status,
    headers: { ...headers, ...length },
    framing: 'json',
    reader: { atBoundary: false },
  });
  if (body.length > 0) await tell({ type: 'data', bytes: body });
  await tell(end);
}

export function isOurs(told: KeptAnswer | RelayError): told is RelayError {
  return told instanceof RelayError;
}
