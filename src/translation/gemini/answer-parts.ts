import { type Carried, packCarried } from '../carried.ts';
import type { NeutralEvent } from '../neutral.ts';
import { MAX_FRAME_BYTES } from '../sides.ts';

/**
 * The parts of a Gemini answer, from events: text and visible thoughts piece by piece, a call whole, once its arguments
 * are.
 *
 * States: no part is open; one is, of some kind; beside it what was thought since the last part that could carry it.
 * Clients drop thoughts from their history and keep the `thoughtSignature` of calls (Gemini CLI, @google/genai), so the
 * whole thoughts travel there, on the first call after them, whatever stands between. Where no call comes, the seal goes
 * on a text of no length at the end, which is where Gemini's own streams have it. The first call of an answer is always
 * marked as another vendor's: Gemini 3 wants a signature there, should it be asked next.
 */
export class AnswerParts {
  called = false;
  /** A call whose arguments are no JSON object, as happens when the model stopped in the midst of them. */
  malformed: string | undefined;

  private readonly showThoughts: boolean;
  private open: Extract<NeutralEvent, { type: 'part' }> | undefined;
  private pieces: string[] = [];
  private size = 0;
  private thoughts: Carried[] = [];
  private spoken = false;

  constructor(showThoughts: boolean) {
    this.showThoughts = showThoughts;
  }

  /** The parts that this event completes. */
  take(event: NeutralEvent): readonly object[] {
    switch (event.type) {
      case 'part':
        this.open = event;
        this.pieces = [];
        this.size = 0;
        if (event.part === 'redacted-thinking') this.thoughts.push({ kind: 'redacted', data: event.data });
        if (event.part !== 'media') return [];
        return [{ inlineData: { mimeType: event.mediaType, data: event.data } }];
      case 'delta':
        return this.delta(event.text);
      case 'signature':
        if (this.open?.part === 'thinking') {
          this.thoughts.push({ kind: 'thinking', text: this.collected(), signature: event.signature });
          this.open = undefined;
        } else if (this.open?.part === 'tool-call') {
          this.thoughts.push({ kind: 'call', signature: event.signature });
        }
        return []; // one over a text is Gemini's own, whose answers are not translated into Gemini's
      case 'part-end':
        return this.end();
      default:
        return [];
    }
  }

  /** The seal that no call took, for the text it belongs to; undefined = there is none. */
  left(): string | undefined {
    const seal = this.spoken && this.thoughts.length > 0 ? packCarried(this.thoughts) : undefined;
    this.thoughts = [];
    return seal;
  }

  private delta(text: string): readonly object[] {
    switch (this.open?.part) {
      case 'text':
        this.spoken = true;
        return [{ text }];
      case 'thinking':
        this.keep(text);
        return this.showThoughts ? [{ text, thought: true }] : [];
      case 'tool-call':
        this.keep(text);
        return [];
      default:
        return [];
    }
  }

  private end(): readonly object[] {
    const { open } = this;
    this.open = undefined;
    if (open?.part === 'thinking') this.thoughts.push({ kind: 'thinking', text: this.collected() });
    if (open?.part !== 'tool-call') return [];
    const args = argumentsOf(this.collected());
    if (args === undefined) {
      this.malformed = `The arguments of ${open.name} are no JSON object`;
      return [];
    }
    const seal =
      this.called && this.thoughts.length === 0 ? {} : { thoughtSignature: packCarried(this.thoughts) };
    this.thoughts = [];
    this.called = true;
    return [{ functionCall: { id: open.id, name: open.name, args }, ...seal }];
  }

  private keep(text: string): void {
    this.size += text.length;
    if (this.size > MAX_FRAME_BYTES) throw new Error('A part of the answer is too large to be translated');
    this.pieces.push(text);
  }

  private collected(): string {
    return this.pieces.join('');
  }
}

function argumentsOf(text: string): object | undefined {
  try {
    const args: unknown = JSON.parse(text === '' ? '{}' : text);
    return typeof args === 'object' && args !== null && !Array.isArray(args) ? args : undefined;
  } catch {
    return undefined;
  }
}
