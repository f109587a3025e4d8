import type { NeutralEvent } from './neutral.ts';
import type { EventReader, EventWriter } from './sides.ts';

/** Answers of a translated call: the upstream's bytes in, the client's frames out. */
export interface AnswerTranslator {
  /** Undefined = no frame is complete yet. @throws Error when the bytes are not the upstream's dialect */
  push(bytes: Uint8Array): Uint8Array | undefined;
  /** The upstream's answer came to its own end. @throws Error likewise */
  finish(): Uint8Array | undefined;
}

/** The largest document that is translated: a whole answer is in memory, twice. */
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;

/** Event by event, as the upstream's frames complete; nothing after an `error`, whose frame is the relay's to write. */
export function streamedAnswer(reader: EventReader, writer: EventWriter): AnswerTranslator {
  let failed = false;
  const written = (events: readonly NeutralEvent[]): Uint8Array | undefined => {
    let text = '';
    for (const event of events) {
      failed ||= event.type === 'error';
      if (failed) break;
      text += writer.write(event);
    }
    return text === '' ? undefined : Buffer.from(text);
  };
  return {
    push: (bytes) => (failed ? undefined : written(reader.push(bytes))),
    finish: () => (failed ? undefined : written(reader.finish())),
  };
}

/** One document for one document. */
export function documentAnswer(translated: (document: unknown) => object): AnswerTranslator {
  const chunks: Uint8Array[] = [];
  let size = 0;
  return {
    push(bytes) {
      size += bytes.length;
      if (size > MAX_DOCUMENT_BYTES) throw new Error('The answer is too large to be translated');
      chunks.push(bytes);
      return undefined;
    },
    finish() {
      const document: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      return Buffer.from(JSON.stringify(translated(document)));
    },
  };
}
