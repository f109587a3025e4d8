import { ownEntry } from '../../dialects/own-entry.ts';
import type { NeutralEvent, StopReason } from '../neutral.ts';

type Json = Readonly<Record<string, unknown>>;

const STOPS: Readonly<Record<string, StopReason>> = {
  end_turn: 'end',
  max_tokens: 'max-tokens',
  stop_sequence: 'stop-sequence',
  tool_use: 'tool-calls',
  refusal: 'refusal',
  pause_turn: 'end',
  model_context_window_exceeded: 'context-full',
};

/**
 * A Claude answer as events, one event of its stream after another; a whole message is told as its stream would be.
 *
 * States: no message yet; between blocks; in a block, whose deltas are one part; over. The reason is kept to the end, for
 * an answer may have more than one message_delta.
 */
export class ClaudeEvents {
  private started = false;
  private stopped: NeutralEvent | undefined;
  private open = false;

  /** @throws Error when it is no event of the Messages API, or a block that was never asked for */
  event(told: unknown): readonly NeutralEvent[] {
    const event = objectOf(told);
    switch (event['type']) {
      case 'message_start': {
        const message = objectOf(event['message']);
        this.started = true;
        return [{ type: 'start', id: textOf(message['id']), model: textOf(message['model']) || undefined }];
      }
      case 'content_block_start':
        return this.begin(objectOf(event['content_block']));
      case 'content_block_delta':
        return this.delta(objectOf(event['delta']));
      case 'content_block_stop':
        if (!this.open) return [];
        this.open = false;
        return [{ type: 'part-end' }];
      case 'message_delta':
        this.stop(objectOf(event['delta']));
        return [];
      case 'message_stop':
        return this.ended();
      case 'error': {
        const { type, message } = objectOf(event['error']);
        const failure = { type: textOf(type) || 'api_error', message: textOf(message) };
        return [{ type: 'error', failure }];
      }
      default:
        // `ping`, and whatever is added: unknown events are to be passed over (docs, "Streaming messages").
        return [];
    }
  }

  /** @throws Error when the document is no message */
  message(document: unknown): readonly NeutralEvent[] {
    const message = objectOf(document);
    const { content } = message;
    if (message['type'] !== 'message' || !Array.isArray(content)) throw new Error('The answer is no message');
    const events: NeutralEvent[] = [...this.event({ type: 'message_start', message })];
    for (const block of content as unknown[]) {
      events.push(...this.begin(objectOf(block), true), ...this.event({ type: 'content_block_stop' }));
    }
    this.stop(message);
    return [...events, ...this.ended()];
  }

  finish(): readonly NeutralEvent[] {
    if (!this.started || this.stopped === undefined) throw new Error('The answer has no end');
    return [];
  }

  private ended(): readonly NeutralEvent[] {
    if (this.stopped === undefined) throw new Error('The answer tells no reason for its end');
    return [this.stopped, { type: 'end' }];
  }

  private begin(block: Json, whole = false): readonly NeutralEvent[] {
    this.open = true;
    switch (block['type']) {
      case 'text':
        return [{ type: 'part', part: 'text' }, ...said(block['text'])];
      case 'thinking':
        return [
          { type: 'part', part: 'thinking' },
          ...said(block['thinking']),
          ...sealed(block['signature']),
        ];
      case 'redacted_thinking': {
        const data = { minted: 'anthropic', value: textOf(block['data']) } as const;
        return [{ type: 'part', part: 'redacted-thinking', data }];
      }
      case 'tool_use': {
        const call = { id: textOf(block['id']), name: textOf(block['name']) };
        const input = whole ? JSON.stringify(block['input'] ?? {}) : '';
        return [{ type: 'part', part: 'tool-call', ...call }, ...said(input)];
      }
      default:
        throw new Error('The answer has a block that was not asked for');
    }
  }

  private delta(delta: Json): readonly NeutralEvent[] {
    switch (delta['type']) {
      case 'text_delta':
        return said(delta['text']);
      case 'thinking_delta':
        return said(delta['thinking']);
      case 'input_json_delta':
        return said(delta['partial_json']);
      case 'signature_delta':
        return sealed(delta['signature']);
      default:
        return [];
    }
  }

  private stop(delta: Json): void {
    const reason = textOf(delta['stop_reason']);
    if (reason === '') return;
    const sequence = textOf(delta['stop_sequence']);
    const explanation = textOf(objectOf(delta['stop_details'] ?? {})['explanation']);
    this.stopped = {
      type: 'stop',
      reason: ownEntry(STOPS, reason) ?? 'end',
      ...(sequence !== '' && { sequence }),
      ...(explanation !== '' && { detail: explanation }),
    };
  }
}

function said(text: unknown): readonly NeutralEvent[] {
  return typeof text === 'string' && text !== '' ? [{ type: 'delta', text }] : [];
}

function sealed(signature: unknown): readonly NeutralEvent[] {
  if (typeof signature !== 'string' || signature === '') return [];
  return [{ type: 'signature', signature: { minted: 'anthropic', value: signature } }];
}

function objectOf(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('The answer is not of the Messages API');
  }
  return value as Json;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
