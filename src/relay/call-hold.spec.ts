import { estimate, MOST_HELD_NANOS } from './call-hold.ts';

const LONG = { above: 200_000, input: 6_000_000_000n, output: 22_500_000_000n };
const CEILING = {
  rates: { input: 3_000_000_000n, output: 15_000_000_000n },
  long: LONG,
  outputTokens: 8_192,
};

function call(
  bytes: number,
  maxOutputTokens: number | undefined,
  operation: 'generate' | 'embed' = 'generate',
) {
  return { operation, maxOutputTokens, body: Buffer.alloc(bytes) };
}

describe('the estimate of a call', () => {
  it('is a token for three bytes of the body, rounded up, and the output that was asked for', () => {
    expect(estimate(call(10, 100), CEILING)).toEqual({ nanos: 4n * 3_000n + 100n * 15_000n, tokens: 104 });
  });

  it('takes the most that the model gives where the call names no maximum', () => {
    expect(estimate(call(3, undefined), CEILING).tokens).toBe(8_193);
    expect(estimate(call(3, undefined, 'embed'), CEILING)).toEqual({ nanos: 3_000n, tokens: 1 });
    expect(estimate(call(3, 0), CEILING).tokens).toBe(1);
  });

  it('takes that for each of several answers, and their maximum once, which is of all of them', () => {
    expect(estimate({ ...call(3, undefined), answers: 8 }, CEILING)).toEqual({
      nanos: 3_000n + 8n * 8_192n * 15_000n,
      tokens: 1 + 8 * 8_192,
    });
    expect(estimate({ ...call(3, 80), answers: 8 }, CEILING).tokens).toBe(81);
  });

  it('is at the rates of long requests from where these begin', () => {
    expect(estimate(call(600_000, 1), CEILING).nanos).toBe(200_000n * 3_000n + 15_000n);
    expect(estimate(call(600_001, 0), { ...CEILING, long: { ...LONG, input: 4_000_000_000n } }).nanos).toBe(
      200_001n * 4_000n,
    );
  });

  it('rounds a part of a nano-dollar up', () => {
    expect(estimate(call(3, 0), { ...CEILING, rates: { input: 1n, output: 1n } }).nanos).toBe(1n);
    expect(estimate(call(0, 0), CEILING)).toEqual({ nanos: 0n, tokens: 0 });
  });

  it.each([Number.MAX_SAFE_INTEGER, 2 ** 52, 1_000_001])(
    'B6 is never more than a dollar and two million tokens, with %d tokens asked for',
    (asked) => {
      const { nanos, tokens } = estimate(call(9_000_000, asked), CEILING);
      expect(nanos).toBe(MOST_HELD_NANOS);
      expect(tokens).toBe(2_000_000);
    },
  );
});
