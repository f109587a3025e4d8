import { streamedFailure } from './bedrock-errors.ts';
import type { AnswerFailure, AnswerReader, Usage } from './dialect.ts';
import { type EventMessage, EventStreamDecoder } from './event-stream.ts';

/** What a dialect makes of the events of its streams: one at a time, in order, none after a failure. */
export type EventMeter = Omit<AnswerReader, 'push' | 'atBoundary' | 'soundBytes' | 'broken'> & {
  /** @param type the message's `:event-type` */
  event(type: string, payload: Buffer): void;
};

/** @throws never; see {@link AnswerReader}. */
export function eventStreamReader(meter: EventMeter): AnswerReader {
  return new EventStreamReader(meter);
}

/**
 * States: reading → failed (the upstream told an error, behind which nothing counts) | broken (bytes that are no sound
 * message, behind which nothing can be trusted).
 */
class EventStreamReader implements AnswerReader {
  private told: AnswerFailure | undefined;
  private readonly decoder = new EventStreamDecoder();

  constructor(private readonly meter: EventMeter) {}

  get failure(): AnswerFailure | undefined {
    return this.told ?? this.meter.failure;
  }

  get usage(): Usage {
    return this.meter.usage;
  }

  get reported(): boolean {
    return this.meter.reported;
  }

  get suspicious(): boolean {
    return this.meter.suspicious;
  }

  get lost(): boolean {
    return this.meter.lost || this.broken;
  }

  get complete(): boolean {
    return this.told === undefined && this.meter.complete;
  }

  get generatedBytes(): number {
    return this.meter.generatedBytes;
  }

  get atBoundary(): boolean {
    return this.decoder.atBoundary;
  }

  get soundBytes(): number {
    return this.decoder.soundBytes;
  }

  get broken(): boolean {
    return this.decoder.failure !== undefined;
  }

  push(chunk: Uint8Array): void {
    if (this.broken) return;
    let messages: readonly EventMessage[] = [];
    try {
      messages = this.decoder.push(chunk);
    } catch {
      // The decoder keeps what it broke with.
    }
    for (const message of messages) this.take(message);
  }

  finish(): void {
    // An end inside a message is a cut, whatever came before it.
    if (this.decoder.atBoundary) this.meter.finish();
  }

  private take(message: EventMessage): void {
    if (this.failure !== undefined) return;
    this.told = streamedFailure(message);
    if (this.told === undefined) this.meter.event(message.headers[':event-type'] ?? '', message.payload);
  }
}
