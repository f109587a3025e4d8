import { type Carried, packToolId } from '../carried.ts';
import type { NeutralEvent } from '../neutral.ts';
import { MAX_FRAME_BYTES } from '../sides.ts';

type PartEvent = Extract<NeutralEvent, { type: 'part' }>;

/** `ChatCompletionChunk.Choice.Delta` of openai 6.49, and the thought that other servers show beside it. */
export interface Delta {
  readonly content?: string;
  readonly refusal?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly [ToolCallDelta];
}

/** Id and name come once, with the call's first delta. */
export interface ToolCallDelta {
  readonly index: number;
  readonly id?: string;
  readonly type?: 'function';
  readonly function: { readonly name?: string; readonly arguments: string };
}

/**
 * What an answer says, as the deltas of one message. Nothing in it has a place for seals, so they travel in the ids of
 * tool calls: a call's own seal, and the thoughts that came since the call before. Thoughts that no call follows stay
 * behind: no vendor asks for them once the turn is over.
 *
 * States: no part is open; a text or a thought is; a call is, held back until the event after its first arguments, which
 * may be its seal; a call is, begun.
 */
export class ChatDeltas {
  private open: PartEvent | undefined;
  private calls = 0;
  /** A call that waits for its seal, and its first arguments. */
  private held: { readonly id: string; readonly name: string; json: string } | undefined;
  private thoughts: Carried[] = [];
  private thought: string[] = [];
  private size = 0;

  /** @throws Error when the model made a file: a message of an assistant cannot hold one */
  take(event: NeutralEvent): readonly Delta[] {
    switch (event.type) {
      case 'part':
        return this.part(event);
      case 'delta':
        return this.delta(event.text);
      case 'signature':
        return this.signature(event);
      case 'part-end':
        return this.end();
      default:
        return [];
    }
  }

  private part(event: PartEvent): readonly Delta[] {
    this.open = event;
    switch (event.part) {
      case 'text':
      case 'thinking':
        this.thought = [];
        this.size = 0;
        return [];
      case 'redacted-thinking':
        this.thoughts.push({ kind: 'redacted', data: event.data });
        return [];
      case 'tool-call':
        this.held = { id: event.id, name: event.name, json: '' };
        return [];
      case 'media':
        throw new Error('A message of an assistant cannot hold a file');
    }
  }

  private delta(text: string): readonly Delta[] {
    switch (this.open?.part) {
      case 'text':
        return [{ content: text }];
      case 'thinking':
        this.keep(text);
        return [{ reasoning_content: text }];
      case 'tool-call':
        if (this.held === undefined) return [this.arguments(text)];
        if (this.held.json !== '') return [...this.begin([]), this.arguments(text)];
        this.held.json = text;
        return [];
      default:
        return [];
    }
  }

  private signature({ signature }: Extract<NeutralEvent, { type: 'signature' }>): readonly Delta[] {
    switch (this.open?.part) {
      case 'thinking':
        this.thoughts.push({ kind: 'thinking', text: this.thought.join(''), signature });
        this.open = undefined;
        return [];
      case 'tool-call':
        // Too late once the id is told; no vendor seals a call that it streams.
        return this.held === undefined ? [] : this.begin([{ kind: 'call', signature }]);
      default:
        return [];
    }
  }

  private end(): readonly Delta[] {
    const { open } = this;
    const told = this.held === undefined ? [] : this.begin([]);
    this.open = undefined;
    const text = this.thought.join('');
    if (open?.part === 'thinking' && text !== '') this.thoughts.push({ kind: 'thinking', text });
    return told;
  }

  /** The first delta of a call that was held back; one without arguments has none to give. */
  private begin(seal: readonly Carried[]): readonly Delta[] {
    const { held } = this;
    if (held === undefined) return [];
    const id = packToolId(held.id, [...this.thoughts, ...seal]);
    const call = { name: held.name, arguments: held.json === '' ? '{}' : held.json };
    const told = { index: this.calls, id, type: 'function', function: call } as const;
    this.held = undefined;
    this.thoughts = [];
    this.calls += 1;
    return [{ tool_calls: [told] }];
  }

  private arguments(json: string): Delta {
    return { tool_calls: [{ index: this.calls - 1, function: { arguments: json } }] };
  }

  private keep(text: string): void {
    this.size += text.length;
    if (this.size > MAX_FRAME_BYTES) throw new Error('A part of the answer is too large to be translated');
    this.thought.push(text);
  }
}
