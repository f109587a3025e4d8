import type { Message, Part, Signature, ToolResultPart } from '../neutral.ts';
import { NO_SIGNATURE } from './models.ts';
import { mediaName, writeMedia } from './write-media.ts';
import { leftOut } from '../left-out-name.ts';

interface Content {
  readonly role: 'user' | 'model';
  readonly parts: Readonly<Record<string, unknown>>[];
}

/**
 * The conversation. Turns of one role are one Content: the results of calls made together must stand together, as many
 * as there were calls. They come first there, whatever the client wrote beside them. A system message in
 * mid-conversation has no role of its own here and keeps its place among the user's.
 */
export function writeContents(
  messages: readonly Message[],
  third: boolean,
  edits: Set<string>,
): readonly object[] {
  const contents: Content[] = [];
  for (const { role, parts } of messages) {
    const written = parts.flatMap((part) => writePart(part, third, edits));
    if (written.length === 0) continue;
    const as = role === 'assistant' ? 'model' : 'user';
    const last = contents.at(-1);
    if (last?.role === as) last.parts.push(...written);
    else contents.push({ role: as, parts: written });
  }
  const sorted = contents.map(({ role, parts }) => ({ role, parts: resultsFirst(parts) }));
  return third ? withStandIns(sorted) : sorted;
}

function writePart(part: Part, third: boolean, edits: Set<string>): Readonly<Record<string, unknown>>[] {
  if ('cache' in part && part.cache !== undefined) edits.add(leftOut(part.cache.at));
  switch (part.type) {
    case 'text': {
      const signature = own(part.signature, edits);
      return part.text === '' && signature === undefined ? [] : [{ text: part.text, ...signature }];
    }
    case 'thinking': {
      const signature = own(part.signature ?? part.redacted, edits);
      if (signature !== undefined) return [{ text: part.text, thought: true, ...signature }];
      // what a summary without a seal says is nothing that Gemini reads again
      if (part.signature === undefined && part.redacted === undefined) edits.add('left-out:thinking');
      return [];
    }
    case 'tool-call': {
      const { id, name } = part;
      const args: unknown = JSON.parse(part.input);
      return [{ functionCall: { id, name, args }, ...own(part.signature, edits) }];
    }
    case 'tool-result':
      return writeResult(part, third, edits);
    default:
      mediaName(part, edits);
      return [writeMedia(part)];
  }
}

/** Google's own signature; another vendor's is removed, which is told. */
function own(signature: Signature | undefined, edits: Set<string>): { thoughtSignature: string } | undefined {
  if (signature?.minted === 'google') return { thoughtSignature: signature.value };
  if (signature !== undefined) edits.add('signature:foreign');
  return undefined;
}

/** Media inside of a result are Gemini 3's (`FunctionResponse.parts`); before, they stand beside it, as in Gemini CLI. */
function writeResult(
  part: ToolResultPart,
  third: boolean,
  edits: Set<string>,
): Readonly<Record<string, unknown>>[] {
  const { id, name, content, json } = part;
  const texts = content.flatMap((one) => (one.type === 'text' ? [one.text] : []));
  const media = content.flatMap((one) => {
    if ('cache' in one && one.cache !== undefined) edits.add(leftOut(one.cache.at));
    if (one.type === 'text') return [];
    mediaName(one, edits);
    return [writeMedia(one)];
  });
  const said = json ?? { output: texts.join('\n') };
  const response = part.failed && !Object.hasOwn(said, 'error') ? { error: said['output'] ?? said } : said;
  const inside = third && media.length > 0 ? { parts: media } : {};
  return [{ functionResponse: { id, name, response, ...inside } }, ...(third ? [] : media)];
}

function resultsFirst(parts: Content['parts']): Content['parts'] {
  const isResult = (part: object): boolean => 'functionResponse' in part;
  return [...parts.filter(isResult), ...parts.filter((part) => !isResult(part))];
}

/**
 * In the current turn, Gemini 3 refuses a step whose first call has no signature
 * (https://ai.google.dev/gemini-api/docs/thought-signatures); calls of other models get the value that Google documents
 * for them. The turn begins after the last message that answers no call.
 */
function withStandIns(contents: readonly Content[]): readonly Content[] {
  const begins = contents.findLastIndex(
    ({ role, parts }) => role === 'user' && !parts.some((part) => 'functionResponse' in part),
  );
  return contents.map((content, i) => {
    const first = content.parts.findIndex((part) => 'functionCall' in part);
    const unsigned = first >= 0 && !('thoughtSignature' in content.parts[first]!);
    if (i < begins || !unsigned) return content;
    const parts = content.parts.map((part, at) =>
      at === first ? { ...part, thoughtSignature: NO_SIGNATURE } : part,
    );
    return { ...content, parts };
  });
}
