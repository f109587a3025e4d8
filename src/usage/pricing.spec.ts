import { NO_USAGE } from '../dialects/dialect.ts';
import { costAtMost, costOf, dearestRates, isFree, type Price } from './pricing.ts';

const usd = (dollars: number): bigint => BigInt(dollars * 1_000_000) * 1_000n;

/**
 * platform.claude.com/docs/en/about-claude/pricing, Claude Sonnet 4.5: $3 input, $3.75 5 m cache write, $6 1 h cache
 * write, $0.30 cache hit, $15 output; above 200,000 input tokens $6, $7.50, $12, $0.60, $22.50; web search $10 for
 * 1,000 searches.
 */
const SONNET: Price = {
  input: usd(3),
  cacheWrite5m: usd(3.75),
  cacheWrite1h: usd(6),
  cacheRead: usd(0.3),
  output: usd(15),
  longContext: [
    {
      above: 200_000,
      input: usd(6),
      cacheWrite5m: usd(7.5),
      cacheWrite1h: usd(12),
      cacheRead: usd(0.6),
      output: usd(22.5),
    },
  ],
  serverTools: { web_search_requests: usd(10) },
};

/** ai.google.dev/gemini-api/docs/pricing, Gemini 2.5 Flash: $0.30 input, $0.03 cached, $2.50 output with thoughts. */
const FLASH: Price = { input: usd(0.3), cacheRead: usd(0.03), output: usd(2.5) };

describe('the cost of a call', () => {
  it('prices each class of a Claude call with a cache read and both cache writes', () => {
    const usage = {
      ...NO_USAGE,
      inputTokens: 1_000, //        3,000,000 nano-dollars
      cacheReadTokens: 20_000, //   6,000,000
      cacheWrite5mTokens: 4_000, // 15,000,000
      cacheWrite1hTokens: 2_000, // 12,000,000
      outputTokens: 500, //         7,500,000
      reasoningTokens: 200, //      (a part of the output)
      serverTools: { web_search_requests: 3 }, // 30,000,000
    };
    expect(costOf(usage, SONNET)).toBe(73_500_000n);
  });

  it('moves the whole request to the long-context price, and counts cached input for the border', () => {
    const below = { ...NO_USAGE, inputTokens: 50_000, cacheReadTokens: 150_000, outputTokens: 1_000 };
    // 150,000,000 + 45,000,000 + 15,000,000
    expect(costOf(below, SONNET)).toBe(210_000_000n);
    const above = { ...below, cacheReadTokens: 150_001 };
    // 300,000,000 + 150,001 × 600 + 22,500,000
    expect(costOf(above, SONNET)).toBe(412_500_600n);
  });

  it('takes the highest tier passed', () => {
    const tiers: Price = {
      input: 1_000_000n,
      longContext: [
        { above: 10, input: 2_000_000n },
        { above: 20, input: 5_000_000n },
      ],
    };
    const cost = (inputTokens: number) => costOf({ ...NO_USAGE, inputTokens }, tiers);
    expect([cost(10), cost(11), cost(20), cost(21)]).toEqual([10n, 22n, 40n, 105n]);
  });

  it('prices a Gemini call: thoughts are output, cached tokens are not input', () => {
    // promptTokenCount 10,000 of which cached 8,000; candidates 300, thoughts 700.
    const usage = {
      ...NO_USAGE,
      inputTokens: 2_000, //     600,000
      cacheReadTokens: 8_000, // 240,000
      outputTokens: 1_000, //    2,500,000
      reasoningTokens: 700,
    };
    expect(costOf(usage, FLASH)).toBe(3_340_000n);
  });

  it('prices reasoning apart where the vendor does, and never more of it than there is output', () => {
    const price: Price = { output: usd(0.6), reasoning: usd(3.5) };
    const usage = { ...NO_USAGE, outputTokens: 1_000, reasoningTokens: 400 };
    expect(costOf(usage, price)).toBe(360_000n + 1_400_000n);
    expect(costOf({ ...usage, reasoningTokens: 5_000 }, price)).toBe(3_500_000n);
  });

  it('rounds once, half up, and not class by class', () => {
    const price: Price = { input: 250_000n, output: 250_000n };
    expect(costOf({ ...NO_USAGE, inputTokens: 1 }, price)).toBe(0n); // 0.25
    expect(costOf({ ...NO_USAGE, inputTokens: 2 }, price)).toBe(1n); // 0.5
    expect(costOf({ ...NO_USAGE, inputTokens: 1, outputTokens: 1 }, price)).toBe(1n); // 0.25 + 0.25
    expect(costOf({ ...NO_USAGE, inputTokens: 5 }, price)).toBe(1n); // 1.25
  });

  it('is exact beyond what a float can hold', () => {
    const usage = { ...NO_USAGE, inputTokens: Number.MAX_SAFE_INTEGER };
    expect(costOf(usage, { input: usd(3) })).toBe(27_021_597_764_222_973_000n);
  });

  it('is unpriced when a class with tokens has no price, and only then', () => {
    expect(costOf({ ...NO_USAGE, inputTokens: 1, cacheReadTokens: 1 }, { input: 1n, output: 1n })).toBeNull();
    expect(costOf({ ...NO_USAGE, inputTokens: 1 }, { input: 1_000_000n })).toBe(1n);
    expect(costOf({ ...NO_USAGE, serverTools: { web_search_requests: 1 } }, FLASH)).toBeNull();
    expect(costOf({ ...NO_USAGE, serverTools: { web_search_requests: 0 } }, FLASH)).toBe(0n);
    const tierLacksOutput: Price = { input: 1n, output: 1n, longContext: [{ above: 1, input: 1n }] };
    expect(costOf({ ...NO_USAGE, inputTokens: 2, outputTokens: 1 }, tierLacksOutput)).toBeNull();
  });

  it('is nothing for no tokens, and never negative for numbers that are none', () => {
    expect(costOf(NO_USAGE, {})).toBe(0n);
    expect(isFree(NO_USAGE)).toBe(true);
    expect(isFree({ ...NO_USAGE, outputTokens: 1 })).toBe(false);
    for (const bad of [-1, NaN, Infinity, 1.5, 2 ** 53]) {
      const usage = {
        ...NO_USAGE,
        inputTokens: bad,
        outputTokens: 2,
        reasoningTokens: bad,
        serverTools: { web_search_requests: bad },
      };
      expect(costOf(usage, SONNET)).toBe(30_000n);
    }
  });
});

describe('the most that a call may have cost', () => {
  const usage = { ...NO_USAGE, inputTokens: 1, cacheReadTokens: 10, outputTokens: 100 };

  it('is its cost where every class has a price', () => {
    expect(costAtMost({ ...usage, inputTokens: 250_000 }, SONNET)).toBe(
      costOf({ ...usage, inputTokens: 250_000 }, SONNET),
    );
  });

  it('takes cached input for plain input, and writes for twice that, where only input and output have a price', () => {
    const price: Price = { input: usd(3), output: usd(15) };
    expect(costAtMost(usage, price)).toBe(11n * 3_000n + 100n * 15_000n);
    const written = { ...NO_USAGE, cacheWrite5mTokens: 1, cacheWrite1hTokens: 10 };
    expect(costAtMost(written, price)).toBe(11n * 6_000n);
    expect(costAtMost(written, { ...price, cacheWrite5m: usd(9) })).toBe(11n * 9_000n);
  });

  it('takes what a tier does not say from the dearest that does', () => {
    const price: Price = { input: usd(3), output: usd(15), longContext: [{ above: 5, input: usd(6) }] };
    expect(costAtMost(usage, price)).toBe(11n * 6_000n + 100n * 15_000n);
  });

  it('is not known where no class like it has a price', () => {
    expect(costAtMost(usage, { input: usd(3) })).toBeNull();
    expect(costAtMost({ ...NO_USAGE, cacheReadTokens: 1 }, { output: usd(3) })).toBeNull();
    expect(costAtMost({ ...NO_USAGE, serverTools: { web_search_requests: 1 } }, FLASH)).toBeNull();
  });
});

describe('the dearest rates of a price', () => {
  it('are the most of any tier that the request may come to, input at the rate of a cache write', () => {
    expect(dearestRates(SONNET, 200_001)).toEqual({ input: usd(12), output: usd(22.5) });
    expect(dearestRates(SONNET, 200_000)).toEqual({ input: usd(6), output: usd(15) });
    expect(dearestRates({ input: 2n, output: 3n, reasoning: 5n }, 1)).toEqual({ input: 2n, output: 5n });
  });

  it('are not known where the plain rate is not', () => {
    expect(dearestRates({ input: 2n }, 1)).toEqual({ input: 2n });
    expect(dearestRates({ cacheRead: 2n, output: 3n }, 1)).toEqual({ output: 3n });
    expect(dearestRates({}, 1)).toEqual({});
  });
});
