import { isCarried, unpackCarried, unpackSignature } from '../carried.ts';
import { type CarriedParts, carriedParts } from '../carried-parts.ts';
import type { Fields, Leave } from '../fields.ts';
import { STAND_INS } from './models.ts';

/** What stood in a part's `thoughtSignature`: Google's own seal over this part or another vendor's, or thoughts before it. */
export type Seal = CarriedParts;

/** Undefined: the part has none, or one of Google's stand-ins for none. One that is broken is left out, and told. */
export function sealOf(part: Fields, leave: Leave): Seal | undefined {
  const at = part.atOf('thoughtSignature');
  const value = part.text('thoughtSignature');
  if (at === undefined || value === undefined || value === '' || STAND_INS.has(value)) return undefined;
  const carried = isCarried(value) ? unpackCarried(value) : undefined;
  if (carried !== undefined) return carriedParts(carried, at);
  const signature = unpackSignature(value, 'google');
  if (signature === undefined) leave({ at, advice: true });
  return signature && { signature, thoughts: [] };
}
