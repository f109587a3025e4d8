import type { Call } from '../dialects/dialect.ts';

/**
 * Bytes of a body to a token, on the high side: most text has four, and of scripts with three bytes to a character a
 * character is about a token.
 */
const LEAST_BYTES_PER_TOKEN = 3;
/** The longest input that a model takes. Pictures and files are far fewer tokens than their bytes would make. */
const MOST_INPUT_TOKENS = 1_000_000;
/** Longer answers are promised by none. */
const MOST_OUTPUT_TOKENS = 1_000_000;
/**
 * The most that is held for one call. A budget is overshot by no more than what its calls in flight cost beyond this,
 * each for itself; a call that was held at its whole estimate overshoots nothing.
 */
export const MOST_HELD_NANOS = 1_000_000_000n;

/** What a call's tokens may cost at most, in nano-dollars for a million, and what it may answer where it does not say. */
export interface Ceiling {
  readonly input: bigint;
  readonly output: bigint;
  readonly outputTokens: number;
}

/** What a call may come to, on the high side. */
export function estimate(
  call: Pick<Call, 'operation' | 'maxOutputTokens' | 'body'>,
  ceiling: Ceiling,
): { readonly nanos: bigint; readonly tokens: number } {
  const input = Math.min(Math.ceil(call.body.length / LEAST_BYTES_PER_TOKEN), MOST_INPUT_TOKENS);
  const asked = call.operation === 'generate' ? (call.maxOutputTokens ?? ceiling.outputTokens) : 0;
  const output = Math.min(asked, MOST_OUTPUT_TOKENS);
  const millionths = BigInt(input) * ceiling.input + BigInt(output) * ceiling.output;
  const nanos = (millionths + 999_999n) / 1_000_000n;
  return { nanos: nanos < MOST_HELD_NANOS ? nanos : MOST_HELD_NANOS, tokens: input + output };
}
