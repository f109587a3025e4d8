import { type Carried, isCarried, unpackCarried, unpackSignature } from '../carried.ts';
import type { Signature, ThinkingPart } from '../neutral.ts';
import type { Fields, Leave } from '../fields.ts';
import { STAND_INS } from './models.ts';

/** What stood in a part's `thoughtSignature`. */
export interface Seal {
  /** Google's own over this part, or another vendor's. */
  readonly signature?: Signature;
  /** What a model thought before this part. */
  readonly thoughts: readonly ThinkingPart[];
}

/** Undefined: the part has none, or one of Google's stand-ins for none. One that is broken is left out, and told. */
export function sealOf(part: Fields, leave: Leave): Seal | undefined {
  const at = part.atOf('thoughtSignature');
  const value = part.text('thoughtSignature');
  if (at === undefined || value === undefined || value === '' || STAND_INS.has(value)) return undefined;
  const carried = isCarried(value) ? unpackCarried(value) : undefined;
  if (carried !== undefined) return unpacked(carried, at);
  const signature = unpackSignature(value, 'google');
  if (signature === undefined) leave({ at, advice: true });
  return signature && { signature, thoughts: [] };
}

function unpacked(carried: readonly Carried[], at: string): Seal {
  const thoughts: ThinkingPart[] = [];
  let signature: Signature | undefined;
  for (const one of carried) {
    switch (one.kind) {
      case 'call':
        signature = one.signature;
        break;
      case 'redacted':
        thoughts.push({ type: 'thinking', at, text: '', redacted: one.data });
        break;
      case 'thinking':
        thoughts.push({
          type: 'thinking',
          at,
          text: one.text,
          ...(one.signature && { signature: one.signature }),
        });
    }
  }
  return { thoughts, ...(signature && { signature }) };
}
