import { type Carried, packCarried } from '../carried.ts';
import type { AnswerContext, NeutralEvent, Signature, StopReason } from '../neutral.ts';
import { type CallPiece, SealedCalls, ThoughtText } from '../openai/sealed-calls.ts';
import { MAX_FRAME_BYTES } from '../sides.ts';
import {
  callItem,
  type ItemEvent,
  messageItem,
  reasoningItem,
  type ReasoningOutput,
} from './output-items.ts';
import { OutputList } from './output-list.ts';
import { wantsEncryptedReasoning } from './read-responses-request.ts';
import { responseObject, type Status } from './response-object.ts';

type PartEvent = Extract<NeutralEvent, { type: 'part' }>;
type Stop = Extract<NeutralEvent, { type: 'stop' }>;

/** `incomplete_details.reason`; a model that says itself that it refuses has completed its answer. */
const INCOMPLETE: Readonly<Partial<Record<StopReason, string>>> = {
  'max-tokens': 'max_output_tokens',
  'context-full': 'max_output_tokens',
  blocked: 'content_filter',
  filtered: 'content_filter',
};

/**
 * A response, item by item. Thoughts are items where the client asked for their summary, or to keep them
 * (`include: reasoning.encrypted_content`), and nowhere else: the AI SDK answers an item that it did not ask for with a
 * reference to it. What nobody keeps travels in the ids of calls, as in chat completions.
 *
 * States: no item is open; a text is asked for, and its item begins with its first word; an item is open; one is closed
 * and waits for the event after it, which tells whether it is whole.
 */
export class ResponseEvents {
  private readonly context: AnswerContext;
  private readonly keepsThoughts: boolean;
  private readonly output = new OutputList();
  private readonly calls = new SealedCalls();
  private readonly thought = new ThoughtText();
  private part: PartEvent['part'] | undefined;
  private reasoning: ReasoningOutput | undefined;
  private textSeal: Signature | undefined;
  private size = 0;
  private names = { id: '', model: '' };
  private incomplete: string | undefined;

  constructor(context: AnswerContext) {
    this.context = context;
    this.keepsThoughts = wantsEncryptedReasoning(context.request);
  }

  take(event: NeutralEvent): readonly ItemEvent[] {
    switch (event.type) {
      case 'start':
        return this.start(event.id, event.model);
      case 'part':
        return this.begin(event);
      case 'delta':
        return this.delta(event.text);
      case 'signature':
        return this.sealed(event.signature);
      case 'part-end':
        return this.end();
      case 'stop':
        return this.stop(event);
      case 'end': {
        const status = this.incomplete === undefined ? 'completed' : 'incomplete';
        return [{ type: `response.${status}`, response: this.response(status) }];
      }
      case 'error':
        return [];
    }
  }

  private start(id: string, model: string | undefined): readonly ItemEvent[] {
    const plain = id.replaceAll(/[^A-Za-z0-9_-]/g, '') || this.context.requestId.replaceAll('-', '');
    this.names = {
      id: plain.startsWith('resp_') ? plain : `resp_${plain}`,
      model: model ?? this.context.model,
    };
    this.output.name(this.names.id.replace(/^resp_/, ''));
    const response = this.response('in_progress');
    return ['response.created', 'response.in_progress'].map((type) => ({ type, response }));
  }

  /** @throws Error when the model made a file, which only OpenAI's own tools do */
  private begin(event: PartEvent): readonly ItemEvent[] {
    this.part = event.part;
    switch (event.part) {
      case 'text':
        return [];
      case 'thinking':
        return this.beginThought();
      case 'redacted-thinking':
        return this.keep({ kind: 'redacted', data: event.data });
      case 'tool-call':
        this.calls.begin(event.id, event.name);
        return [];
      case 'media':
        throw new Error('A response cannot hold a file that the model made by itself');
    }
  }

  private delta(text: string): readonly ItemEvent[] {
    this.size += text.length;
    if (this.size > MAX_FRAME_BYTES) throw new Error('The answer is too large to be translated');
    switch (this.part) {
      case 'text': {
        const begun = this.output.isOpen
          ? []
          : this.output.open('msg', (place) => messageItem(place, 'output_text'));
        return [...begun, ...this.output.delta(text)];
      }
      case 'thinking':
        this.thought.add(text);
        return this.shows ? this.output.delta(text) : [];
      case 'tool-call':
        return this.called(this.calls.delta(text));
      default:
        return [];
    }
  }

  private sealed(signature: Signature): readonly ItemEvent[] {
    switch (this.part) {
      case 'thinking':
        this.thought.seal(signature);
        return [];
      case 'tool-call':
        return this.called(this.calls.seal(signature));
      case 'text':
        this.textSeal = signature;
        return [];
      default:
        return [];
    }
  }

  private end(): readonly ItemEvent[] {
    const { part } = this;
    this.part = undefined;
    switch (part) {
      case 'thinking':
        return this.endThought();
      case 'tool-call':
        return [...this.called(this.calls.end()), ...this.output.close()];
      case 'text': {
        const seal = this.textSeal;
        this.textSeal = undefined;
        const told = this.output.close();
        return seal && this.keepsThoughts ? [...told, ...this.keep({ kind: 'call', signature: seal })] : told;
      }
      default:
        return [];
    }
  }

  private beginThought(): readonly ItemEvent[] {
    this.thought.begin();
    if (!this.keepsThoughts && !this.shows) return [];
    return this.output.open('rs', (place) => (this.reasoning = reasoningItem(place)));
  }

  private endThought(): readonly ItemEvent[] {
    const thought = this.thought.end();
    if (thought !== undefined && !this.keepsThoughts) this.calls.carry(thought);
    if (this.keepsThoughts) this.reasoning!.encrypted = packCarried(thought ? [thought] : []);
    return this.output.close();
  }

  /** A reasoning item that shows nothing: what is sealed by itself, or over the text before it. */
  private keep(carried: Carried): readonly ItemEvent[] {
    if (!this.keepsThoughts) {
      this.calls.carry(carried);
      return [];
    }
    const encrypted = packCarried([carried]);
    const told = this.output.open('rs', (place) => Object.assign(reasoningItem(place), { encrypted }));
    return [...told, ...this.output.close()];
  }

  private called(pieces: readonly CallPiece[]): readonly ItemEvent[] {
    return pieces.flatMap(({ begins, json }) => {
      const begun = begins === undefined ? [] : this.output.open('fc', (place) => callItem(place, begins));
      return [...begun, ...this.output.delta(json)];
    });
  }

  /** The vendor's own words for a refusal or a block are the model's refusal here; without any it is only filtered. */
  private stop({ reason, detail }: Stop): readonly ItemEvent[] {
    const filtered = reason === 'refusal' && detail === undefined;
    this.incomplete = filtered ? 'content_filter' : INCOMPLETE[reason];
    const told = this.output.settle(this.incomplete === undefined ? 'completed' : 'incomplete');
    const refuses = ['refusal', 'blocked', 'filtered'].includes(reason);
    if (!refuses || detail === undefined) return told;
    const begun = this.output.open('msg', (place) => messageItem(place, 'refusal'));
    const said = [...this.output.delta(detail), ...this.output.close()];
    return [...told, ...begun, ...said, ...this.output.settle('completed')];
  }

  private response(status: Status): object {
    const { incomplete, names, context } = this;
    const done = status !== 'in_progress';
    const told = { ...names, status, output: this.output.items, done };
    return responseObject({ ...told, ...(incomplete !== undefined && { incomplete }) }, context);
  }

  private get shows(): boolean {
    return this.context.request.thinking?.value.show ?? false;
  }
}
