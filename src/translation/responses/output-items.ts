import type { Status } from './response-object.ts';

/** An event of a stream, without its number. */
export type ItemEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

/**
 * An item of the output while it is told. Order of its events (API reference, "Streaming events"): what {@link open}
 * gives inside of `response.output_item.added`, then deltas, then {@link close}, and the item whole in
 * `response.output_item.done`.
 */
export interface OutputItem {
  /** As it is added. */
  readonly added: object;
  /** After it was added. */
  open(): readonly ItemEvent[];
  delta(text: string): readonly ItemEvent[];
  close(): readonly ItemEvent[];
  whole(status: Status): object;
}

/** Where an item stands. */
export interface Place {
  readonly item_id: string;
  readonly output_index: number;
}

/** A message with one part: what the model says, or how it refuses. */
export function messageItem(place: Place, part: 'output_text' | 'refusal'): OutputItem {
  const pieces: string[] = [];
  const here = { ...place, content_index: 0 };
  const speaks = part === 'output_text';
  const logprobs = speaks ? { logprobs: [] } : {};
  const partOf = (text: string): object =>
    speaks ? { type: part, annotations: [], ...logprobs, text } : { type: part, refusal: text };
  const itemOf = (status: Status, content: readonly object[]): object => ({
    id: place.item_id,
    type: 'message',
    status,
    content,
    role: 'assistant',
  });
  return {
    added: itemOf('in_progress', []),
    open: () => [{ type: 'response.content_part.added', ...here, part: partOf('') }],
    delta(delta) {
      pieces.push(delta);
      return [{ type: `response.${part}.delta`, ...here, delta, ...logprobs }];
    },
    close() {
      const text = pieces.join('');
      const said = speaks ? { text, ...logprobs } : { refusal: text };
      return [
        { type: `response.${part}.done`, ...here, ...said },
        { type: 'response.content_part.done', ...here, part: partOf(text) },
      ];
    },
    whole: (status) => itemOf(status, [partOf(pieces.join(''))]),
  };
}

/** `id` carries what must come back with the call. */
export function callItem(place: Place, call: { readonly id: string; readonly name: string }): OutputItem {
  const pieces: string[] = [];
  const itemOf = (status: Status, json: string): object => ({
    id: place.item_id,
    type: 'function_call',
    status,
    arguments: json,
    call_id: call.id,
    name: call.name,
  });
  return {
    added: itemOf('in_progress', ''),
    open: () => [],
    delta(delta) {
      pieces.push(delta);
      return [{ type: 'response.function_call_arguments.delta', ...place, delta }];
    },
    close: () => [
      {
        type: 'response.function_call_arguments.done',
        ...place,
        name: call.name,
        arguments: pieces.join(''),
      },
    ],
    whole: (status) => itemOf(status, pieces.join('')),
  };
}

export interface ReasoningOutput extends OutputItem {
  /** For the client to keep and give back. */
  encrypted: string | undefined;
}

/** A thought: a summary of one part, begun with its first text, and what is sealed. */
export function reasoningItem(place: Place): ReasoningOutput {
  const pieces: string[] = [];
  const here = { ...place, summary_index: 0 };
  const part = (text: string): object => ({ type: 'summary_text', text });
  const itemOf = (summary: readonly object[], encrypted: string | undefined): object => ({
    id: place.item_id,
    type: 'reasoning',
    summary,
    ...(encrypted !== undefined && { encrypted_content: encrypted }),
  });
  return {
    encrypted: undefined,
    added: itemOf([], undefined),
    open: () => [],
    delta(delta) {
      pieces.push(delta);
      const told = { type: 'response.reasoning_summary_text.delta', ...here, delta };
      if (pieces.length > 1) return [told];
      return [{ type: 'response.reasoning_summary_part.added', ...here, part: part('') }, told];
    },
    close() {
      const text = pieces.join('');
      if (text === '') return [];
      return [
        { type: 'response.reasoning_summary_text.done', ...here, text },
        { type: 'response.reasoning_summary_part.done', ...here, part: part(text) },
      ];
    },
    whole() {
      return itemOf(pieces.length === 0 ? [] : [part(pieces.join(''))], this.encrypted);
    },
  };
}
