import type { NeutralEvent } from '../neutral.ts';
import { type CallPiece, SealedCalls, ThoughtText } from './sealed-calls.ts';

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
 * States: no part is open; one is, of some kind.
 */
export class ChatDeltas {
  private open: PartEvent['part'] | undefined;
  private begun = 0;
  private readonly calls = new SealedCalls();
  private readonly thought = new ThoughtText();

  /** @throws Error when the model made a file: a message of an assistant cannot hold one */
  take(event: NeutralEvent): readonly Delta[] {
    switch (event.type) {
      case 'part':
        this.part(event);
        return [];
      case 'delta':
        return this.delta(event.text);
      case 'signature':
        if (this.open === 'thinking') this.thought.seal(event.signature);
        return this.open === 'tool-call' ? this.told(this.calls.seal(event.signature)) : [];
      case 'part-end':
        return this.end();
      default:
        return [];
    }
  }

  private part(event: PartEvent): void {
    this.open = event.part;
    switch (event.part) {
      case 'text':
        break;
      case 'thinking':
        this.thought.begin();
        break;
      case 'redacted-thinking':
        this.calls.carry({ kind: 'redacted', data: event.data });
        break;
      case 'tool-call':
        this.calls.begin(event.id, event.name);
        break;
      case 'media':
        throw new Error('A message of an assistant cannot hold a file');
    }
  }

  private delta(text: string): readonly Delta[] {
    switch (this.open) {
      case 'text':
        return [{ content: text }];
      case 'thinking':
        this.thought.add(text);
        return [{ reasoning_content: text }];
      case 'tool-call':
        return this.told(this.calls.delta(text));
      default:
        return [];
    }
  }

  private end(): readonly Delta[] {
    const thought = this.open === 'thinking' ? this.thought.end() : undefined;
    if (thought !== undefined) this.calls.carry(thought);
    const told = this.open === 'tool-call' ? this.told(this.calls.end()) : [];
    this.open = undefined;
    return told;
  }

  private told(pieces: readonly CallPiece[]): readonly Delta[] {
    return pieces.map(({ begins, json }) => {
      if (begins === undefined) return calling({ index: this.begun - 1, function: { arguments: json } });
      const called = { name: begins.name, arguments: json };
      this.begun += 1;
      return calling({ index: this.begun - 1, id: begins.id, type: 'function', function: called });
    });
  }
}

function calling(call: ToolCallDelta): Delta {
  return { tool_calls: [call] };
}
