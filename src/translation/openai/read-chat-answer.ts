import { openaiFailure } from '../../dialects/openai-failure.ts';
import { ownEntry } from '../../dialects/own-entry.ts';
import type { NeutralEvent, StopReason } from '../neutral.ts';
import { ChatToolCalls } from './chat-tool-calls.ts';

type Json = Readonly<Record<string, unknown>>;

/** `finish_reason` (`ChatCompletion.Choice` of openai 6.49). */
const STOPS: Readonly<Record<string, StopReason>> = {
  stop: 'end',
  length: 'max-tokens',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'filtered',
  // DeepSeek's, where it gave up in the middle (api-docs.deepseek.com, "Create Chat Completion").
  insufficient_system_resource: 'max-tokens',
};

/** Where servers show what was thought: DeepSeek, vLLM, SGLang; OpenRouter, Groq, later vLLM. One of them, not both. */
const THOUGHTS = ['reasoning_content', 'reasoning'];

/** More of a refusal than this is not kept. */
const MAX_REFUSAL = 4_096;

/**
 * A chat completion as events, chunk by chunk; a whole one is told as its stream would be. The reason is kept to the end,
 * for the usage comes after it. Of several choices the first counts: the relay never asks for more.
 *
 * States: no choice came yet; no part is open; a text or a thought is; calls are (see {@link ChatToolCalls}); failed;
 * over.
 */
export class ChatEvents {
  private started = false;
  private over = false;
  private open: 'text' | 'thinking' | undefined;
  private id = '';
  private reason = '';
  private refusal = '';
  private readonly calls = new ChatToolCalls();

  /** @throws Error when it is no chunk of a chat completion */
  chunk(told: unknown): readonly NeutralEvent[] {
    if (this.over) return [];
    const chunk = objectOf(told);
    const failed = this.failure(chunk);
    if (failed !== undefined) return failed;
    if (isUsageAlone(chunk)) return [];
    const choice = choiceOf(chunk);
    if (choice === undefined) return [];
    this.reason = textIn(choice, 'finish_reason') || this.reason;
    return [...this.start(chunk), ...this.say(objectIn(choice, 'delta'))];
  }

  /** @throws Error when the document is no chat completion */
  completion(document: unknown): readonly NeutralEvent[] {
    const whole = objectOf(document);
    const choice = choiceOf(whole);
    if (choice === undefined) throw new Error('The answer has no choice');
    this.reason = textIn(choice, 'finish_reason');
    return [...this.start(whole), ...this.say(objectIn(choice, 'message')), ...this.finish()];
  }

  /** `[DONE]`, or an end without it. @throws Error when nothing was answered */
  finish(): readonly NeutralEvent[] {
    if (this.over) return [];
    if (!this.started) throw new Error('The answer is empty');
    this.over = true;
    return [...this.close(), ...this.calls.end(), this.stop(), { type: 'end' }];
  }

  private start(document: Json): readonly NeutralEvent[] {
    if (this.started) return [];
    this.started = true;
    this.id = textIn(document, 'id');
    return [{ type: 'start', id: this.id, model: textIn(document, 'model') || undefined }];
  }

  private say(delta: Json): readonly NeutralEvent[] {
    const thought = THOUGHTS.map((name) => textIn(delta, name)).find((text) => text !== '') ?? '';
    const said = saidIn(delta['content']);
    const events = [
      ...this.text('thinking', thought),
      ...said.flatMap(({ part, text }) => this.text(part, text)),
    ];
    this.refusal = (this.refusal + textIn(delta, 'refusal')).slice(0, MAX_REFUSAL);
    const calls: unknown = delta['tool_calls'];
    for (const call of Array.isArray(calls) ? (calls as unknown[]) : []) {
      events.push(...this.close(), ...this.calls.take(objectOf(call), this.id));
    }
    return events;
  }

  private text(part: 'text' | 'thinking', text: string): NeutralEvent[] {
    if (text === '') return [];
    const events: NeutralEvent[] = [];
    if (this.open !== part) {
      events.push(...this.close(), ...this.calls.end(), { type: 'part', part });
      this.open = part;
    }
    return [...events, { type: 'delta', text }];
  }

  private close(): readonly NeutralEvent[] {
    if (this.open === undefined) return [];
    this.open = undefined;
    return [{ type: 'part-end' }];
  }

  private stop(): NeutralEvent {
    const reason = ownEntry(STOPS, this.reason) ?? 'end';
    if (this.refusal !== '') return { type: 'stop', reason: 'refusal', detail: this.refusal };
    // Some servers stop for nothing in particular after calls as well.
    if (reason === 'end' && this.calls.called) return { type: 'stop', reason: 'tool-calls' };
    return { type: 'stop', reason };
  }

  /** OpenAI's object, a bare text, or the error on top (vLLM), as the meter reads them. */
  private failure(chunk: Json): readonly NeutralEvent[] | undefined {
    const { error } = chunk;
    const told = typeof error === 'string' ? { message: error } : error;
    const found = told ?? (chunk['object'] === 'error' ? chunk : undefined);
    if (found === undefined) return undefined;
    this.over = true;
    return [{ type: 'error', failure: openaiFailure(objectOf(found)) }];
  }
}

interface Said {
  readonly part: 'text' | 'thinking';
  readonly text: string;
}

/**
 * A text, or a list of pieces: texts and thoughts, which are lists of texts themselves (docs.mistral.ai, "Reasoning").
 * @throws Error when it is neither
 */
function saidIn(content: unknown): readonly Said[] {
  if (typeof content === 'string') return [{ part: 'text', text: content }];
  if (!Array.isArray(content)) return [];
  return (content as unknown[]).map(objectOf).flatMap((piece): readonly Said[] => {
    switch (piece['type']) {
      case 'text':
        return [{ part: 'text', text: textIn(piece, 'text') }];
      case 'thinking':
        return saidIn(piece['thinking']).map(({ text }) => ({ part: 'thinking', text }));
      case 'reference': // which of the client's documents the text before it is from
        return [];
      default:
        throw new Error('The answer has a piece that was not asked for');
    }
  });
}

/** Some servers leave `choices` out where there are none. */
function isUsageAlone({ choices, usage }: Json): boolean {
  return (choices ?? null) === null && typeof usage === 'object' && usage !== null;
}

function choiceOf(document: Json): Json | undefined {
  const { choices } = document;
  if (!Array.isArray(choices)) throw new Error('The answer is no chat completion');
  const list = (choices as unknown[]).map(objectOf);
  return list.find(({ index }) => index === 0 || index === undefined);
}

function objectIn(source: Json, name: string): Json {
  const value = source[name];
  return value === undefined || value === null ? {} : objectOf(value);
}

function objectOf(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('The answer is no chat completion');
  }
  return value as Json;
}

function textIn(source: Json, name: string): string {
  const value = source[name];
  return typeof value === 'string' ? value : '';
}
