import type { AnswerContext, NeutralEvent, StopReason } from '../neutral.ts';
import type { EventWriter } from '../sides.ts';
import { ChatDeltas, type Delta } from './chat-deltas.ts';
import { chatUsage } from './chat-usage.ts';

/** `finish_reason` of openai 6.49; a stop sequence is told like any end. */
const FINISH: Readonly<Record<StopReason, string>> = {
  end: 'stop',
  'stop-sequence': 'stop',
  'tool-calls': 'tool_calls',
  'max-tokens': 'length',
  'context-full': 'length',
  refusal: 'content_filter',
  blocked: 'content_filter',
  filtered: 'content_filter',
};

/**
 * Chunks of a stream (API reference, "Chat completion chunk object"): the role first, then what is said, the reason in a
 * chunk of its own, the usage in one more without choices where the client asked for it, and `[DONE]`.
 */
export class ChatWriter implements EventWriter {
  private readonly context: AnswerContext;
  private readonly deltas = new ChatDeltas();
  private readonly tellsUsage: boolean;
  private names: object = {};

  constructor(context: AnswerContext) {
    this.context = context;
    const options = context.request.source['stream_options'] as
      { include_usage?: unknown } | null | undefined;
    this.tellsUsage = options?.include_usage === true;
  }

  write(event: NeutralEvent): string {
    switch (event.type) {
      case 'start':
        this.names = namesOf('chat.completion.chunk', event, this.context);
        return this.chunk({ role: 'assistant', content: '' });
      case 'stop':
        return this.stop(event);
      case 'end':
        return `${this.usage()}data: [DONE]\n\n`;
      case 'error':
        return '';
      default:
        return this.deltas
          .take(event)
          .map((delta) => this.chunk(delta))
          .join('');
    }
  }

  /** The vendor's own words for a refusal are said before the reason. */
  private stop({ reason, detail }: Extract<NeutralEvent, { type: 'stop' }>): string {
    const finish = FINISH[reason];
    const refusal =
      finish === 'content_filter' && detail !== undefined ? this.chunk({ refusal: detail }) : '';
    return refusal + this.chunk({}, finish);
  }

  private chunk(delta: Delta | { readonly role: string; readonly content: string }, finish?: string): string {
    const choice = { index: 0, delta, logprobs: null, finish_reason: finish ?? null };
    return this.frame({ choices: [choice], ...(this.tellsUsage && { usage: null }) });
  }

  private usage(): string {
    return this.tellsUsage ? this.frame({ choices: [], usage: chatUsage(this.context.usage()) }) : '';
  }

  private frame(content: object): string {
    return `data: ${JSON.stringify({ ...this.names, ...content })}\n\n`;
  }
}

interface Call {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; arguments: string };
}

/** A whole answer (API reference, "Chat completion object"). */
export function document(events: readonly NeutralEvent[], context: AnswerContext): object {
  const deltas = new ChatDeltas();
  const calls: Call[] = [];
  const texts = { content: '', refusal: '', reasoning_content: '' };
  let names: object = namesOf('chat.completion', { id: '', model: undefined }, context);
  let finish = FINISH.end;
  for (const event of events) {
    if (event.type === 'start') names = namesOf('chat.completion', event, context);
    if (event.type === 'stop') {
      finish = FINISH[event.reason];
      if (finish === 'content_filter') texts.refusal += event.detail ?? '';
    }
    for (const { tool_calls, ...said } of deltas.take(event)) {
      for (const [name, text] of Object.entries(said)) texts[name as keyof typeof texts] += text;
      for (const call of tool_calls ?? []) add(calls, call);
    }
  }
  const { content, refusal, reasoning_content } = texts;
  const message = {
    role: 'assistant',
    content: content === '' && (calls.length > 0 || refusal !== '') ? null : content,
    refusal: refusal === '' ? null : refusal,
    ...(reasoning_content !== '' && { reasoning_content }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finish }];
  return { ...names, choices, usage: chatUsage(context.usage()) };
}

function add(calls: Call[], delta: NonNullable<Delta['tool_calls']>[0]): void {
  const { id, function: called } = delta;
  const last = calls.at(-1);
  if (id !== undefined) {
    const { name = '', arguments: json } = called;
    calls.push({ id, type: 'function', function: { name, arguments: json } });
  } else if (last !== undefined) {
    last.function.arguments += called.arguments;
  }
}

function namesOf(
  object: string,
  start: { readonly id: string; readonly model: string | undefined },
  { requestId, now, model }: AnswerContext,
): object {
  const plain = start.id.replaceAll(/[^A-Za-z0-9_-]/g, '') || requestId.replaceAll('-', '');
  return {
    id: plain.startsWith('chatcmpl-') ? plain : `chatcmpl-${plain}`,
    object,
    created: Math.floor(now / 1000),
    model: start.model ?? model,
  };
}
