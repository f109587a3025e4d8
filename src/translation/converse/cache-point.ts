import { leftOut } from '../left-out-name.ts';
import type { CacheMark } from '../neutral.ts';

/** What is before it is kept for five minutes; a model that caches nothing refuses it, so there it is left out. */
export function cachePoint(
  mark: CacheMark | undefined,
  caches: boolean,
  edits: Set<string>,
): Readonly<Record<string, unknown>>[] {
  if (mark === undefined) return [];
  if (!caches) {
    edits.add(leftOut(mark.at));
    return [];
  }
  if (mark.ttl !== undefined && mark.ttl !== '5m') edits.add(leftOut(`${mark.at}.ttl`));
  return [{ cachePoint: { type: 'default' } }];
}
