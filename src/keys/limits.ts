import { formatUsd, parseUsd } from '../database/money.ts';
import { type LimitsDto, type Period, PERIODS, type ShownLimitsDto } from './limits.dto.ts';

/** What a key or a team is limited to; null: no limit of its own. */
export interface Limits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  /** Calls at once. */
  readonly concurrency: number | null;
  /** Nano-dollars, as digits. */
  readonly budgets: Readonly<Record<Period, string | null>>;
}

export const NO_LIMITS: Limits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrency: null,
  budgets: { day: null, month: null, total: null },
};

/** What the wish leaves out stays; null clears. A list of budgets takes the place of the one before. */
export function changedLimits(wish: LimitsDto | null | undefined, before: Limits): Limits {
  if (wish === undefined) return before;
  if (wish === null) return NO_LIMITS;
  const or = <T>(value: T | undefined, old: T): T => (value === undefined ? old : value);
  return {
    requestsPerMinute: or(wish.requestsPerMinute, before.requestsPerMinute),
    tokensPerMinute: or(wish.tokensPerMinute, before.tokensPerMinute),
    concurrency: or(wish.concurrency, before.concurrency),
    budgets: wish.budgets === undefined ? before.budgets : budgetsOf(wish.budgets ?? []),
  };
}

export function showLimits({ budgets, ...limits }: Limits): ShownLimitsDto {
  return {
    requestsPerMinute: limits.requestsPerMinute,
    tokensPerMinute: limits.tokensPerMinute,
    concurrency: limits.concurrency,
    budgets: PERIODS.flatMap((period) => {
      const nanos = budgets[period];
      return nanos === null ? [] : [{ period, usd: formatUsd(BigInt(nanos)) }];
    }),
  };
}

function budgetsOf(wish: NonNullable<LimitsDto['budgets']>): Limits['budgets'] {
  const nanos = (period: Period): string | null => {
    const usd = wish.find((budget) => budget.period === period)?.usd;
    return usd === undefined ? null : String(parseUsd(usd));
  };
  return { day: nanos('day'), month: nanos('month'), total: nanos('total') };
}
