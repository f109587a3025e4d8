import type { Price, PriceOf, RatesOf } from './pricing.ts';

/** How a price stands in `prices.price` (jsonb): nano-dollars as digit strings, so that no reader makes floats of them. */
export type PriceRecord = PriceOf<string>;

export const TOKEN_CLASSES = [
  'input',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'output',
  'reasoning',
] as const satisfies readonly (keyof RatesOf<unknown>)[];

export function encodePrice(price: Price): PriceRecord {
  return mapPrice(price, (nanos) => nanos.toString());
}

export function decodePrice(record: PriceRecord): Price {
  return mapPrice(record, (digits) => BigInt(digits));
}

/** Equal in every amount. */
export function samePrice(a: Price, b: Price): boolean {
  return JSON.stringify(encodePrice(a)) === JSON.stringify(encodePrice(b));
}

/** The same price with every amount turned into another form, its fields in one fixed order. */
export function mapPrice<From, To>(price: PriceOf<From>, turn: (amount: From) => To): PriceOf<To> {
  const tools = Object.entries(price.serverTools ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...mapRates(price, turn),
    ...(price.longContext?.length && {
      longContext: price.longContext.map((tier) => ({ above: tier.above, ...mapRates(tier, turn) })),
    }),
    ...(tools.length > 0 && {
      serverTools: Object.fromEntries(tools.map(([name, amount]) => [name, turn(amount)])),
    }),
  };
}

function mapRates<From, To>(rates: RatesOf<From>, turn: (amount: From) => To): RatesOf<To> {
  const known = TOKEN_CLASSES.flatMap((name) => {
    const amount = rates[name];
    return amount === undefined ? [] : [[name, turn(amount)] as const];
  });
  return Object.fromEntries(known);
}
