import { cannot } from '../cannot.ts';
import { leftOut } from '../left-out-name.ts';
import type { MediaPart, Message, Part, TextPart, ThinkingPart, ToolResultPart } from '../neutral.ts';
import { cachePoint } from './cache-point.ts';
import type { ConverseModel } from './models.ts';
import { callId, isName } from './names.ts';
import { MediaWriter } from './write-media.ts';

type Block = Readonly<Record<string, unknown>>;

interface Turn {
  readonly role: 'user' | 'assistant';
  readonly at: string;
  readonly results: readonly Block[];
  readonly rest: readonly Block[];
}

/**
 * The conversation, user and assistant in turn: what one of them says twice is one message, and what a system message says
 * in mid-conversation stands among the user's. The results of a turn's calls come first in the next one.
 * @throws CallError naming the client's field
 */
export function writeMessages(
  messages: readonly Message[],
  model: ConverseModel,
  edits: Set<string>,
): readonly object[] {
  const writer = new PartWriter(model, edits);
  const turns = merged(messages.map((message) => writer.turn(message))).filter((turn) => {
    // "rejects assistant turns containing only reasoningContent" (NousResearch/hermes-agent issue 105780)
    const said = turn.role === 'user' || turn.rest.some((block) => !('reasoningContent' in block));
    if (!said) edits.add('left-out:thinking');
    return said;
  });
  const written = merged(turns);
  const [first] = written;
  if (first?.role === 'assistant') throw cannot(first.at, 'must not be the first: it answers nothing');
  return written.map(({ role, at, results, rest }) => {
    const content = [...results, ...rest];
    if (content.some((block) => 'document' in block) && !content.some((block) => 'text' in block)) {
      throw cannot(at, 'has a document and no text beside it, which the account’s models need');
    }
    return { role, content };
  });
}

function merged(turns: readonly Turn[]): readonly Turn[] {
  const written: (Turn & { readonly results: Block[]; readonly rest: Block[] })[] = [];
  for (const turn of turns) {
    const last = written.at(-1);
    if (turn.results.length + turn.rest.length === 0) continue;
    if (last?.role === turn.role) {
      last.results.push(...turn.results);
      last.rest.push(...turn.rest);
    } else {
      written.push({ ...turn, results: [...turn.results], rest: [...turn.rest] });
    }
  }
  return written;
}

class PartWriter {
  private readonly media: MediaWriter;

  constructor(
    private readonly model: ConverseModel,
    private readonly edits: Set<string>,
  ) {
    this.media = new MediaWriter(edits);
  }

  turn({ role, at, parts }: Message): Turn {
    const results: Block[] = [];
    const rest: Block[] = [];
    for (const part of parts) {
      if (part.type !== 'tool-result') rest.push(...this.part(part, role));
      else {
        const { block, beside } = this.result(part);
        results.push(block, ...this.mark(part));
        rest.push(...beside);
      }
    }
    return { role: role === 'assistant' ? role : 'user', at, results, rest };
  }

  private part(part: Exclude<Part, ToolResultPart>, role: Message['role']): readonly Block[] {
    switch (part.type) {
      case 'text':
        return this.text(part);
      case 'thinking':
        return this.thought(part);
      case 'tool-call': {
        const { at, id, name, input, signature } = part;
        if (signature !== undefined) this.edits.add('signature:foreign');
        if (!isName(name)) throw cannot(`${at}.name`, 'must be 1 to 64 letters, digits, `_` and `-`');
        const toolUse = { toolUseId: callId(id), name, input: JSON.parse(input) as unknown };
        return [{ toolUse }, ...this.mark(part)];
      }
      default:
        if (role === 'assistant') throw cannot(part.at, 'is a file in an answer');
        return [this.media.write(part), ...this.mark(part)];
    }
  }

  /** A text of white space alone is refused, and says nothing. */
  private text(part: TextPart): readonly Block[] {
    if (part.signature !== undefined) this.edits.add('signature:foreign');
    if (part.text.trim() !== '') return [{ text: part.text }, ...this.mark(part)];
    if (part.cache !== undefined) this.edits.add(leftOut(part.cache.at));
    return [];
  }

  /** Back to whom it came from, as it came; one without a seal is refused (aws-samples/bedrock-chat pull 851). */
  private thought({ text, signature, redacted }: ThinkingPart): readonly Block[] {
    const seal = signature ?? redacted;
    if (seal === undefined) {
      this.edits.add('left-out:thinking');
      return [];
    }
    if (seal.minted !== 'bedrock' || !this.model.remembers) {
      this.edits.add('signature:foreign');
      return [];
    }
    if (redacted !== undefined) return [{ reasoningContent: { redactedContent: redacted.value } }];
    return [{ reasoningContent: { reasoningText: { text, signature: seal.value } } }];
  }

  /** Images inside of a result are for Amazon's own models; for the others they stand beside it. */
  private result(part: ToolResultPart): { block: Block; beside: readonly Block[] } {
    const { id, content, json, failed } = part;
    const beside: Block[] = [];
    const inside: Block[] = json === undefined ? [] : [{ json }];
    for (const one of content) {
      if (one.cache !== undefined) this.edits.add(leftOut(one.cache.at));
      if (one.type !== 'text') {
        const images = one.type === 'document' || this.model.results ? inside : beside;
        images.push(this.media.write(one));
      } else if (json === undefined && one.text.trim() !== '') {
        inside.push({ text: one.text });
      }
    }
    // A JSON result says so in itself.
    if (failed && !this.model.results && json === undefined) this.edits.add('left-out:is_error');
    const status = failed && this.model.results ? { status: 'error' } : {};
    return { block: { toolResult: { toolUseId: callId(id), content: inside, ...status } }, beside };
  }

  private mark({ cache }: Pick<TextPart | MediaPart, 'cache'>): readonly Block[] {
    return cachePoint(cache, this.model.caches, this.edits);
  }
}
