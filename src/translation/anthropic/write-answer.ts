import { packCarried, packSignature, safeToolId } from '../carried.ts';
import type { AnswerContext, NeutralEvent, StopReason } from '../neutral.ts';
import type { EventWriter } from '../sides.ts';

const STOPS: Readonly<Record<StopReason, string>> = {
  end: 'end_turn',
  'max-tokens': 'max_tokens',
  'stop-sequence': 'stop_sequence',
  'tool-calls': 'tool_use',
  refusal: 'refusal',
  blocked: 'refusal',
  filtered: 'refusal',
  'context-full': 'model_context_window_exceeded',
};

type PartEvent = Extract<NeutralEvent, { type: 'part' }>;
type Call = Extract<PartEvent, { part: 'tool-call' }>;

/** One event of a Messages stream. */
type Told = { readonly type: string } & Readonly<Record<string, unknown>>;

/**
 * A Messages stream, in the order of Anthropic's events. Seals of other vendors have no field here and travel in thinking
 * blocks, which clients give back as they are: a call's stands in an empty one before the call, a text's in an empty one
 * between it and what follows, and a thought that nobody sealed says so, because Claude would refuse it later. The seal
 * on an answer's last text is left out: no vendor asks for it again, and clients take the last block for the answer.
 *
 * States: no part is open; a text or a thought is, with its block begun; a call is, held back until the event after its
 * first arguments, which may be its seal; a call is, its block begun.
 */
export class AnthropicWriter implements EventWriter {
  private readonly events: AnthropicEvents;

  constructor(context: AnswerContext) {
    this.events = new AnthropicEvents(context);
  }

  write(event: NeutralEvent): string {
    return this.events
      .take(event)
      .map((told) => `event: ${told.type}\ndata: ${JSON.stringify(told)}\n\n`)
      .join('');
  }
}

/** A whole answer: what its stream would say, put together. */
export function document(events: readonly NeutralEvent[], context: AnswerContext): object {
  const written = new AnthropicEvents(context);
  let message: Record<string, unknown> = {};
  const content: Record<string, unknown>[] = [];
  for (const told of events.flatMap((event) => written.take(event))) {
    const block = content.at(-1);
    switch (told.type) {
      case 'message_start':
        message = told['message'] as Record<string, unknown>;
        break;
      case 'content_block_start':
        content.push({ ...(told['content_block'] as object) });
        break;
      case 'content_block_delta':
        if (block !== undefined) add(block, told['delta'] as Record<string, string>);
        break;
      case 'message_delta':
        message = { ...message, ...(told['delta'] as object), usage: told['usage'] };
    }
  }
  const cut = CUT.has(String(message['stop_reason']));
  return { ...message, content: content.flatMap((block) => whole(block, cut)) };
}

function add(block: Record<string, unknown>, delta: Readonly<Record<string, string>>): void {
  for (const name of ['text', 'thinking', 'signature']) {
    if (delta[name] !== undefined) block[name] = String(block[name]) + delta[name];
  }
  const json = delta['partial_json'];
  if (json !== undefined) block['input'] = (typeof block['input'] === 'string' ? block['input'] : '') + json;
}

/** Why a model may have stopped in the midst of a call's arguments. */
const CUT: ReadonlySet<string> = new Set([STOPS['max-tokens'], STOPS['context-full']]);

/**
 * A call with its arguments. A whole message cannot hold half of them: one that the model had no tokens left to finish
 * is left out, and the stop reason says so.
 * @throws Error when the model wrote arguments that are no JSON
 */
function whole(block: Record<string, unknown>, cut: boolean): readonly object[] {
  const json = block['input'];
  if (block['type'] !== 'tool_use' || typeof json !== 'string') return [block];
  try {
    return [{ ...block, input: JSON.parse(json) as unknown }];
  } catch (error) {
    if (cut) return [];
    throw error;
  }
}

class AnthropicEvents {
  private readonly context: AnswerContext;
  private index = -1;
  private open: PartEvent | undefined;
  private begun = false;
  /** A call that waits for its seal, and its first arguments. */
  private held: { readonly call: Call; json: string } | undefined;
  /** The seal on a text, told once another part follows. */
  private after: string | undefined;
  private sealed = false;

  constructor(context: AnswerContext) {
    this.context = context;
  }

  take(event: NeutralEvent): readonly Told[] {
    switch (event.type) {
      case 'start':
        return [this.start(event.id, event.model)];
      case 'part':
        return [...this.sealOnText(), ...this.part(event)];
      case 'delta':
        return this.delta(event.text);
      case 'signature':
        return this.signature(event);
      case 'part-end':
        return this.end();
      case 'stop':
        return [this.stop(event)];
      case 'end':
        return [{ type: 'message_stop' }];
      case 'error':
        return [];
    }
  }

  private start(id: string, model: string | undefined): Told {
    const plain = id.replaceAll(/[^A-Za-z0-9_-]/g, '') || this.context.requestId.replaceAll('-', '');
    const usage = { ...this.input(), output_tokens: Math.min(this.context.usage().outputTokens, 1) };
    const message = {
      id: plain.startsWith('msg_') ? plain : `msg_${plain}`,
      type: 'message',
      role: 'assistant',
      model: model ?? this.context.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage,
    };
    return { type: 'message_start', message };
  }

  private part(event: PartEvent): readonly Told[] {
    this.open = event;
    this.sealed = false;
    this.begun = event.part !== 'tool-call' && event.part !== 'media';
    switch (event.part) {
      case 'text':
        return [this.block({ type: 'text', text: '' })];
      case 'thinking':
        return [this.block({ type: 'thinking', thinking: '', signature: '' })];
      case 'redacted-thinking':
        return [this.block({ type: 'redacted_thinking', data: packSignature(event.data, 'anthropic') })];
      case 'tool-call':
        this.held = { call: event, json: '' };
        return [];
      case 'media':
        throw new Error('A message of an assistant cannot hold a file');
    }
  }

  private delta(text: string): readonly Told[] {
    switch (this.open?.part) {
      case 'text':
        return [this.change({ type: 'text_delta', text })];
      case 'thinking':
        return this.shown ? [this.change({ type: 'thinking_delta', thinking: text })] : [];
      case 'tool-call':
        if (this.held !== undefined && this.held.json === '') {
          this.held.json = text;
          return [];
        }
        return [...this.release(undefined), this.change({ type: 'input_json_delta', partial_json: text })];
      default:
        return [];
    }
  }

  private signature({ signature }: Extract<NeutralEvent, { type: 'signature' }>): readonly Told[] {
    const packed = packSignature(signature, 'anthropic');
    switch (this.open?.part) {
      case 'thinking':
        this.sealed = true;
        return [this.change({ type: 'signature_delta', signature: packed })];
      case 'tool-call':
        // Too late for its place once the block has begun; no vendor seals a call that it streams.
        return this.held === undefined ? [] : this.release(packCarried([{ kind: 'call', signature }]));
      case 'text':
        this.after = packed;
        return [];
      default:
        return [];
    }
  }

  private end(): readonly Told[] {
    const told = [...this.release(undefined)];
    const unsealed = this.open?.part === 'thinking' && !this.sealed;
    if (unsealed) told.push(this.change({ type: 'signature_delta', signature: packCarried([]) }));
    if (this.begun) told.push({ type: 'content_block_stop', index: this.index });
    this.open = undefined;
    return told;
  }

  private sealOnText(): readonly Told[] {
    const seal = this.after;
    this.after = undefined;
    return seal === undefined ? [] : this.thought(seal);
  }

  /** Begins the block of a call that was held back, after the thought that carries its seal. */
  private release(seal: string | undefined): readonly Told[] {
    const { held } = this;
    if (held === undefined) return [];
    this.held = undefined;
    this.begun = true;
    const before = seal === undefined ? [] : this.thought(seal);
    const { id, name } = held.call;
    const told = [...before, this.block({ type: 'tool_use', id: safeToolId(id), name, input: {} })];
    if (held.json !== '') told.push(this.change({ type: 'input_json_delta', partial_json: held.json }));
    return told;
  }

  private thought(signature: string): Told[] {
    const block = this.block({ type: 'thinking', thinking: '', signature: '' });
    const sealing = this.change({ type: 'signature_delta', signature });
    return [block, sealing, { type: 'content_block_stop', index: this.index }];
  }

  private stop({ reason, sequence, detail }: Extract<NeutralEvent, { type: 'stop' }>): Told {
    const refusal = STOPS[reason] === 'refusal';
    const stop_details = { type: 'refusal', category: null, explanation: detail ?? null };
    const delta = {
      stop_reason: STOPS[reason],
      stop_sequence: sequence ?? null,
      ...(refusal && { stop_details }),
    };
    const usage = { ...this.input(), output_tokens: this.context.usage().outputTokens };
    return { type: 'message_delta', delta, usage };
  }

  private block(content_block: object): Told {
    this.index += 1;
    return { type: 'content_block_start', index: this.index, content_block };
  }

  private change(delta: object): Told {
    return { type: 'content_block_delta', index: this.index, delta };
  }

  private get shown(): boolean {
    return this.context.request.thinking?.value.show ?? false;
  }

  private input(): object {
    const { inputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens } = this.context.usage();
    return {
      input_tokens: inputTokens,
      cache_creation_input_tokens: cacheWrite5mTokens + cacheWrite1hTokens,
      cache_read_input_tokens: cacheReadTokens,
    };
  }
}
