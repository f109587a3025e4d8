import type { Carried } from './carried.ts';
import type { Signature, ThinkingPart } from './neutral.ts';

/** What a client carried, as parts: thoughts before what carries them, and the seal over it. */
export interface CarriedParts {
  readonly thoughts: readonly ThinkingPart[];
  readonly signature?: Signature;
}

export function carriedParts(carried: readonly Carried[], at: string): CarriedParts {
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
      case 'thinking': {
        const sealed = one.signature && { signature: one.signature };
        thoughts.push({ type: 'thinking', at, text: one.text, ...sealed });
      }
    }
  }
  return { thoughts, ...(signature && { signature }) };
}
