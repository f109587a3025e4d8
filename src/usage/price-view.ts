import { type FieldProblem, ProblemError } from '../errors/problem-error.ts';
import { ANY_KIND } from './model-names.ts';
import { formatUsd, parseUsd } from '../database/money.ts';
import { mapPrice, TOKEN_CLASSES } from './price-record.ts';
import { type PriceDto, type PutPriceDto, USD, USD_PROBLEM } from './prices.dto.ts';
import type { StoredPrice } from './prices.repository.ts';
import type { Price, PriceOf } from './pricing.ts';

export function viewPrice(row: StoredPrice): PriceDto {
  const price = mapPrice(row.price, formatUsd) as Pick<PriceDto, keyof Price>;
  return {
    id: row.id,
    kind: row.kind === ANY_KIND ? null : row.kind,
    model: row.model,
    effectiveFrom: row.effectiveFrom.toISOString(),
    source: row.source,
    createdAt: row.createdAt.toISOString(),
    ...price,
  };
}

/** The amounts of a checked body. @throws ProblemError naming what no decorator can see */
export function priceFrom(body: PutPriceDto): Price {
  const problems = [...toolProblems(body.serverTools ?? {}), ...tierProblems(body)];
  if (problems.length > 0) throw ProblemError.fields(problems);
  return mapPrice<string, bigint>(body, (usd) => {
    const nanos = parseUsd(usd);
    if (nanos === undefined) throw new Error('An amount was not checked');
    return nanos;
  });
}

function toolProblems(tools: Readonly<Record<string, unknown>>): FieldProblem[] {
  return Object.entries(tools).flatMap(([name, amount]) => {
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(name))
      return [{ field: 'serverTools', problem: 'has no such counter' }];
    const sound = typeof amount === 'string' && USD.test(amount);
    return sound ? [] : [{ field: `serverTools.${name}`, problem: USD_PROBLEM }];
  });
}

/** A tier replaces the whole price: a class that it left out would become unpriced behind the reader's back. */
function tierProblems(price: PriceOf<string>): FieldProblem[] {
  return (price.longContext ?? []).flatMap((tier, index, tiers) => {
    const field = `longContext.${index}`;
    const before = tiers[index - 1];
    const order =
      before !== undefined && before.above >= tier.above
        ? [{ field: `${field}.above`, problem: 'must be more than in the tier before' }]
        : [];
    const classes = TOKEN_CLASSES.filter(
      (name) => (price[name] === undefined) !== (tier[name] === undefined),
    );
    return order.concat(
      classes.map((name) => ({
        field: `${field}.${name}`,
        problem: tier[name] === undefined ? 'is priced below, so it must be here' : 'is not priced below',
      })),
    );
  });
}
