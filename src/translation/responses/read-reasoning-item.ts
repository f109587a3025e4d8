import { isCarried, unpackCarried } from '../carried.ts';
import { carriedParts, type CarriedParts } from '../carried-parts.ts';
import { Fields, type Leave } from '../fields.ts';
import { leaveRest } from './responses-left-out.ts';

/** A reasoning item: what it carries, and what it shows. */
export interface ReasoningItem {
  readonly carried: CarriedParts;
  readonly shown: readonly { readonly at: string; readonly text: string }[];
}

/**
 * `encrypted_content` is what the relay put there, or OpenAI's own, which no other vendor reads. One that is broken is
 * left out, and told.
 */
export function readReasoning(item: Fields, leave: Leave): ReasoningItem {
  const at = item.atOf('encrypted_content');
  const value = item.text('encrypted_content') ?? '';
  const shown = ['summary', 'content'].flatMap((name) =>
    item.list(name).flatMap((one) => {
      const text = Fields.of(one.item, one.at).text('text') ?? '';
      return text === '' ? [] : [{ at: one.at, text }];
    }),
  );
  leaveRest(item, 'item', leave);
  return { carried: carriedIn(value, at ?? item.at, leave), shown };
}

function carriedIn(value: string, at: string, leave: Leave): CarriedParts {
  if (value === '') return { thoughts: [] };
  if (!isCarried(value)) {
    return { thoughts: [{ type: 'thinking', at, text: '', redacted: { minted: 'openai', value } }] };
  }
  const carried = unpackCarried(value);
  if (carried === undefined) leave({ at, advice: true });
  return carriedParts(carried ?? [], at);
}
