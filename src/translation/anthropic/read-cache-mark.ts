import type { Fields } from '../fields.ts';
import type { CacheMark } from '../neutral.ts';

/** `cache_control` of a block or a tool. */
export function cacheMark(fields: Fields): { cache?: CacheMark } {
  const at = fields.atOf('cache_control');
  const mark = fields.object('cache_control');
  if (at === undefined || mark === undefined) return {};
  return { cache: { ttl: mark.text('ttl'), at } };
}
