import { ownEntry } from '../dialects/own-entry.ts';
import type { Fields, Leave } from './fields.ts';

/**
 * What may be left out of a translated call, by the place where it stands, and why an answer without it is still the
 * answer. A field that is not here is refused by its name.
 */
export type Advice<P extends string> = Readonly<Record<P, Readonly<Record<string, string>>>>;

/** Values that ask for nothing: the field does not count as given. */
export type Idle<P extends string> = Readonly<
  Partial<Record<P, Readonly<Record<string, (value: unknown) => boolean>>>>
>;

/** Leaves what the reader of an object took no notice of. */
export type LeaveRest<P extends string> = (fields: Fields, place: P, leave: Leave) => void;

export function leaveRestBy<P extends string>(advice: Advice<P>, idle: Idle<P>): LeaveRest<P> {
  return (fields, place, leave) => {
    for (const { name, at, value } of fields.rest()) {
      if (ownEntry(idle[place], name)?.(value) === true) continue;
      leave({ at, advice: Object.hasOwn(advice[place], name) });
    }
  };
}
