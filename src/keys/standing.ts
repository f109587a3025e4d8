import { formatUsd } from '../database/money.ts';
import { type Period, PERIODS } from './limits.dto.ts';
import type { Limits } from './limits.ts';
import type { BudgetStandingDto, StandingDto } from './standing.dto.ts';

/** Counters of a key or a team as admission keeps them (see `migrations/1763800004000-limits.ts`), in one snapshot. */
export interface Holder {
  readonly name: string;
  readonly limits: Limits;
  readonly inUse: number;
  /** The database's clock in µs; it and the others that may be large are digits. */
  readonly now: string;
  /** The moment, in µs, at which the bucket of requests is empty again. */
  readonly tat: string;
  /** The same of the tokens that were used. */
  readonly tokTat: string;
  readonly tokHeld: string;
  /** Nano-dollars that open calls may come to. */
  readonly held: string;
  /** Nano-dollars that were used in the windows that are open now. */
  readonly used: Readonly<Record<Period, string>>;
  readonly ends: { readonly day: Date; readonly month: Date };
}

const MINUTE_US = 60_000_000n;

/** What is left of each limit, counted as admission counts it. */
export function standingOf(holder: Holder): StandingDto {
  const { limits, inUse } = holder;
  return {
    requestsPerMinute: requestsOf(holder),
    tokensPerMinute: tokensOf(holder),
    concurrency: {
      limit: limits.concurrency,
      inUse,
      left: limits.concurrency === null ? null : Math.max(0, limits.concurrency - inUse),
    },
    budgets: PERIODS.flatMap((period) => {
      const limit = limits.budgets[period];
      return limit === null ? [] : [budgetOf(holder, period, BigInt(limit))];
    }),
  };
}

function requestsOf({ limits, now, tat }: Holder): StandingDto['requestsPerMinute'] {
  const limit = limits.requestsPerMinute;
  if (limit === null) return { limit, left: null, resetsAt: null };
  const each = (MINUTE_US - 1n + BigInt(limit)) / BigInt(limit);
  const filled = atLeastNothing(BigInt(tat) - BigInt(now));
  const left = atLeastNothing(each * BigInt(limit) - filled) / each;
  return { limit, left: Number(left), resetsAt: filled === 0n ? null : moment(tat) };
}

function tokensOf({ limits, now, tokTat, tokHeld }: Holder): StandingDto['tokensPerMinute'] {
  const limit = limits.tokensPerMinute;
  const held = Number(tokHeld);
  if (limit === null) return { limit, used: null, held, left: null, resetsAt: null };
  const filled = atLeastNothing(BigInt(tokTat) - BigInt(now));
  const used = Number((filled * BigInt(limit) + MINUTE_US - 1n) / MINUTE_US);
  return {
    limit,
    used,
    held,
    left: Math.max(0, limit - used - held),
    resetsAt: filled === 0n ? null : moment(tokTat),
  };
}

function budgetOf(holder: Holder, period: Period, limit: bigint): BudgetStandingDto {
  const used = BigInt(holder.used[period]);
  const held = BigInt(holder.held);
  return {
    period,
    limit: formatUsd(limit),
    used: formatUsd(used),
    held: formatUsd(held),
    left: formatUsd(atLeastNothing(limit - used - held)),
    resetsAt: period === 'total' ? null : holder.ends[period].toISOString(),
  };
}

function atLeastNothing(value: bigint): bigint {
  return value > 0n ? value : 0n;
}

function moment(micros: string): string {
  return new Date(Number(BigInt(micros) / 1000n)).toISOString();
}
