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

/** What a million tokens of a call may cost at most, in nano-dollars. */
export interface Rates {
  readonly input: bigint;
  readonly output: bigint;
}

/** What calls of one model may come to. */
export interface Ceiling {
  readonly rates: Rates;
  /** Of requests whose input is longer than `above`. */
  readonly long: Rates & { readonly above: number };
  /** The answer to a call that names no maximum. */
  readonly outputTokens: number;
}

/** What a call may come to, on the high side. */
export function estimate(
  call: Pick<Call, 'operation' | 'maxOutputTokens' | 'answers' | 'body'>,
  { rates, long, outputTokens }: Ceiling,
): { readonly nanos: bigint; readonly tokens: number } {
  const input = Math.min(Math.ceil(call.body.length / LEAST_BYTES_PER_TOKEN), MOST_INPUT_TOKENS);
  const asked =
    call.operation === 'generate' ? (call.maxOutputTokens ?? outputTokens * (call.answers ?? 1)) : 0;
  const output = Math.min(asked, MOST_OUTPUT_TOKENS);
  const dearest = input > long.above ? long : rates;
  const millionths = BigInt(input) * dearest.input + BigInt(output) * dearest.output;
  const nanos = (millionths + 999_999n) / 1_000_000n;
  return { nanos: nanos < MOST_HELD_NANOS ? nanos : MOST_HELD_NANOS, tokens: input + output };
}
