import { CallError } from '../../dialects/dialect.ts';
import type { Fields, Leave } from '../fields.ts';
import type { CacheMark } from '../neutral.ts';

/** `prompt_cache_breakpoint` of a part: how long is told for the whole request, and is OpenAI's own measure. */
export function cacheMark(part: Fields, leave: Leave): { cache?: CacheMark } {
  const at = part.atOf('prompt_cache_breakpoint');
  const mark = part.object('prompt_cache_breakpoint');
  if (at === undefined || mark === undefined) return {};
  if (mark.text('mode') !== 'explicit') throw new CallError(`${at}.mode: must be explicit`);
  for (const more of mark.rest()) leave({ at: more.at, advice: true });
  return { cache: { ttl: undefined, at } };
}
