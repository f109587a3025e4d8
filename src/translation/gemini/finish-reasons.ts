import type { StopReason } from '../neutral.ts';

/**
 * `Candidate.finishReason` and `promptFeedback.blockReason` both ways (`FinishReason` and `BlockedReason` of
 * @google/genai 2.32). A reason that is not listed withheld something: new ones are filters more often than not.
 */
const READ: Readonly<Record<string, StopReason>> = {
  STOP: 'end',
  MAX_TOKENS: 'max-tokens',
  // the answer is to be continued by another request, with a token that no other dialect has
  CONTINUATION: 'max-tokens',
};

const WRITTEN: Readonly<Record<Exclude<StopReason, 'blocked'>, string>> = {
  end: 'STOP',
  'stop-sequence': 'STOP',
  'tool-calls': 'STOP',
  'max-tokens': 'MAX_TOKENS',
  'context-full': 'MAX_TOKENS',
  refusal: 'SAFETY',
  filtered: 'SAFETY',
};

const BLOCKED = new Set(['SAFETY', 'OTHER', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'IMAGE_SAFETY', 'JAILBREAK']);

/** A reason that says nothing (`''`, `FINISH_REASON_UNSPECIFIED`) is none. */
export function isReason(reason: unknown): reason is string {
  return typeof reason === 'string' && reason !== '' && !reason.endsWith('_REASON_UNSPECIFIED');
}

/** Gemini stops with STOP after calls as well. */
export function stopOf(reason: string, called: boolean): StopReason {
  const stop = Object.hasOwn(READ, reason) ? READ[reason]! : 'filtered';
  return stop === 'end' && called ? 'tool-calls' : stop;
}

export function finishReasonOf(stop: Exclude<StopReason, 'blocked'>): string {
  return WRITTEN[stop];
}

/** The vendor's own word where it is one of Gemini's. */
export function blockReasonOf(detail: string | undefined): string {
  return detail !== undefined && BLOCKED.has(detail) ? detail : 'OTHER';
}
