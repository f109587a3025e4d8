import type { NeutralEvent, StopReason } from '../neutral.ts';

type Json = Readonly<Record<string, unknown>>;

/** `StopReason` of @aws-sdk/client-bedrock-runtime 3.1164. */
const STOPS: Readonly<Record<string, StopReason>> = {
  end_turn: 'end',
  tool_use: 'tool-calls',
  max_tokens: 'max-tokens',
  stop_sequence: 'stop-sequence',
  guardrail_intervened: 'filtered',
  content_filtered: 'filtered',
  malformed_model_output: 'filtered',
  malformed_tool_use: 'filtered',
  model_context_window_exceeded: 'context-full',
};

/** Members of `ConverseStreamOutput` that are no exceptions; AWS may add some, which are passed over as its SDKs do. */
export const CONVERSE_EVENTS: ReadonlySet<string> = new Set([
  'messageStart',
  'contentBlockStart',
  'contentBlockDelta',
  'contentBlockStop',
  'messageStop',
  'metadata',
]);

type Kind = 'text' | 'thinking' | 'redacted' | 'tool-call';

/**
 * An answer of Converse as events, one event of its stream after another; a whole one is told as its stream would be
 * (AWS Bedrock API reference: Converse, ConverseStream).
 *
 * States: no message yet; between blocks; in a block, which a delta begins unless it is a call; stopped, when the usage is
 * still to come: the reason is told behind it; over.
 */
export class ConverseEvents {
  private open: { readonly kind: Kind; readonly index: unknown } | undefined;
  private signature = '';
  private redacted: Buffer[] = [];
  private stopped: NeutralEvent | undefined;
  private state: 'new' | 'begun' | 'over' = 'new';

  /** @throws Error when it is not of ConverseStream, or a block that was never asked for */
  event(type: string, payload: unknown): readonly NeutralEvent[] {
    const event = objectOf(payload);
    switch (type) {
      case 'messageStart':
        this.state = 'begun';
        return [{ type: 'start', id: '', model: undefined }];
      case 'contentBlockStart':
        return this.begin(event['contentBlockIndex'], objectOf(event['start']));
      case 'contentBlockDelta':
        return this.delta(event['contentBlockIndex'], objectOf(event['delta']));
      case 'contentBlockStop':
        return this.close();
      case 'messageStop':
        this.stopped = stopOf(event['stopReason']);
        return this.close();
      case 'metadata':
        return this.ended();
      default:
        return [];
    }
  }

  /** @throws Error when the document is no answer of Converse */
  message(document: unknown): readonly NeutralEvent[] {
    const answer = objectOf(document);
    const { content } = objectOf(objectOf(answer['output'])['message']);
    if (!Array.isArray(content)) throw new Error('The answer is no message of Converse');
    const events = [...this.event('messageStart', {})];
    for (const [index, block] of (content as unknown[]).entries())
      events.push(...this.whole(index, objectOf(block)));
    this.stopped = stopOf(answer['stopReason']);
    return [...events, ...this.ended()];
  }

  /** @throws Error when the answer came to no end */
  finish(): readonly NeutralEvent[] {
    return this.state === 'over' ? [] : this.ended();
  }

  private begin(index: unknown, start: Json): readonly NeutralEvent[] {
    const { toolUse } = start;
    if (toolUse === undefined) throw new Error('The answer has a block that was not asked for');
    const { toolUseId, name } = objectOf(toolUse);
    return [
      ...this.opened('tool-call', index),
      { type: 'part', part: 'tool-call', id: textOf(toolUseId), name: textOf(name) },
    ];
  }

  private delta(index: unknown, delta: Json): readonly NeutralEvent[] {
    const [kind, value] = Object.entries(delta)[0] ?? [];
    switch (kind) {
      case 'text':
        return [...this.shown('text', index), ...said(value)];
      case 'toolUse':
        return said(objectOf(value)['input']);
      case 'reasoningContent':
        return this.reasoning(index, objectOf(value));
      default:
        return [];
    }
  }

  private reasoning(index: unknown, { text, signature, redactedContent }: Json): readonly NeutralEvent[] {
    if (redactedContent !== undefined) {
      const events = this.open?.kind === 'redacted' ? [] : this.opened('redacted', index);
      this.redacted.push(Buffer.from(textOf(redactedContent), 'base64'));
      return events;
    }
    const events = this.shown('thinking', index);
    this.signature += textOf(signature);
    return [...events, ...said(text)];
  }

  /** Deltas of one block are one part. */
  private shown(kind: 'text' | 'thinking', index: unknown): readonly NeutralEvent[] {
    if (this.open?.kind === kind && this.open.index === index) return [];
    return [...this.opened(kind, index), { type: 'part', part: kind }];
  }

  private opened(kind: Kind, index: unknown): readonly NeutralEvent[] {
    const before = this.close();
    this.open = { kind, index };
    return before;
  }

  private close(): readonly NeutralEvent[] {
    const { open, signature, redacted } = this;
    this.open = undefined;
    this.signature = '';
    this.redacted = [];
    if (open === undefined) return [];
    if (open.kind === 'redacted') {
      const data = { minted: 'bedrock', value: Buffer.concat(redacted).toString('base64') } as const;
      return [{ type: 'part', part: 'redacted-thinking', data }, { type: 'part-end' }];
    }
    const seal: readonly NeutralEvent[] =
      signature === '' ? [] : [{ type: 'signature', signature: { minted: 'bedrock', value: signature } }];
    return [...seal, { type: 'part-end' }];
  }

  private whole(index: number, block: Json): readonly NeutralEvent[] {
    const { text, toolUse, reasoningContent } = block;
    if (toolUse !== undefined) {
      const input = JSON.stringify(objectOf(toolUse)['input'] ?? {});
      return [...this.begin(index, block), ...said(input), ...this.close()];
    }
    if (reasoningContent !== undefined) {
      const { reasoningText, redactedContent } = objectOf(reasoningContent);
      const told = redactedContent === undefined ? objectOf(reasoningText) : { redactedContent };
      return [...this.reasoning(index, told), ...this.close()];
    }
    if (text === undefined) throw new Error('The answer has a block that was not asked for');
    return [...this.delta(index, { text }), ...this.close()];
  }

  private ended(): readonly NeutralEvent[] {
    if (this.state !== 'begun' || this.stopped === undefined) throw new Error('The answer has no end');
    this.state = 'over';
    return [this.stopped, { type: 'end' }];
  }
}

function stopOf(told: unknown): NeutralEvent {
  const word = textOf(told);
  const reason = Object.hasOwn(STOPS, word) ? STOPS[word]! : 'end';
  return { type: 'stop', reason, ...(reason === 'filtered' && { detail: word }) };
}

function said(text: unknown): readonly NeutralEvent[] {
  return typeof text === 'string' && text !== '' ? [{ type: 'delta', text }] : [];
}

function objectOf(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('The answer is not of Converse');
  }
  return value as Json;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
