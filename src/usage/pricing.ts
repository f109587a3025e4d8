import type { Usage } from '../dialects/dialect.ts';

/** An amount for a million tokens of each class. An absent class has no known price. */
export interface RatesOf<Amount> {
  readonly input?: Amount;
  readonly cacheRead?: Amount;
  readonly cacheWrite5m?: Amount;
  readonly cacheWrite1h?: Amount;
  readonly output?: Amount;
  /** For the reasoning part of the output; absent = as the rest of the output. */
  readonly reasoning?: Amount;
}

/** Rates of a whole request whose input is longer than `above` tokens, cached and written ones counted too. */
export interface LongContextOf<Amount> extends RatesOf<Amount> {
  readonly above: number;
}

/** What one model costs. */
export interface PriceOf<Amount> extends RatesOf<Amount> {
  /** Ascending by `above`. Never marginal: a request is priced at one tier as a whole. */
  readonly longContext?: readonly LongContextOf<Amount>[];
  /** An amount for a thousand units, by the vendor's counter name (`web_search_requests`). */
  readonly serverTools?: Readonly<Record<string, Amount>>;
}

/** Amounts in nano-dollars. */
export type Price = PriceOf<bigint>;

/**
 * The cost in nano-dollars of one attempt, rounded once, half up. Null = unpriced: a class with tokens, or a server
 * tool with units, has no price. Numbers that cannot be counts are taken for none, so that it is never negative.
 */
export function costOf(usage: Usage, price: Price): bigint | null {
  const input = count(usage.inputTokens);
  const cacheRead = count(usage.cacheReadTokens);
  const cacheWrite5m = count(usage.cacheWrite5mTokens);
  const cacheWrite1h = count(usage.cacheWrite1hTokens);
  const output = count(usage.outputTokens);
  const reasoning = Math.min(count(usage.reasoningTokens), output);

  const rates = ratesFor(price, usage);
  const parts = [
    charge(input, rates.input),
    charge(cacheRead, rates.cacheRead),
    charge(cacheWrite5m, rates.cacheWrite5m),
    charge(cacheWrite1h, rates.cacheWrite1h),
    charge(output - reasoning, rates.output),
    charge(reasoning, rates.reasoning ?? rates.output),
  ];
  for (const [tool, units] of Object.entries(usage.serverTools)) {
    const perThousand = price.serverTools?.[tool];
    parts.push(charge(count(units), perThousand === undefined ? undefined : perThousand * 1000n));
  }

  let millionths = 0n;
  for (const part of parts) {
    if (part === null) return null;
    if (part !== 0n) millionths += part;
  }
  return (millionths + 500_000n) / 1_000_000n;
}

/** Null: something was used that has no price. */
function charge(units: number, rate: bigint | undefined): bigint | null {
  if (units === 0) return 0n;
  return rate === undefined ? null : BigInt(units) * rate;
}

/** Of the rate of plain input; the dearest that a vendor asks for is Anthropic's for an hour (pricing.spec.ts). */
const MOST_FOR_A_WRITE = 2n;

/**
 * The most that an attempt may have cost whose price lacks a class: input that was read from a cache at the rate of
 * plain input, written to one at twice that, and what a tier does not say at the dearest of the others. Null: not known
 * either.
 */
export function costAtMost(usage: Usage, price: Price): bigint | null {
  const { input, output } = dearestRates(price, Infinity);
  const { longContext: _, ...base } = price;
  const plain = most([price, ...(price.longContext ?? [])].map((tier) => tier.input));
  const write =
    plain === undefined || input === undefined ? undefined : larger(plain * MOST_FOR_A_WRITE, input);
  const known: RatesOf<bigint> = {
    ...(plain !== undefined && { input: plain, cacheRead: plain }),
    ...(write !== undefined && { cacheWrite5m: write, cacheWrite1h: write }),
    ...(output !== undefined && { output }),
  };
  const longContext = (price.longContext ?? []).map((tier) => ({ ...known, ...tier }));
  return costOf(usage, { ...known, ...base, longContext });
}

/** Nothing was used that anybody bills: costs nothing, whatever the price would be. */
export function isFree(usage: Usage): boolean {
  return costOf(usage, {}) === 0n;
}

/**
 * The most that the input and the output of a request of up to `inputTokens` may cost; undefined where no price of it is
 * known.
 */
export function dearestRates(price: Price, inputTokens: number): RatesOf<bigint> {
  const long = (price.longContext ?? []).filter(({ above }) => above < inputTokens);
  const tiers: readonly RatesOf<bigint>[] = [price, ...long];
  const input = most(tiers.flatMap((tier) => (tier.input === undefined ? [] : inputRates(tier))));
  const output = most(tiers.flatMap((tier) => (tier.output === undefined ? [] : outputRates(tier))));
  return { ...(input !== undefined && { input }), ...(output !== undefined && { output }) };
}

function inputRates({ input, cacheRead, cacheWrite5m, cacheWrite1h }: RatesOf<bigint>) {
  return [input, cacheRead, cacheWrite5m, cacheWrite1h];
}

function outputRates({ output, reasoning }: RatesOf<bigint>) {
  return [output, reasoning];
}

function most(rates: readonly (bigint | undefined)[]): bigint | undefined {
  return rates.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined);
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function ratesFor(price: Price, usage: Usage): RatesOf<bigint> {
  const tiers = price.longContext ?? [];
  if (tiers.length === 0) return price;
  const { inputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens } = usage;
  // Together they may be more than a number tells apart.
  const whole = [inputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens].reduce(
    (sum, tokens) => sum + BigInt(count(tokens)),
    0n,
  );
  return tiers.findLast(({ above }) => whole > BigInt(above)) ?? price;
}

function count(tokens: number): number {
  return Number.isSafeInteger(tokens) && tokens > 0 ? tokens : 0;
}
