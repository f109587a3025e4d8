import type { AnswerReader, Dialect } from '../dialects/dialect.ts';
import { RelayError } from '../errors/relay-error.ts';
import { forwardedHeaders } from './forwarded-headers.ts';
import type { Exchange } from './exchange.ts';
import type { Try } from './try.ts';

/** What becomes of an answer's bytes on their way to the client. */
export interface Passage {
  /** Undefined = nothing for the client yet. @throws RelayError when they cannot be translated */
  take(bytes: Uint8Array): Uint8Array | undefined;
  /** What is left once the answer came to its own end. @throws RelayError likewise */
  end(): Uint8Array | undefined;
  /** The answer's document is made of the upstream's whole one. */
  readonly whole: boolean;
  /** What came is no frame of its dialect's, and nothing behind it can be trusted. */
  readonly broken: boolean;
  /** After the bytes given so far, does the client stand between two frames? */
  readonly reader: Pick<AnswerReader, 'atBoundary'>;
  headers(upstream: Readonly<Record<string, string>>): Record<string, string>;
}

/** The same bytes where both ends speak one dialect; frames of the client's own where they do not. */
export function passageOf(
  exchange: Exchange,
  { call, sent }: Pick<Try, 'call' | 'sent'>,
  reader: AnswerReader,
): Passage {
  const headers = (upstream: Readonly<Record<string, string>>): Record<string, string> =>
    forwardedHeaders(upstream, exchange.dialect, call.framing);
  const answer = sent.answer?.({
    requestId: exchange.requestId,
    now: Date.now(),
    usage: () => reader.usage,
  });
  if (answer === undefined) {
    if (call.framing === 'event-stream') return wholeMessages(reader, headers);
    return { take: (bytes) => bytes, end: () => undefined, whole: false, broken: false, reader, headers };
  }
  const translated = sent.call.dialect !== call.dialect;
  return {
    take: (bytes) => readable(() => answer.push(bytes)),
    end: () => readable(() => answer.finish()),
    whole: translated && call.framing === 'json',
    broken: false,
    // A translation writes whole frames only; a filter is between two when its upstream is.
    reader: translated ? { atBoundary: true } : reader,
    headers: translated ? () => ({ 'content-type': contentType(exchange.dialect, call.framing) }) : headers,
  };
}

/**
 * The upstream's bytes, a whole sound message at a time: a client that has the beginning of one can be told no error any
 * more, and of one whose checksum is wrong it should have nothing. They were pushed to the reader before.
 */
function wholeMessages(reader: AnswerReader, headers: Passage['headers']): Passage {
  let held: Uint8Array[] = [];
  let given = 0;
  return {
    take(bytes) {
      held.push(bytes);
      const ready = (reader.soundBytes ?? 0) - given;
      if (ready === 0) return undefined;
      given += ready;
      const all = held.length === 1 ? bytes : Buffer.concat(held);
      held = ready === all.length ? [] : [all.subarray(ready)];
      return all.subarray(0, ready);
    },
    end: () => undefined,
    whole: false,
    get broken() {
      return reader.broken === true;
    },
    reader: { atBoundary: true },
    headers,
  };
}

function contentType(dialect: Dialect, framing: Parameters<Dialect['contentType']>[0]): string {
  const essence = dialect.contentType(framing);
  return essence.startsWith('text/') ? `${essence}; charset=utf-8` : essence;
}

function readable<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw Object.assign(
      new RelayError('upstream-unusable', 'The upstream answered with something that is not its own format'),
      { cause },
    );
  }
}
