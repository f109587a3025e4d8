import type { Span } from '../dialects/dialect.ts';
import type { Splice } from './splice.ts';

/**
 * Takes elements out of a list of JSON, each with a comma: the one after it, or the one before where nothing that stays
 * comes after.
 * @param elements all of them, in order
 */
export function without<T extends Span>(
  elements: readonly T[],
  goes: (element: T) => boolean,
): readonly Splice[] {
  const last = elements.findLastIndex((element) => !goes(element));
  const splices = elements.slice(0, Math.max(last, 0)).flatMap((element, i) => {
    if (!goes(element)) return [];
    return [{ span: { start: element.start, end: elements[i + 1]!.start }, text: '' }];
  });
  const first = elements[last + 1];
  if (first === undefined) return splices;
  const start = last < 0 ? first.start : elements[last]!.end;
  return [...splices, { span: { start, end: elements.at(-1)!.end }, text: '' }];
}
