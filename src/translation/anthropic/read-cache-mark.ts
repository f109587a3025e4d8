import type { Fields, Leave } from '../fields.ts';
import type { CacheMark } from '../neutral.ts';

/** `cache_control` of a block or a tool. */
export function cacheMark(fields: Fields, leave: Leave): { cache?: CacheMark } {
  const at = fields.atOf('cache_control');
  const mark = fields.object('cache_control');
  if (at === undefined || mark === undefined) return {};
  const ttl = mark.text('ttl');
  mark.take('type'); // there is one: ephemeral
  for (const more of mark.rest()) leave({ at: more.at, advice: true });
  return { cache: { ttl, at } };
}
