import type { AnswerContext, NeutralEvent } from '../neutral.ts';
import type { EventWriter } from '../sides.ts';
import { AnswerParts } from './answer-parts.ts';
import { blockReasonOf, finishReasonOf } from './finish-reasons.ts';
import { usageMetadata } from './usage-metadata.ts';

type Stop = Extract<NeutralEvent, { type: 'stop' }>;

const NOT_TOLD: Stop = { type: 'stop', reason: 'end' };

/** Frames of a stream: `GenerateContentResponse`s, the reason and the usage in the last one. */
export class GeminiWriter implements EventWriter {
  private readonly context: AnswerContext;
  private readonly framing: 'sse' | 'json-array';
  private readonly parts: AnswerParts;
  private names: object = {};
  private stop = NOT_TOLD;
  private begun = false;

  constructor(context: AnswerContext, framing: 'sse' | 'json-array') {
    this.context = context;
    this.framing = framing;
    this.parts = partsFor(context);
  }

  write(event: NeutralEvent): string {
    switch (event.type) {
      case 'start':
        this.names = namesOf(event, this.context);
        return '';
      case 'stop':
        this.stop = event;
        return '';
      case 'error':
        return '';
      case 'end':
        return this.last();
      default: {
        const parts = this.parts.take(event);
        return parts.length === 0 ? '' : this.frame({ candidates: [candidate(parts)] });
      }
    }
  }

  private last(): string {
    const seal = this.parts.left();
    const parts = seal === undefined ? [] : [{ text: '', thoughtSignature: seal }];
    const frame = this.frame(ending(parts, this.parts, this.stop, this.context));
    return this.framing === 'sse' ? frame : `${frame}\r\n]`;
  }

  private frame(content: object): string {
    const json = JSON.stringify({ ...content, ...this.names });
    const first = !this.begun;
    this.begun = true;
    if (this.framing === 'sse') return `data: ${json}\r\n\r\n`;
    return first ? `[${json}` : `,\r\n${json}`;
  }
}

/** A whole answer. Here the seal that no call took stands on the last text itself, where Gemini has it. */
export function document(events: readonly NeutralEvent[], context: AnswerContext): object {
  const answer = partsFor(context);
  const parts: Record<string, unknown>[] = [];
  let names: object = namesOf({ id: '', model: undefined }, context);
  let stop = NOT_TOLD;
  for (const event of events) {
    if (event.type === 'start') names = namesOf(event, context);
    if (event.type === 'stop') stop = event;
    for (const part of answer.take(event)) add(parts, part as Record<string, unknown>);
  }
  const seal = answer.left();
  const text = parts.findLast((part) => 'text' in part && !('thought' in part));
  if (seal !== undefined && text !== undefined) text['thoughtSignature'] = seal;
  return { ...ending(parts, answer, stop, context), ...names };
}

/** Pieces of one text are one part. */
function add(parts: Record<string, unknown>[], part: Record<string, unknown>): void {
  const before = parts.at(-1);
  const [text, more] = [before?.['text'], part['text']];
  const alike = before?.['thought'] === part['thought'];
  if (before !== undefined && alike && typeof text === 'string' && typeof more === 'string') {
    before['text'] = text + more;
  } else {
    parts.push({ ...part });
  }
}

function ending(parts: readonly object[], answer: AnswerParts, stop: Stop, context: AnswerContext): object {
  const usage = { usageMetadata: usageMetadata(context.usage()) };
  if (stop.reason === 'blocked') {
    return { promptFeedback: { blockReason: blockReasonOf(stop.detail) }, ...usage };
  }
  const cut = answer.malformed !== undefined && stop.reason !== 'max-tokens';
  const finishReason = cut ? 'MALFORMED_FUNCTION_CALL' : finishReasonOf(stop.reason);
  const finishMessage = cut ? answer.malformed : stop.detail;
  const said = finishMessage === undefined ? {} : { finishMessage };
  return { candidates: [{ ...candidate(parts), finishReason, ...said }], ...usage };
}

/** A part must not be missing where there is a content: Gemini CLI takes it for a broken answer. */
function candidate(parts: readonly object[]): object {
  return parts.length === 0 ? { index: 0 } : { content: { parts, role: 'model' }, index: 0 };
}

function partsFor({ request }: AnswerContext): AnswerParts {
  return new AnswerParts(request.thinking?.value.show ?? false);
}

function namesOf(start: { readonly id: string; readonly model: string | undefined }, context: AnswerContext) {
  return { modelVersion: start.model ?? context.model, responseId: start.id || context.requestId };
}
